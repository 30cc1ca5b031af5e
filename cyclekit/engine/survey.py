"""Parts of wholes that are looked at first, for the statistics that all of it is normalised by."""

import itertools
from collections.abc import Sequence

from torch import Tensor

from cyclekit.engine.tiling import Tiling, cut

SURVEYED = 3  # windows along each axis that a whole's statistics are taken from
ITEMS = 9  # of a sequence that its statistics are taken from
POSITIONS = 768 * 768  # of these together, where they are not cut


def windows_of(whole: Tensor, tiling: Tiling, multiples: Sequence[int]) -> list[Tensor]:
    """``SURVEYED`` windows along each axis that is tiled, in the middles of as many parts."""
    starts, lengths = [], []
    for size, tile, overlap, multiple in zip(
        tiling.sizes, tiling.tile, tiling.overlap, multiples, strict=True
    ):
        count = SURVEYED if overlap else 1
        length = max(tile // count // multiple, 1) * multiple if overlap else tile
        middles = [(2 * place + 1) * size // (2 * count) for place in range(count)]
        starts.append([(middle - length // 2) // multiple * multiple for middle in middles])
        lengths.append(length)
    return [cut(whole, offsets, tuple(lengths)) for offsets in itertools.product(*starts)]


def windows_of_many(
    wholes: Sequence[Tensor], tiling: Tiling, multiples: Sequence[int]
) -> list[Tensor]:
    """The wholes of a sequence, or, where they are large, one window of each, another each time.

    Args:
        wholes: ``(channels, *sizes)``; those of another size than the first are left out.
        tiling: How the first is tiled.
        multiples: What each axis of a window is a multiple of.
    """
    alike = [whole for whole in wholes if whole.shape == wholes[0].shape]
    if sum(whole[0].numel() for whole in alike) <= POSITIONS:
        return alike
    cut_everywhere = Tiling(tiling.sizes, tiling.tile, (1,) * len(tiling.sizes))
    windows = [windows_of(whole, cut_everywhere, multiples) for whole in alike]
    return [of_one[place % len(of_one)] for place, of_one in enumerate(windows)]
