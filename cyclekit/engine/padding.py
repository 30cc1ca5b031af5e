"""Fit samples of any size to a network, over any number of axes."""

import torch
from torch import Tensor

SMALLEST = 4  # multiples that an axis is padded to at least: norms and reflections need some room


def pad_to_multiple(x: Tensor, multiples: tuple[int, ...]) -> Tensor:
    """Mirror ``(batch, channels, *sizes)`` at its far ends until each size divides."""
    for axis, multiple in enumerate(multiples, start=2):
        length = x.shape[axis]
        if multiple == 1:
            continue
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
