"""The residual generator of CycleGAN (arXiv 1703.10593, section 7.2), over 1, 2 or 3 dimensions."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field
from torch import Tensor, nn

from cyclekit.contract.options import Options
from cyclekit.contract.tensors import TensorSpec
from cyclekit.errors import RecipeError
from cyclekit.nets.blocks import (
    Init,
    Modulation,
    Norm,
    Padding,
    ToRange,
    conv,
    conv_transpose,
    dropout_layers,
    initialize,
    norm_layers,
    takes_bias,
    told,
)
from cyclekit.nets.fused import run
from cyclekit.nets.reach import Span, reach, seen
from cyclekit.nets.recompute import Recomputed
from cyclekit.nets.resampling import BlurDown, ShuffleUp, Taps, blur_up


class PaddingAtOptions(Options):
    """Places at which a network pads otherwise than `padding` says."""

    enter: Padding | None = None
    """At the first convolution."""
    resampling: Padding | None = None
    """At convolutions beside or with a change of size; without it, zeros at those that halve
    themselves (`downsample = "stride"`), and `padding` at all others."""
    blocks: Padding | None = None
    """Inside residual blocks."""
    leave: Padding | None = None
    """At the last convolution."""


class ResNetOptions(Options):
    """A residual encoder-decoder."""

    former_names: ClassVar[Mapping[str, str]] = {"leak": "negative_slope"}

    channels: Annotated[int, Field(ge=1, le=4096)] = 64
    """Width after the first convolution; doubled by each downsampling."""
    blocks: Annotated[int, Field(ge=0, le=200)] = 9
    """Residual blocks: 9 for 256 px in the paper, 6 for 128."""
    downsamplings: Annotated[int, Field(ge=0, le=6)] = 2
    """Halvings of every axis before the residual blocks."""
    widenings: Annotated[int, Field(ge=0, le=6)] = 0
    """Further convolutions, before those that halve, that double the width and leave sizes as they
    are, and as many behind those that double sizes: one in Augmented CycleGAN's code."""
    norm: Norm = "instance"
    """`instance`, `batch` or `none`; `unbiased`: instance norm by the unbiased variance, beside
    which convolutions keep their biases, as Augmented CycleGAN's code has it."""
    affine: bool = False
    """Let instance norm learn a scale and a shift, in place of the convolutions' biases."""
    modulation: Literal["about_one", "rectified"] = "about_one"
    """What a label or a code does to normalised maps: `about_one`, x (1 + scale) + shift;
    `rectified`, x relu(scale) + relu(shift) in place of the norm's own, as Augmented CycleGAN's
    code has it."""
    block_norms: Literal["both", "second"] = "both"
    """Behind which of a residual block's convolutions there is a norm: `both`; `second`, where a
    label or a code takes the place of the first one, as in Augmented CycleGAN's code."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Dropout inside residual blocks."""
    dropout_lasts: bool = False
    """Drop while translating as well: the same values each time."""
    downsample: Literal["stride", "blur"] = "stride"
    """`stride` as published; `blur` (a low-pass filter first) keeps fine patterns from turning into
    coarse ones (arXiv 1904.11486), and convolves before it halves, which takes longer."""
    blur_taps: Taps = 4
    """Width of the filter of `downsample = "blur"`: 4, [1, 3, 3, 1], or 3, [1, 2, 1]."""
    stride_width: Literal[3, 4] = 3
    """Width of the convolutions that halve or double by themselves (`stride`, `deconv`): 3 as in
    CycleGAN, 4 as in StarGAN."""
    upsample: Literal["deconv", "resize", "pixelshuffle", "blur"] = "deconv"
    """`deconv` as published. The others leave no checkerboard: `resize` (nearest, then
    convolution), `pixelshuffle` (channels laid side by side, arXiv 1609.05158, 1707.02937) and
    `blur` (interpolation, then convolution)."""
    padding: Padding = "reflect"
    """At the borders of full-width convolutions: `reflect`, `replicate` or `zeros`."""
    padding_at: PaddingAtOptions = PaddingAtOptions()
    """Where it is another, as in networks that were made elsewhere."""
    activate_sum: bool = False
    """End each residual block with a ReLU after the sum, as in Brunner et al."""
    negative_slope: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Slope of activations below zero; 0: ReLUs as published. Without norms, a step too large can
    turn every ReLU of a layer off for good, and the network with it; with 0.2 it can recover."""
    residual: bool = False
    """Learn the change instead of the whole: output = input + f(input). It starts
    as the identity, which spares small budgets most of the work where domains are alike."""
    init: Init = "normal"
    """First weights: `normal` (as published), `xavier`, `kaiming`, `orthogonal`, or `torch`, as
    PyTorch makes layers."""


class ResNetGenerator(nn.Module):
    """Map ``source`` tensors to ``target`` tensors of the same size.

    Args:
        source: Spec of the input; sizes must divide by ``multiple_of``.
        target: Spec of the output; its range decides the last activation.
        options: Width, depth and the rest.
        condition: Numbers that it is told besides; they scale and shift every normalised map.

    Raises:
        RecipeError: If ``residual`` is asked for between different numbers of channels.
    """

    def __init__(
        self, source: TensorSpec, target: TensorSpec, options: ResNetOptions, condition: int = 0
    ) -> None:
        super().__init__()
        if options.residual and source.channels != target.channels:
            raise RecipeError(
                f"generator.residual adds the input to the output, but there are {source.channels} "
                f"channels to {target.channels}. Set it to false."
            )
        dims, width, at = source.dims, options.channels, options.padding_at
        layers = [
            conv(
                dims,
                source.channels,
                width,
                7,
                padding=3,
                padding_mode=at.enter or options.padding,
                bias=takes_bias(options.norm, options.affine),
            ),
            *_norm(dims, width, options, condition),
            _activation(options),
        ]
        for _ in range(options.widenings):
            layers += _same_size(dims, width, width * 2, options, condition)
            width *= 2
        for _ in range(options.downsamplings):
            layers += _down(dims, width, options, condition)
            width *= 2
        layers += [
            ResidualBlock(dims, width, options, place, condition) for place in range(options.blocks)
        ]
        for _ in range(options.downsamplings):
            layers += _up(dims, width, options, condition)
            width //= 2
        for _ in range(options.widenings):
            layers += _same_size(dims, width, width // 2, options, condition)
            width //= 2
        beyond = at.leave or options.padding
        layers.append(conv(dims, width, target.channels, 7, padding=3, padding_mode=beyond))
        self.layers = nn.Sequential(*layers)
        self.residual = options.residual
        # A sum that were cut off at the range would leave its overshoots without a gradient.
        self.finish = nn.Identity() if options.residual else ToRange(target.range)
        self.multiple_of = 2**options.downsamplings
        self.reach = reach(layers, self.multiple_of)
        initialize(self, method=options.init)
        for module in self.modules():
            if isinstance(module, ShuffleUp):
                module.start_smooth()

    def forward(
        self, x: Tensor, condition: Tensor | None = None, taps: Sequence[float] = ()
    ) -> Tensor | list[Tensor]:
        """``(batch, source.channels, *sizes)`` to ``(batch, target.channels, *sizes)``, or, where
        there are ``taps``, to the maps at these shares of the layers.

        Args:
            x: Samples.
            condition: ``(batch, condition)``, where it takes one.
            taps: Depths in 0..1.
        """
        if taps:
            return self._tapped(x, condition, taps)
        made = run(list(self.layers), x, condition)
        finished: Tensor = self.finish(x + made if self.residual else made)
        return finished

    def _tapped(self, x: Tensor, condition: Tensor | None, taps: Sequence[float]) -> list[Tensor]:
        wanted = [round(depth * len(self.layers)) for depth in taps]
        found = {0: x}
        for number, layer in enumerate(self.layers[: max(wanted)], start=1):
            x = told(layer, x, condition)
            found[number] = x
        return [found[number] for number in wanted]


class ResidualBlock(nn.Module):
    """``x + f(x)``, two 3-wide convolutions, no activation after the sum unless asked for.

    Args:
        dims: Axes.
        channels: In and out.
        options: Of the network.
        place: Blocks before this one.
        condition: Numbers that it is told besides.
    """

    takes_condition = True

    def __init__(
        self,
        dims: int,
        channels: int,
        options: ResNetOptions,
        place: int = 0,
        condition: int = 0,
    ) -> None:
        super().__init__()
        beyond = options.padding_at.blocks or options.padding

        def convolution(norm: list[nn.Module]) -> list[nn.Module]:
            layer = conv(
                dims,
                channels,
                channels,
                3,
                padding=1,
                padding_mode=beyond,
                bias=takes_bias(options.norm, options.affine),
            )
            return [layer, *norm]

        dropout = dropout_layers(options.dropout, options.dropout_lasts, place)
        first, second = _block_norms(dims, channels, options, condition)
        self.residual = Recomputed(
            *convolution(first), _activation(options), *dropout, *convolution(second)
        )
        self.finish = _activation(options) if options.activate_sum else nn.Identity()

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """``(batch, channels, *sizes)``, unchanged in shape."""
        out: Tensor = self.finish(x + self.residual(x, condition))
        return out

    def seen(self, span: Span) -> Span:
        """What the outputs in ``span`` depend on."""
        return seen([self.residual], span)


def _activation(options: ResNetOptions) -> nn.Module:
    """ReLU, leaky where the options say so."""
    return nn.LeakyReLU(options.negative_slope) if options.negative_slope else nn.ReLU()


def _norm(dims: int, width: int, options: ResNetOptions, condition: int) -> list[nn.Module]:
    """What the options name, and what a condition does to its maps."""
    if not condition:
        return norm_layers(options.norm, dims, width, options.affine)
    rectified = options.modulation == "rectified"
    norm = norm_layers(options.norm, dims, width, options.affine and not rectified)
    return [*norm, Modulation(width, condition, rectified)]


def _block_norms(
    dims: int, width: int, options: ResNetOptions, condition: int
) -> tuple[list[nn.Module], list[nn.Module]]:
    """What follows a residual block's two convolutions."""
    if options.block_norms == "both":
        one, other = (_norm(dims, width, options, condition) for _ in range(2))
        return one, other
    first = _norm(dims, width, options, condition) if condition else []
    return first, _norm(dims, width, options, 0)


