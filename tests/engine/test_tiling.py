"""Tiles cover everything, and join to what they were cut from."""

from itertools import pairwise

import pytest
import torch

from cyclekit.engine.tiling import Joiner, Tiling

CASES = [
    ((64,), (64,), (0,)),
    ((128,), (64,), (0,)),
    ((100,), (64,), (0,)),
    ((113,), (32,), (8,)),
    ((40, 30), (16, 30), (4, 0)),
    ((9, 20, 13), (4, 8, 13), (1, 3, 0)),
]


@pytest.mark.parametrize(("sizes", "tile", "overlap"), CASES)
def test_tiles_join_to_the_whole(
    sizes: tuple[int, ...], tile: tuple[int, ...], overlap: tuple[int, ...]
) -> None:
    whole = torch.randn(2, *sizes)
    tiling = Tiling(sizes, tile, overlap)
    joiner = Joiner(tiling, channels=2)
    for offsets in tiling:
        part = tiling.cut(whole, offsets)
        assert part.shape == (2, *tile)
        joiner.add(part, offsets)
    torch.testing.assert_close(joiner.whole, whole)


def test_a_whole_that_is_one_tile_is_not_rounded() -> None:
    whole = torch.randn(1, 7, 5) * 1e3
    tiling = Tiling((7, 5), (7, 5), (0, 0))
    joiner = Joiner(tiling, channels=1)
    (offsets,) = tiling
    joiner.add(whole, offsets)
    assert torch.equal(joiner.whole, whole)


def test_neighbours_share_at_least_the_overlap() -> None:
    starts = [start for (start,) in Tiling((113,), (32,), (8,))]
    assert starts[0] == 0
    assert starts[-1] == 113 - 32
    assert all(b - a <= 32 - 8 for a, b in pairwise(starts))


def test_where_tiles_differ_the_join_is_gradual() -> None:
    tiling = Tiling((56,), (32,), (8,))
    joiner = Joiner(tiling, channels=1)
    for value, offsets in enumerate(tiling):
        joiner.add(torch.full((1, 32), float(value)), offsets)
    joined = joiner.whole[0]
    assert joined[0] == 0
    assert joined[-1] == 1
    steps = joined.diff()
    assert (steps >= 0).all()
    assert steps.max() < 0.25


def test_a_reach_that_is_too_far_leaves_a_fade() -> None:
    tiling = Tiling((96,), (64,), (32,), margin=500)
    joiner = Joiner(tiling, channels=1)
    for value, offsets in enumerate(tiling):
        joiner.add(torch.full((1, 64), float(value)), offsets)
    assert 0 < joiner.whole.diff(dim=-1).max() <= 0.25
