"""Fit samples of any size to a network, over any number of axes."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from cyclekit.contract.network import common_multiple
from cyclekit.contract.tensors import TensorSpec

LEAST_MULTIPLES = 4  # norms and reflections need some room


def least_multiples(network: nn.Module) -> int:
    """How many multiples of what it needs a network wants along each axis."""
    return int(getattr(network, "least_multiples", LEAST_MULTIPLES))


def smallest_sizes(source: TensorSpec, network: nn.Module) -> tuple[int, ...]:
    """Sizes of the smallest sample of ``source`` that a network is shown."""
    fewest = least_multiples(network)
    each = zip(source.sizes, common_multiple(source, network), strict=True)
    return tuple(size or fewest * least for size, least in each)


def pad_to_multiple(
    x: Tensor,
    multiples: tuple[int, ...],
    least: Sequence[int | None] = (),
    fewest: int = LEAST_MULTIPLES,
) -> Tensor:
    """Mirror ``(batch, channels, *sizes)`` at its far ends until each size divides.

    Args:
        x: What to pad.
        multiples: What each size must divide by; 1 leaves an axis as it is.
        least: Sizes that axes are brought to at least, whatever they divide by; ``None``: none.
        fewest: Multiples that the other axes have at least.
    """
    for axis, total in enumerate(padded_sizes(x.shape[2:], multiples, least, fewest), start=2):
        # A graph is made for all sizes: whether one needs nothing is not known there.
        # Where a graph is made for all sizes, whether one needs nothing cannot be asked.
        if isinstance(total, torch.SymInt) or total != x.shape[axis]:
            x = x.index_select(axis, mirrored(x.shape[axis], total).to(x.device))
    return x


def padded_sizes(
    sizes: Sequence[int],
    multiples: tuple[int, ...],
    least: Sequence[int | None] = (),
    fewest: int = LEAST_MULTIPLES,
) -> list[int]:
    """What ``pad_to_multiple`` brings sizes to."""
    totals = []
    wanted = least or (None,) * len(multiples)
    for length, multiple, fixed in zip(sizes, multiples, wanted, strict=True):
        if fixed is not None:
            totals.append(max(length, fixed))
        elif multiple == 1:
            totals.append(length)
        else:
            totals.append(rounded_up(length, multiple, fewest))
    return totals


def rounded_up(length: int, multiple: int, fewest: int) -> int:
    """The next multiple, ``fewest`` of them at least; TorchScript and torch.export take it, too."""
    # No negative numbers: ONNX rounds quotients towards zero.
    count = (length + multiple - 1) // multiple
    if torch.jit.is_scripting():  # type: ignore[attr-defined]
        return max(count, fewest) * multiple
    # A plain maximum would ask which is larger, and a graph would hold for such sizes alone.
    most: Any = torch.sym_max(count, fewest)
    padded: int = most * multiple
    return padded


def crop_to(x: Tensor, sizes: tuple[int, ...]) -> Tensor:
    """Cut ``(batch, channels, *larger)`` back to ``sizes``."""
    for axis, size in enumerate(sizes, start=2):
        x = x.narrow(axis, 0, size)
    return x


def mirrored(length: int, total: int) -> Tensor:
    """Indices 0 .. length-1 .. 0 .. back and forth, ``total`` of them."""
    last = torch.arange(length).amax(dim=0)  # a tensor: graphs are made for all lengths
    period = (2 * last).clamp(min=1)
    index = torch.arange(total) % period
    return torch.where(index <= last, index, period - index)