def _same_size(
    dims: int, seen: int, width: int, options: ResNetOptions, condition: int
) -> list[nn.Module]:
    beyond = options.padding_at.resampling or "zeros"
    bias = takes_bias(options.norm, options.affine)
    layer = conv(dims, seen, width, 3, padding=1, padding_mode=beyond, bias=bias)
    return [layer, *_norm(dims, width, options, condition), _activation(options)]


def _down(dims: int, width: int, options: ResNetOptions, condition: int) -> list[nn.Module]:
    bias = takes_bias(options.norm, options.affine)
    anew = [*_norm(dims, width * 2, options, condition), _activation(options)]
    beyond = options.padding_at.resampling
    if options.downsample == "stride":
        how: dict[str, Any] = {"stride": 2, "padding_mode": beyond or "zeros", "bias": bias}
        return [conv(dims, width, width * 2, options.stride_width, padding=1, **how), *anew]
    beyond = beyond or options.padding
    same = conv(dims, width, width * 2, 3, padding=1, padding_mode=beyond, bias=bias)
    return [same, *anew, BlurDown(dims, options.padding, options.blur_taps)]


def _up(dims: int, width: int, options: ResNetOptions, condition: int) -> list[nn.Module]:
    bias = takes_bias(options.norm, options.affine)
    beyond = options.padding_at.resampling or options.padding
    if options.upsample == "deconv":
        wide = options.stride_width
        shape: dict[str, Any] = {"stride": 2, "padding": 1, "output_padding": 4 - wide}
        enlarge = [conv_transpose(dims, width, width // 2, wide, bias=bias, **shape)]
    elif options.upsample == "pixelshuffle":
        enlarge = [ShuffleUp(dims, width, width // 2, beyond, bias)]
    else:
        enlarge = [
            blur_up(dims) if options.upsample == "blur" else nn.Upsample(scale_factor=2),
            conv(dims, width, width // 2, 3, padding=1, padding_mode=beyond, bias=bias),
        ]
    return [*enlarge, *_norm(dims, width // 2, options, condition), _activation(options)]
