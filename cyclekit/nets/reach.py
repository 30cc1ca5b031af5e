"""How far a network's outputs look: the radius of its receptive field, computed from its layers."""

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

from torch import nn

from cyclekit.nets.blocks import CONV, CONV_TRANSPOSE

Span = tuple[int, int]
"""First and last position along an axis."""


@runtime_checkable
class Looks(Protocol):
    """A module that knows what its outputs depend on."""

    def seen(self, span: Span) -> Span:
        """The input positions that outputs in ``span`` depend on."""


def reach(layers: Sequence[nn.Module], multiple_of: int) -> int:
    """The most positions to either side that an output depends on, statistics of norms held fixed.

    Exact where no weight is zero: a pattern that repeats every ``multiple_of`` positions is
    followed from each of its outputs. Kernels are the same along every axis.

    Args:
        layers: In their order.
        multiple_of: Product of all strides.
    """
    spans = [seen(layers, (place, place)) for place in range(multiple_of)]
    return max(max(place - low, high - place) for place, (low, high) in enumerate(spans))


def seen(layers: Sequence[nn.Module], span: Span) -> Span:
    """The input positions that outputs in ``span`` depend on, beyond the borders too."""
    for layer in reversed(layers):
        span = _seen_by(layer, span)
    return span


def _seen_by(layer: nn.Module, span: Span) -> Span:
    """The same for one layer; what is not known here works position by position."""
    low, high = span
    if isinstance(layer, nn.Sequential):
        return seen(list(layer), span)
    if isinstance(layer, Looks):
        return layer.seen(span)
    if isinstance(layer, tuple(CONV.values())):
        kernel, stride, padding = _geometry(layer)
        return low * stride - padding, high * stride - padding + kernel - 1
    if isinstance(layer, tuple(CONV_TRANSPOSE.values())):
        kernel, stride, padding = _geometry(layer)
        return -((kernel - 1 - padding - low) // stride), (high + padding) // stride
    if isinstance(layer, nn.Upsample):
        beside = 0 if layer.mode == "nearest" else 1  # between neighbours, at a scale of 2
        return (low - beside) // 2, (high + beside) // 2
    return span


def _geometry(layer: Any) -> tuple[int, int, int]:
    """Kernel, stride and padding along an axis."""
    return layer.kernel_size[0], layer.stride[0], layer.padding[0]
