"""The PatchGAN discriminator (Isola et al., arXiv 1611.07004), over 1, 2 or 3 dimensions."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field
from torch import Tensor, nn

from cyclekit.contract.options import Options
from cyclekit.contract.tensors import TensorSpec
from cyclekit.nets.blocks import (
    Init,
    Norm,
    Padding,
    conv,
    initialize,
    norm_layers,
    normalize_spectra,
    takes_bias,
)
from cyclekit.nets.fused import run
from cyclekit.nets.resampling import BlurDown, PadBefore


class PatchGANOptions(Options):
    """A discriminator of overlapping patches."""

    channels: Annotated[int, Field(ge=1, le=4096)] = 64
    """Width after the first convolution; doubled by each layer, at most eightfold."""
    layers: Annotated[int, Field(ge=1, le=12)] = 3
    """Halvings. 1 to 5 see patches of 16, 34, 70, 142, 286."""
    norm: Norm = "instance"
    """`instance`, `batch` or `none`; `unbiased`: instance norm by the unbiased variance."""
    affine: bool = False
    """Let instance norm learn a scale and a shift, in place of the convolutions' biases."""
    downsample: Literal["stride", "blur"] = "stride"
    """`stride` as published; `blur`: a low-pass filter, [1, 2, 1], first (arXiv 1904.11486), which
    sees larger patches (84 with 3 layers)."""
    last_halves: bool = False
    """Let the widest convolution halve as well, and the last one look further back by one, so that
    there is one logit for each 2 to the power of `layers` + 1 positions."""
    padding: Padding = "zeros"
    """At the borders of all convolutions: `zeros` as published, `reflect` or `replicate`."""
    spectral_norm: bool = False
    """Divide each weight by its largest singular value (arXiv 1802.05957)."""
    init: Init = "normal"
    """First weights: `normal` (as published), `xavier`, `kaiming`, `orthogonal`, or `torch`, as
    PyTorch makes layers."""


class PatchDiscriminator(nn.Sequential):
    """Map ``(batch, channels, *sizes)`` to one logit for each patch, ``(batch, 1, *fewer)``.

    Args:
        layers: The last of them makes the logits.
        dims: Axes.
        width: Channels of what the last layer sees.
        classes: Further logits for the whole sample, the means of its patches'; where there are
            some, it returns a pair, ``(batch, 1, *fewer)`` and ``(batch, classes)``.
    """

    def __init__(self, layers: Sequence[nn.Module], dims: int, width: int, classes: int) -> None:
        super().__init__(*layers)
        self.classes = classes
        if classes:
            self.add_module("classify", conv(dims, width, classes, 1))

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """See the class."""
        *layers, head = list(self)[: len(self) - bool(self.classes)]
        x = run(layers, x)
        logits: Tensor = head(x)
        return (logits, self[-1](x).flatten(2).mean(2)) if self.classes else logits


class PatchGAN(PatchDiscriminator):
    """The published discriminator.

    Args:
        source: Spec of the tensors to judge.
        target: Spec of the logits.
        options: Width, depth and norm.
        classes: As of a ``PatchDiscriminator``.
    """

    def __init__(
        self,
        source: TensorSpec,
        target: TensorSpec,
        options: PatchGANOptions,
        classes: int = 0,
    ) -> None:
        dims = source.dims
        widths = [options.channels * min(2**n, 8) for n in range(options.layers + 1)]
        layers: list[nn.Module] = []
        for n, (seen, width) in enumerate(pairwise((source.channels, *widths))):
            halves = n < options.layers or options.last_halves
            blurs = halves and options.downsample == "blur"
            layers += [
                conv(
                    dims,
                    seen,
                    width,
                    4,
                    stride=2 if halves and not blurs else 1,
                    padding=1,
                    padding_mode=options.padding,
                    bias=n == 0 or takes_bias(options.norm, options.affine),
                ),
                *(norm_layers(options.norm, dims, width, options.affine) if n else []),
                nn.LeakyReLU(0.2),
                *([BlurDown(dims, "reflect", 3)] if blurs else []),
            ]
        layers += [PadBefore(dims)] if options.last_halves else []
        beyond = options.padding
        layers.append(conv(dims, widths[-1], target.channels, 4, padding=1, padding_mode=beyond))
        super().__init__(layers, dims, widths[-1], classes)
        initialize(self, method=options.init)
        if options.spectral_norm:
            normalize_spectra(self)
