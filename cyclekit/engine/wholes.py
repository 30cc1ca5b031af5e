"""Tensors of any sizes through networks that see tiles: pad, tile, run, join."""

import math
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import torch
from torch import Tensor

from cyclekit.contract.declarations import Direction
from cyclekit.contract.tensors import TensorSpec
from cyclekit.engine.passes import Passes
from cyclekit.engine.sizing import Sizing
from cyclekit.engine.survey import windows_of, windows_of_many
from cyclekit.engine.tiling import Joiner, Tiling

POSITIONS_PER_PASS = 256 * 256  # positions; more would be no faster, and take more memory
SAMPLES_PER_PASS = 64  # however small they are

Thing = TypeVar("Thing")
Kind = TypeVar("Kind", bound=Hashable)


@dataclass(frozen=True)
class Wholes:
    """Whole tensors, as networks see them, tile by tile.

    Attributes:
        passes: Calls the networks.
        sizing: What the networks demand of sizes.
        specs: Of each domain.
        batch_size: Tiles of one size that go through together. ``None``: as many as have
            ``POSITIONS_PER_PASS`` positions between them.
    """

    passes: Passes
    sizing: Sizing
    specs: Mapping[str, TensorSpec]
    batch_size: int | None = None

    def at_once(self, tile: Sequence[int]) -> int:
        """How many tiles of a size go through the networks together."""
        return self.batch_size or min(
            max(1, POSITIONS_PER_PASS // math.prod(tile)), SAMPLES_PER_PASS
        )

    def translated(
        self, tensors: Iterable[Tensor], direction: Direction, codes: Sequence[Tensor | None]
    ) -> Iterator[tuple[Tensor, Sequence[int]]]:
        """What the network makes of each tensor, with mirrored ends, and the tensor's own sizes.

        Wholes that fit, and tiles of a size that the network always sees, go through together,
        whichever whole they are from. Others are tiled by themselves.

        Args:
            tensors: Each ``(channels, *sizes)``.
            direction: Which way.
            codes: Each one's latent code, ``(size,)``, where the direction takes one.
        """
        fitted = [self.sizing.fitted(tensor, direction) for tensor in tensors]
        padded, sizes = [whole for whole, _ in fitted], [own for _, own in fitted]
        del fitted
        tilings = [self.sizing.tiling(whole, direction) for whole in padded]
        channels = self.specs[direction.target].channels
        joined = [Joiner(tiling, channels) for tiling in tilings]
        alone = [index for index, tiling in enumerate(tilings) if tiling.overlaps]
        together = [index for index in range(len(padded)) if index not in alone]
        for group in (*([index] for index in alone), together):
            places = [(index, offsets) for index in group for offsets in tilings[index]]
            passes = self.passes
            if group is not together:
                (index,) = group
                passes = self._alike(padded[index], tilings[index], direction, codes[index])
            for batch in _batches(places, lambda at: tilings[at[0]].tile, self.at_once):
                tiles = [tilings[index].cut(padded[index], offsets) for index, offsets in batch]
                made = passes.run(tiles, direction, [codes[index] for index, _ in batch])
                for (index, offsets), tile in zip(batch, made, strict=True):
                    joined[index].add(tile, offsets)
        padded.clear()  # before others are as large
        for joiner, own in zip(joined, sizes, strict=True):
            yield joiner.whole, own

    def codes_in(self, tensors: Sequence[Tensor], direction: Direction) -> list[Tensor]:
        """The codes, ``(size,)``, with which a direction would have made samples of its target: of
        those that are larger than a tile, the means of their tiles'.

        Args:
            tensors: Each ``(channels, *sizes)``.
            direction: One whose objective finds codes.
        """
        called = direction.coding or direction.networks
        finding = Direction(direction.target, direction.source, called)
        codes = []
        for tensor in tensors:
            whole, _ = self.sizing.fitted(tensor, finding)
            tiling, found = self.sizing.tiling(whole, finding), []
            places, most = list(tiling), self.at_once(tiling.tile)
            for start in range(0, len(places), most):
                tiles = [tiling.cut(whole, at) for at in places[start : start + most]]
                found.append(self.passes.find_codes(tiles, direction, finding))
            codes.append(torch.cat(found).mean(0))
        return codes

    def held(
        self, tensors: Iterable[Tensor], direction: Direction, code: Tensor | None
    ) -> "Wholes":
        """The same with one set of instance statistics for all that is translated in a direction:
        those of these tensors of one size together."""
        padded = [self.sizing.fitted(tensor, direction)[0] for tensor in tensors]
        tiling = self.sizing.tiling(padded[0], direction)
        windows = windows_of_many(padded, tiling, self.sizing.multiples(direction))
        return replace(self, passes=self.passes.holding(windows, direction, code))

    def _alike(
        self, whole: Tensor, tiling: Tiling, direction: Direction, code: Tensor | None
    ) -> Passes:
        """Passes that normalise all tiles of a whole alike, else each would have a look of its own:
        by the statistics of windows spread over the whole, together as large as a tile."""
        if direction.name in self.passes.held or not self.passes.normalizing(direction):
            return self.passes
        windows = windows_of(whole, tiling, self.sizing.multiples(direction))
        return self.passes.holding(windows, direction, code)


def _batches(
    things: Sequence[Thing], kind: Callable[[Thing], Kind], most: Callable[[Kind], int]
) -> Iterator[list[Thing]]:
    """Things of one kind together, at most ``most`` of them."""
    by_kind: dict[Kind, list[Thing]] = {}
    for thing in things:
        by_kind.setdefault(kind(thing), []).append(thing)
    for shared, alike in by_kind.items():
        for start in range(0, len(alike), most(shared)):
            yield alike[start : start + most(shared)]
