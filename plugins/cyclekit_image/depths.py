"""How deep a picture is: the kind of number that its values have in files and in tensors."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from cyclekit_image.arrays import HIGHEST, Array


@dataclass(frozen=True)
class Depth:
    """One kind of number.

    Attributes:
        bits: 8, 16 or 32 (floating-point).
        dtype: Of tensors. 16 bits are int16, since few operations take torch.uint16.
        low: Black in a tensor.
        high: White in a tensor.
    """

    bits: int
    dtype: torch.dtype
    low: float
    high: float

    def to_tensor(self, pixels: Array) -> Tensor:
        """``(height, width, channels)`` of an item -> ``(channels, height, width)``, a copy."""
        planes = np.array(pixels.transpose(2, 0, 1), order="C")
        if self.bits == 16:
            planes = (planes ^ 0x8000).view(np.int16)  # less 32768
        return torch.from_numpy(planes)

    def to_pixels(self, tensor: Tensor) -> Array:
        """The inverse of ``to_tensor``, for tensors of this depth's type."""
        pixels = np.array(tensor.numpy().transpose(1, 2, 0), order="C")
        return pixels.view(np.uint16) ^ 0x8000 if self.bits == 16 else pixels

    def from_fractions(self, tensor: Tensor) -> Array:
        """``(channels, height, width)`` float in 0..1 -> an item's ``(height, width, channels)``.

        One channel at a time: whole copies of a large picture are large.
        """
        kind = np.dtype(f"{'float' if self.bits == 32 else 'uint'}{self.bits}")
        highest = HIGHEST[kind.name]
        pixels = np.empty((*tensor.shape[1:], tensor.shape[0]), dtype=kind)
        for channel, values in enumerate(tensor):
            if highest > 1:
                values = values.mul(highest).round_()
            pixels[..., channel] = values.numpy()
        return pixels

    def convert(self, values: Tensor, source: "Depth") -> Tensor:
        """Values in ``source``'s unit, of any type, in this depth."""
        values = values.float()
        if source is not self:
            scale = (self.high - self.low) / (source.high - source.low)
            values = (values - source.low) * scale + self.low
        return self.rounded(values)

    def rounded(self, values: Tensor) -> Tensor:
        """Float values in this depth's unit, brought into its range and type."""
        if self.bits != 32:
            values = values.round()
        return values.clamp(self.low, self.high).to(self.dtype)


EIGHT = Depth(8, torch.uint8, 0, 255)
SIXTEEN = Depth(16, torch.int16, -32768, 32767)
FLOAT = Depth(32, torch.float32, 0, 1)

DEPTHS = {depth.bits: depth for depth in (EIGHT, SIXTEEN, FLOAT)}


def depth_of(tensor: Tensor) -> Depth:
    """The depth of an encoded picture."""
    return next(depth for depth in DEPTHS.values() if depth.dtype == tensor.dtype)
