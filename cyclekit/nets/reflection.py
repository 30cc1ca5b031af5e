"""Reflection padding, whose gradient is a few sums of slices: torch's goes value by value."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


def reflect(x: Tensor, widths: tuple[int, ...]) -> Tensor:
    """Mirror both ends of each of the last axes, without repeating the outermost value.

    Args:
        x: ``(batch, channels, *sizes)``, sizes larger than widths.
        widths: How far, for each axis.
    """
    if not (x.requires_grad and torch.is_grad_enabled()):
        return _padded(x, widths)
    padded: Tensor = _Reflection.apply(x, widths)
    return padded


def _padded(x: Tensor, widths: tuple[int, ...]) -> Tensor:
    return F.pad(x, [width for width in reversed(widths) for _ in range(2)], mode="reflect")


class _Reflection(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, x: Tensor, widths: tuple[int, ...]) -> Tensor:
        context.widths = widths
        return _padded(x, widths)

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (gradient,) = gradients
        for axis, width in enumerate(context.widths, start=-len(context.widths)):
            gradient = _folded(gradient, axis, width)
        return gradient, None


def _folded(gradient: Tensor, axis: int, width: int) -> Tensor:
    """Add what lies beyond both ends of an axis to where it was mirrored from."""
    size = gradient.shape[axis] - 2 * width
    own = gradient.narrow(axis, width, size).clone()
    before, after = (gradient.narrow(axis, at, width) for at in (0, width + size))
    if width > 1:
        before, after = before.flip(axis), after.flip(axis)
    own.narrow(axis, 1, width).add_(before)
    own.narrow(axis, size - 1 - width, width).add_(after)
    return own
