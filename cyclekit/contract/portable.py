"""What others must know of a codec where cyclekit is not installed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Portable:
    """How an exported network is used where neither torch nor cyclekit is installed.

    Attributes:
        axes: Names of the axes that follow the channels, such as ``("height", "width")``.
        input: How what a file holds becomes what the network takes, in sentences.
        output: How what the network gives becomes such a thing again.
        settings: What ``script`` must know besides; JSON values. They travel in the file.
        script: A Python program, ``python SCRIPT MODEL INPUT OUTPUT``, that translates one file.
        eight_bit_pictures: Whether samples are pictures, ``(channels, height, width)`` uint8, for
            which ``from_network`` gives 0..1: one graph can then take and give files' own values.
    """

    axes: tuple[str, ...] = ()
    input: str = ""
    output: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    script: str = ""
    eight_bit_pictures: bool = False
