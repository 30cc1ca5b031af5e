"""Instance norm, activation and reflection padding as one operation, where that is faster.

On GPUs each of them is a pass over the map, and torch's instance norm leaves channels last, which
convolutions then convert back (docs/performance/costs.md, "On a GPU"). Together they read a map
twice and write it once, in the layout that it has.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cyclekit.nets.blocks import PaddedConvolution, told
from cyclekit.nets.instance_norm import InstanceNorm2d
from cyclekit.nets.reflection import reflect

NO_BORDER = (0, 0)


def run(layers: Sequence[nn.Module], x: Tensor, condition: Tensor | None = None) -> Tensor:
    """The output of layers, one after the other; those that take a condition are told it.

    An instance norm, the activation and the reflection that follow it are one operation, where
    they can be; what they compute is the same to rounding.

    Args:
        layers: In their order.
        x: ``(batch, channels, *sizes)``.
        condition: ``(batch, condition)``, where some of them take one.
    """
    at = 0
    while at < len(layers):
        if not is_fused(layers[at], x):
            x = told(layers[at], x, condition)
            at += 1
            continue
        norm: Any = layers[at]
        slope = slope_of(layers[at + 1 : at + 2])
        at += 1 if slope is None else 2
        behind = layers[at] if at < len(layers) else None
        borders = borders_of(behind, x)
        x = normalized(x, norm.eps, 1.0 if slope is None else slope, borders)
        if borders != NO_BORDER:
            assert isinstance(behind, PaddedConvolution)
            x = behind.convolve(x)
            at += 1
    return x


def lay_channels_last(network: nn.Module) -> None:
    """Have the kernels of convolutions over two axes lie channels last; maps follow them."""
    for parameter in network.parameters():
        if parameter.dim() == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)


def is_fused(layer: nn.Module, x: Tensor) -> bool:
    """Whether an instance norm is computed by the kernels: of two axes, without parameters, on a
    GPU, of maps that lie channels last. Whoever looks at or replaces what it does keeps it."""
    if not (isinstance(layer, InstanceNorm2d) and _lies_channels_last(x)):
        return False
    plain = not (layer.affine or layer.track_running_stats or _is_watched(layer))
    return plain and _has_kernels(x.device.type)


def slope_of(layers: Sequence[nn.Module]) -> float | None:
    """Of negative values, where the next layer is an activation that is known here."""
    for layer in layers:
        if type(layer) is nn.ReLU and not _is_watched(layer):
            return 0.0
        if type(layer) is nn.LeakyReLU and not _is_watched(layer):
            return layer.negative_slope
    return None


def borders_of(layer: nn.Module | None, x: Tensor) -> tuple[int, int]:
    """How far the next layer mirrors its input, where it does."""
    if isinstance(layer, PaddedConvolution) and layer.mirrors and not _is_watched(layer):
        high, wide = layer.borders
        if high < x.shape[2] and wide < x.shape[3]:
            return high, wide
    return NO_BORDER


def normalized(x: Tensor, eps: float, slope: float, borders: tuple[int, int]) -> Tensor:
    """Instance norm, leaky ReLU and reflection by the kernels; it may be differentiated twice.

    Args:
        x: ``(batch, channels, height, width)``, channels last.
        eps: Added to variances.
        slope: Of negative values; 1: no activation.
        borders: How far to mirror above and below, left and right.

    Returns:
        ``(batch, channels, height + 2 borders[0], width + 2 borders[1])``, channels last.
    """
    out: Tensor = _Normalized.apply(x, eps, slope, borders)
    return out


class _Normalized(torch.autograd.Function):
    @staticmethod
    def forward(
        context: Any, x: Tensor, eps: float, slope: float, borders: tuple[int, int]
    ) -> Tensor:
        from cyclekit.nets import fused_kernels

        with _device_of(x):
            out, moments = fused_kernels.forward(x, eps, slope, borders)
        context.save_for_backward(x, moments)
        context.how = eps, slope, borders
        return out

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        from cyclekit.nets import fused_kernels

        (gradient,) = gradients
        x, moments = context.saved_tensors
        _, slope, borders = context.how
        if torch.is_grad_enabled():  # somebody differentiates the gradient, as penalties do
            (twice,) = torch.autograd.grad(_plain(x, *context.how), x, gradient, create_graph=True)
            return twice, None, None, None
        gradient = gradient.contiguous(memory_format=torch.channels_last)
        with _device_of(x):
            once = fused_kernels.backward(gradient, x, moments, slope, borders)
        return once, None, None, None


def _plain(x: Tensor, eps: float, slope: float, borders: tuple[int, int]) -> Tensor:
    """The same by torch's own layers."""
    normed = F.instance_norm(x, eps=eps)
    activated = normed if slope == 1 else F.leaky_relu(normed, slope)
    return reflect(activated, borders) if borders != NO_BORDER else activated


def _is_watched(layer: nn.Module) -> bool:
    hooks = layer._forward_hooks or layer._forward_pre_hooks or layer._backward_hooks
    return "forward" in layer.__dict__ or bool(hooks)


def _device_of(x: Tensor) -> AbstractContextManager[None]:
    """Triton launches kernels on the device that is current."""
    return torch.cuda.device(x.device) if x.is_cuda else nullcontext()


def _lies_channels_last(x: Tensor) -> bool:
    """Without a doubt: of a single channel or position, both layouts are one."""
    if x.dim() != 4 or not x.is_floating_point() or x.dtype == torch.float64:
        return False
    return x.is_contiguous(memory_format=torch.channels_last) and not x.is_contiguous()


def _has_kernels(device: str) -> bool:
    """Where Triton is, which torch brings along for NVIDIA's GPUs; not where a graph is made."""
    if device != "cuda" or torch.compiler.is_compiling() or torch.compiler.is_exporting():
        return False
    try:
        import triton  # type: ignore[import-untyped] # noqa: F401
    except ImportError:
        return False
    return True
