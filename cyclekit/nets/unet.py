"""The U-Net generator of pix2pix (Isola et al., arXiv 1611.07004), over 1, 2 or 3 dimensions."""

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from cyclekit.contract.options import Options
from cyclekit.contract.tensors import TensorSpec
from cyclekit.errors import RecipeError
from cyclekit.nets.blocks import (
    Init,
    Norm,
    ToRange,
    conv,
    conv_transpose,
    dropout_layers,
    initialize,
    norm_layers,
    takes_bias,
)
from cyclekit.nets.reach import Span, reach, seen
from cyclekit.nets.resampling import PadBefore


class UNetOptions(Options):
    """An encoder-decoder with a skip at every size."""

    channels: Annotated[int, Field(ge=1, le=4096)] = 64
    """Width after the first convolution; doubled by each downsampling, at most eightfold."""
    downsamplings: Annotated[int, Field(ge=2, le=10)] = 8
    """Halvings of every axis. Windows must divide by 2 to the power of this."""
    norm: Norm = "instance"
    """`instance`, `batch` or `none`."""
    affine: bool = False
    """Let instance norm learn a scale and a shift, in place of the convolutions' biases."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Dropout in the decoder's widest layers; 0.5 in pix2pix, whose only noise it is."""
    dropout_lasts: bool = False
    """Drop while translating as well, as pix2pix does: the same values each time."""
    dropout_in: Literal["decoder", "both"] = "decoder"
    """`both`: in the encoder's widest layers, too, and at the narrowest place."""
    rectify: Literal["before", "after"] = "before"
    """Where the decoder's ReLUs stand: `before` each of its convolutions, which then see nothing
    of what is negative in a skip, or `after` it and its norm."""
    leave: Literal["deconv", "resize"] = "deconv"
    """The last doubling: `deconv` as published, or `resize`: nearest, then a convolution."""
    init: Init = "normal"
    """First weights: `normal` (as published), `xavier`, `kaiming`, `orthogonal`, or `torch`, as
    PyTorch makes layers."""


class UNet128Options(UNetOptions):
    """The same, one halving less deep."""

    downsamplings: Annotated[int, Field(ge=2, le=10)] = 7
    """Halvings of every axis. Windows must divide by 2 to the power of this."""


class UNetGenerator(nn.Module):
    """Map ``source`` tensors to ``target`` tensors of the same size, at every scale at once.

    Args:
        source: Spec of the input; sizes must divide by ``multiple_of``.
        target: Spec of the output; its range decides the last activation.
        options: Width, depth and norm.
    """

    least_multiples = 1  # a map of one position in the middle is what it is made for

    def __init__(self, source: TensorSpec, target: TensorSpec, options: UNetOptions) -> None:
        super().__init__()
        dims, depth, width = source.dims, options.downsamplings, options.channels
        bias = takes_bias(options.norm, options.affine)
        self.enter = conv(dims, source.channels, width, 4, stride=2, padding=1, bias=bias)
        inner: nn.Module = nn.Identity()
        for level in reversed(range(1, depth)):
            inner = Level(dims, level, inner, options)
        self.inner = inner
        self.leave = nn.Sequential(
            *([nn.ReLU()] if options.rectify == "before" else []),
            *_last(dims, 2 * width, target.channels, options),
        )
        self.finish = ToRange(target.range)
        self.multiple_of = 2**depth
        self.reach = reach([self.enter, self.inner, self.leave], self.multiple_of)
        initialize(self, method=options.init)

    def forward(self, x: Tensor) -> Tensor:
        """``(batch, source.channels, *sizes)`` to ``(batch, target.channels, *sizes)``.

        Raises:
            RecipeError: If a size does not divide by ``multiple_of``.
        """
        if any(size % self.multiple_of for size in x.shape[2:]):
            raise RecipeError(
                f"This U-Net takes sizes that divide by {self.multiple_of}, 2 to the power of "
                f"generator.downsamplings, but a sample has {tuple(x.shape[2:])}. Train on windows "
                f"of such sizes, or with fewer generator.downsamplings."
            )
        made: Tensor = self.finish(self.leave(self.inner(self.enter(x))))
        return made


class Level(nn.Module):
    """Halve, go through the levels within, double; beside it the skip.

    Args:
        dims: Axes.
        level: Halvings before this one.
        inner: The levels within; ``nn.Identity`` for the innermost.
        options: Of the network.
    """

    def __init__(self, dims: int, level: int, inner: nn.Module, options: UNetOptions) -> None:
        super().__init__()
        outer, width = (options.channels * min(2**n, 8) for n in (level - 1, level))
        innermost = isinstance(inner, nn.Identity)
        bias = takes_bias(options.norm, options.affine)
        self.activate = nn.Sequential(*_activated(outer, level - 1, options))
        self.down = nn.Sequential(
            conv(dims, outer, width, 4, stride=2, padding=1, bias=bias),
            # The innermost map may be a single position, of which nothing would be left.
            *([] if innermost else norm_layers(options.norm, dims, width, options.affine)),
        )
        self.inner = inner
        seen_width = width if innermost else 2 * width
        narrowest = _activated(width, level, options) if innermost else []
        drops = outer == width and (not innermost or options.dropout_in == "both")
        before = options.rectify == "before"
        self.up = nn.Sequential(
            *([nn.ReLU()] if before else narrowest),
            conv_transpose(dims, seen_width, outer, 4, stride=2, padding=1, bias=bias),
            *norm_layers(options.norm, dims, outer, options.affine),
            *([] if before else [nn.ReLU()]),
            *(dropout_layers(options.dropout, options.dropout_lasts, -level) if drops else []),
        )

    def forward(self, x: Tensor) -> Tensor:
        """``(batch, channels, *sizes)`` to twice the channels: the skip, then what was made."""
        # The skip carries the activated map, as in the reference, whose activation works in place
        # on what is then concatenated: its weights are trained for that.
        skip = self.activate(x)
        return torch.cat([skip, self.up(self.inner(self.down(skip)))], dim=1)

    def seen(self, span: Span) -> Span:
        """What the outputs in ``span`` depend on: the skip sees less than the way through."""
        return seen([self.down, self.inner, self.up], span)


def _activated(width: int, level: int, options: UNetOptions) -> list[nn.Module]:
    """What is done to a map of the encoder before it is handed on, both ways."""
    drops = options.dropout_in == "both" and width == 8 * options.channels
    return [
        nn.LeakyReLU(0.2),
        *(dropout_layers(options.dropout, options.dropout_lasts, level) if drops else []),
    ]


def _last(dims: int, width: int, out: int, options: UNetOptions) -> list[nn.Module]:
    """The last doubling and its convolution."""
    if options.leave == "deconv":
        return [conv_transpose(dims, width, out, 4, stride=2, padding=1)]
    # A kernel of 4 has no middle: it looks one further back than ahead.
    return [nn.Upsample(scale_factor=2), PadBefore(dims), conv(dims, width, out, 4, padding=1)]
