"""What others must know of a codec where cyclekit is not installed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn


@dataclass(frozen=True)
class PortablePart:
    """A further network that a codec's script runs, such as a vocoder.

    Attributes:
        network: ``(batch, channels, *sizes)`` to whatever it makes of them; of any batch and sizes.
        example: Something that goes in, of a size of which larger and smaller ones may be tried.
        range: Smallest and largest value that come out, ``None`` where there are none.
    """

    network: nn.Module
    example: Tensor
    range: tuple[float, float] | None = None


@dataclass(frozen=True)
class Portable:
    """How an exported network is used where neither torch nor cyclekit is installed.

    Attributes:
        axes: Names of the axes that follow the channels, such as ``("height", "width")``.
        input: How what a file holds becomes what the network takes, in sentences.
        output: How what the network gives becomes such a thing again.
        settings: What ``script`` must know besides; JSON values. They travel in the file.
        script: A Python program, ``python SCRIPT MODEL INPUT OUTPUT``, that translates one file.
        modules: Sources of the plugin's modules that it imports, by their names, without torch or
            cyclekit: they are written into it, so that it needs no plugin either.
        parts: Further networks that it runs, by their names: each is written beside the file, as
            ``MODEL.NAME.onnx``, once it is proven equal.
        eight_bit_pictures: Whether samples are pictures, ``(channels, height, width)`` uint8, for
            which ``from_network`` gives 0..1: one graph can then take and give files' own values.
    """

    axes: tuple[str, ...] = ()
    input: str = ""
    output: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    script: str = ""
    modules: Mapping[str, str] = field(default_factory=dict)
    parts: Mapping[str, PortablePart] = field(default_factory=dict)
    eight_bit_pictures: bool = False
