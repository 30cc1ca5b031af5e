"""Cut what is larger than a network's window into tiles, and join the results."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

Offsets = tuple[int, ...]


@dataclass(frozen=True)
class Tiling:
    """Tiles of one size that cover ``sizes``; neighbours may overlap.

    Attributes:
        sizes: Length of each axis of the whole.
        tile: Length of each axis of a tile, none longer than the whole's.
        overlap: How much neighbours share at least, on each axis.
    """

    sizes: tuple[int, ...]
    tile: tuple[int, ...]
    overlap: tuple[int, ...]

    def __iter__(self) -> Iterator[Offsets]:
        """Where tiles begin on each axis; the last one ends where the whole does."""
        axes = zip(self.sizes, self.tile, self.overlap, strict=True)
        starts = [
            [min(start, size - tile) for start in range(0, max(size - overlap, 1), tile - overlap)]
            for size, tile, overlap in axes
        ]
        return iter(itertools.product(*starts))

    def cut(self, whole: Tensor, offsets: Offsets) -> Tensor:
        """The tile at ``offsets`` of ``(channels, *sizes)``: a view."""
        for axis, (offset, length) in enumerate(zip(offsets, self.tile, strict=True), start=1):
            whole = whole.narrow(axis, offset, length)
        return whole


class Joiner:
    """Joins tiles to a whole; where they overlap, each counts more the deeper inside it lies.

    Args:
        tiling: Where the tiles lie.
        channels: Of the whole, which is ``(channels, *sizes)`` float32.
    """

    def __init__(self, tiling: Tiling, channels: int) -> None:
        self._tiling = tiling
        self._sum = torch.zeros(channels, *tiling.sizes)
        self._weights = torch.zeros(1, *tiling.sizes)
        alone = tiling.tile == tiling.sizes  # then nothing is weighed, nor rounded
        self._ramp = torch.ones(1) if alone else _ramp(tiling.tile)

    def add(self, tile: Tensor, offsets: Offsets) -> None:
        """Put a tile in its place."""
        self._tiling.cut(self._sum, offsets).add_(tile * self._ramp)
        self._tiling.cut(self._weights, offsets).add_(self._ramp)

    def whole(self) -> Tensor:
        """The tiles joined."""
        return self._sum.div_(self._weights)


def _ramp(sizes: Sequence[int]) -> Tensor:
    """``(1, *sizes)``: weights that rise linearly from every edge to the middle."""
    ramp = torch.ones(1)
    for size in sizes:
        distance = torch.arange(size, dtype=torch.float32)
        side = torch.minimum(distance, size - 1 - distance) + 1
        ramp = ramp[..., None] * (side / side.max())
    return ramp
