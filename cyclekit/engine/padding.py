"""Fit samples of any size to a network, over any number of axes."""

from collections.abc import Sequence

import torch
from torch import Tensor

SMALLEST = 4  # multiples that an axis is padded to at least: norms and reflections need some room


def pad_to_multiple(
    x: Tensor, multiples: tuple[int, ...], least: Sequence[int | None] = ()
) -> Tensor:
    """Mirror ``(batch, channels, *sizes)`` at its far ends until each size divides.

    An axis with a size in ``least`` is brought to that size at least, whatever it divides by.
    """
    wanted = least or (None,) * len(multiples)
    for axis, (multiple, fixed) in enumerate(zip(multiples, wanted, strict=True), start=2):
        length = x.shape[axis]
        if fixed is not None:
            total = max(length, fixed)
        elif multiple == 1:
            continue
        else:
            total = max(-(-length // multiple), SMALLEST) * multiple
        if total != length:
            x = x.index_select(axis, _mirrored(length, total).to(x.device))
    return x


def crop_to(x: Tensor, sizes: tuple[int, ...]) -> Tensor:
    """Cut ``(batch, channels, *larger)`` back to ``sizes``."""
    for axis, size in enumerate(sizes, start=2):
        x = x.narrow(axis, 0, size)
    return x


def _mirrored(length: int, total: int) -> Tensor:
    """Indices 0 .. length-1 .. 0 .. back and forth, ``total`` of them."""
    period = max(2 * (length - 1), 1)
    index = torch.arange(total) % period
    return torch.where(index < length, index, period - index)
