"""Encoded samples, and what is promised about the shape and range of their tensors."""

from dataclasses import dataclass, field
from typing import Any, TypeVar

from torch import Tensor

Item = TypeVar("Item")
"""What a file holds once it is read: a PIL picture, a waveform, a MIDI object."""


@dataclass(frozen=True)
class TensorSpec:
    """The shape and range of one tensor, batch axis left out.

    Attributes:
        channels: Size of the first axis.
        sizes: Size of each further axis; ``None`` where any length will do. Longer items are
            translated in tiles of a fixed size.
        multiple_of: What each further axis must be divisible by; empty means 1 everywhere.
        range: Smallest and largest value, or ``None`` for unbounded (log-mel spectrograms, logits).
        tiles: The most of each further axis that goes through a network at once; what is longer is
            translated in tiles that overlap. ``None``, or empty for all: the whole.
        gaps: Whether samples may hold NaN where nothing is known. Networks see zeros there and L1
            terms look away; in a translation there are numbers. Without it a NaN is an error.
        colours: Whether channels are one thing seen in several ways, as red, green and blue are:
            then augmentation may bring them closer to their mean, or away from it.
    """

    channels: int
    sizes: tuple[int | None, ...]
    multiple_of: tuple[int, ...] = ()
    range: tuple[float, float] | None = (-1.0, 1.0)
    tiles: tuple[int | None, ...] = ()
    gaps: bool = False
    colours: bool = False

    @property
    def dims(self) -> int:
        """How many axes follow the channels: 1, 2 or 3."""
        return len(self.sizes)

    def logits(self) -> "TensorSpec":
        """What a discriminator of such tensors returns: one unbounded channel of any size."""
        return TensorSpec(channels=1, sizes=(None,) * self.dims, range=None)


@dataclass
class Sample:
    """An encoded item.

    Attributes:
        tensor: ``(channels, *sizes)`` of any dtype; compact ones (uint8) take little memory.
        meta: What ``decode`` needs besides the tensor. Plain JSON values and arrays only.
        facts: What was noticed while encoding a file, as numbers: a person sees their means over
            each domain before training, and every file's own in the run's ``files.jsonl``.
    """

    tensor: Tensor
    meta: dict[str, Any] = field(default_factory=dict)
    facts: dict[str, float] = field(default_factory=dict)
