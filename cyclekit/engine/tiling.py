"""Cut what is larger than a network's window into tiles, and join the results."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

FADE = 16  # share of a tile over which one fades into the next, at least

Offsets = tuple[int, ...]


@dataclass(frozen=True)
class Tiling:
    """Tiles of one size that cover ``sizes``; neighbours may overlap.

    Attributes:
        sizes: Length of each axis of the whole.
        tile: Length of each axis of a tile, none longer than the whole's.
        overlap: How much neighbours share at least, on each axis.
        margin: How many positions next to a neighbour count for nothing: nearer to a tile's end
            than a network reaches, its outputs lack some of what they depend on.
    """

    sizes: tuple[int, ...]
    tile: tuple[int, ...]
    overlap: tuple[int, ...]
    margin: int = 0

    def __iter__(self) -> Iterator[Offsets]:
        """Where tiles begin on each axis; the last one ends where the whole does."""
        return itertools.product(*self._starts)

    @property
    def overlaps(self) -> bool:
        """Whether the whole is seen in several tiles that share some of it by design."""
        return self.tile != self.sizes and any(self.overlap)

    def cut(self, whole: Tensor, offsets: Offsets) -> Tensor:
        """The tile at ``offsets`` of ``(channels, *sizes)``: a view."""
        return cut(whole, offsets, self.tile)

    def weighted(self, tile: Tensor, offsets: Offsets) -> Tensor:
        """``(channels, *tile)``, each place by its share in the whole; shares add up to 1."""
        for axis, offset in enumerate(offsets):
            share = self._shares[axis][offset]
            if share is not None:
                tile = tile * share.view(-1, *(1,) * (len(offsets) - axis - 1))
        return tile

    @cached_property
    def _starts(self) -> list[list[int]]:
        axes = zip(self.sizes, self.tile, self.overlap, strict=True)
        return [
            [min(start, size - tile) for start in range(0, max(size - overlap, 1), tile - overlap)]
            for size, tile, overlap in axes
        ]

    @cached_property
    def _shares(self) -> list[dict[int, Tensor | None]]:
        """On each axis, by where a tile begins: its share in every place, ``None`` for all."""
        axes = zip(self._starts, self.tile, self.sizes, strict=True)
        return [_shares(starts, tile, size, self.margin) for starts, tile, size in axes]


class Joiner:
    """Joins tiles to a whole; where they overlap, one fades into the other.

    Args:
        tiling: Where the tiles lie.
        channels: Of the whole, which is ``(channels, *sizes)`` float32.
    """

    def __init__(self, tiling: Tiling, channels: int) -> None:
        self._tiling = tiling
        self.whole = torch.zeros(channels, *tiling.sizes)

    def add(self, tile: Tensor, offsets: Offsets) -> None:
        """Put a tile in its place."""
        self._tiling.cut(self.whole, offsets).add_(self._tiling.weighted(tile, offsets))


def cut(whole: Tensor, offsets: Offsets, lengths: tuple[int, ...]) -> Tensor:
    """The part of ``(channels, *sizes)`` that begins at ``offsets``: a view."""
    for axis, (offset, length) in enumerate(zip(offsets, lengths, strict=True), start=1):
        whole = whole.narrow(axis, offset, length)
    return whole


def _shares(starts: list[int], tile: int, size: int, margin: int) -> dict[int, Tensor | None]:
    if len(starts) == 1:
        return {starts[0]: None}
    raw = {}
    for place, start in enumerate(starts):
        share = torch.ones(tile, dtype=torch.float64)
        if place > 0:
            share = torch.minimum(share, _rise(starts[place - 1] + tile - start, tile, margin))
        if place < len(starts) - 1:
            shared = start + tile - starts[place + 1]
            share = torch.minimum(share, _rise(shared, tile, margin).flip(0))
        raw[start] = share
    total = torch.zeros(size, dtype=torch.float64)
    for start, share in raw.items():
        total[start : start + tile] += share
    return {start: (share / total[start : start + tile]).float() for start, share in raw.items()}


def _rise(shared: int, tile: int, margin: int) -> Tensor:
    """From 0 to 1 over what a tile shares with its neighbour, but for a margin at both ends."""
    # A margin that takes all there is would leave a cut where tiles differ.
    margin = min(margin, (shared - max(tile // FADE, 1)) // 2) if shared > 1 else 0
    margin = max(margin, 0)
    distance = torch.arange(tile, dtype=torch.float64)
    return ((distance - margin + 1) / (shared - 2 * margin + 1)).clamp(0, 1)
