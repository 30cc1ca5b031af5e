"""Halving and doubling the sizes of maps, over 1, 2 or 3 dimensions."""

from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cyclekit.nets.blocks import CONVOLVE, Padding, conv
from cyclekit.nets.reach import Span, seen

_LINEAR = {1: "linear", 2: "bilinear", 3: "trilinear"}
Taps = Literal[3, 4]
_BINOMIAL: dict[int, tuple[float, ...]] = {
    3: (1 / 4, 2 / 4, 1 / 4),
    4: (1 / 8, 3 / 8, 3 / 8, 1 / 8),
}


class BlurDown(nn.Module):
    """Halve every axis behind a low-pass filter (Zhang, arXiv 1904.11486).

    Args:
        dims: Axes.
        padding: What lies beyond the borders.
        taps: Of the filter: 4, [1, 3, 3, 1], or 3, [1, 2, 1], which stays where the input was.
    """

    def __init__(self, dims: int, padding: Padding, taps: Taps = 4) -> None:
        super().__init__()
        self.dims = dims
        self.taps = taps
        self.mode = "constant" if padding == "zeros" else padding
        line = torch.tensor(_BINOMIAL[taps])
        kernel = line
        for _ in range(dims - 1):
            kernel = kernel[..., None] * line
        self.register_buffer("kernel", kernel[None, None], persistent=False)
        self.kernel: Tensor

    def forward(self, x: Tensor) -> Tensor:
        """``(batch, channels, *sizes)`` to half of each size; 4 taps need even ones, 3 round up."""
        channels = x.shape[1]
        kernel = self.kernel.to(x.dtype).expand(channels, *self.kernel.shape[1:])
        padded = F.pad(x, (1, 1) * self.dims, mode=self.mode)
        halved: Tensor = CONVOLVE[self.dims](padded, kernel, stride=2, groups=channels)
        return halved

    def seen(self, span: Span) -> Span:
        """An output lies on an input (3 taps) or between two, and sees one more on either side."""
        low, high = span
        return 2 * low - 1, 2 * high + self.taps - 2


def blur_up(dims: int) -> nn.Module:
    """Double every axis with ``BlurDown``'s filter, which is interpolation between neighbours."""
    return nn.Upsample(scale_factor=2, mode=_LINEAR[dims], align_corners=False)


class PadBefore(nn.Module):
    """Zeros before the first position of every axis, none behind the last one.

    Args:
        dims: Axes.
        width: How many.
    """

    def __init__(self, dims: int, width: int = 1) -> None:
        super().__init__()
        self.dims = dims
        self.width = width

    def forward(self, x: Tensor) -> Tensor:
        """``(batch, channels, *sizes)`` to ``width`` more of each size."""
        return F.pad(x, (self.width, 0) * self.dims)

    def seen(self, span: Span) -> Span:
        """What lay ``width`` before."""
        low, high = span
        return low - self.width, high - self.width


class PixelShuffle(nn.Module):
    """Double every axis by laying channels side by side (Shi et al., arXiv 1609.05158)."""

    def forward(self, x: Tensor) -> Tensor:
        """``(batch, channels * 2**dims, *sizes)`` to ``(batch, channels, *doubled)``."""
        sizes = x.shape[2:]
        dims = len(sizes)
        parts = x.reshape(x.shape[0], -1, *(2,) * dims, *sizes)
        # (batch, channels, 2, 2, ..., *sizes) -> (batch, channels, size, 2, size, 2, ...)
        order = [axis for n in range(dims) for axis in (2 + dims + n, 2 + n)]
        mixed = parts.permute(0, 1, *order)
        return mixed.reshape(*mixed.shape[:2], *(2 * size for size in sizes))

    def seen(self, span: Span) -> Span:
        """Two outputs side by side come from one position."""
        low, high = span
        return low // 2, high // 2


class ShuffleUp(nn.Module):
    """A 3-wide convolution to ``2**dims`` times the channels, laid side by side."""

    def __init__(self, dims: int, channels: int, out: int, padding: Padding, bias: bool) -> None:
        super().__init__()
        self.parts = 2**dims
        self.conv = conv(
            dims, channels, out * self.parts, 3, padding=1, padding_mode=padding, bias=bias
        )
        self.shuffle = PixelShuffle()

    def forward(self, x: Tensor) -> Tensor:
        """``(batch, channels, *sizes)`` to ``(batch, out, *doubled)``."""
        doubled: Tensor = self.shuffle(self.conv(x))
        return doubled

    @torch.no_grad()
    def start_smooth(self) -> None:
        """Give the outputs of one position equal weights (Aitken et al., arXiv 1707.02937).

        It then begins as a convolution with nearest neighbours behind it: no checkerboard.
        """
        weight: Any = self.conv.weight
        weight.copy_(weight[:: self.parts].repeat_interleave(self.parts, dim=0))

    def seen(self, span: Span) -> Span:
        """What the outputs in ``span`` depend on."""
        return seen([self.conv, self.shuffle], span)
