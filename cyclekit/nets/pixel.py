"""The pixel discriminator (Isola et al., arXiv 1611.07004), over 1, 2 or 3 dimensions."""

from typing import Annotated

from pydantic import Field
from torch import nn

from cyclekit.contract.options import Options
from cyclekit.contract.tensors import TensorSpec
from cyclekit.nets.blocks import (
    Init,
    Norm,
    conv,
    initialize,
    norm_layers,
    normalize_spectra,
    takes_bias,
)


class PixelOptions(Options):
    """A discriminator of single positions: of colours, not of forms."""

    channels: Annotated[int, Field(ge=1, le=4096)] = 64
    """Width after the first convolution; doubled by the second."""
    norm: Norm = "instance"
    """`instance`, `batch` or `none`."""
    affine: bool = False
    """Let instance norm learn a scale and a shift, in place of the convolutions' biases."""
    spectral_norm: bool = False
    """Divide each weight by its largest singular value (arXiv 1802.05957)."""
    init: Init = "normal"
    """First weights: `normal` (as published), `xavier`, `kaiming`, `orthogonal`, or `torch`, as
    PyTorch makes layers."""


class PixelDiscriminator(nn.Sequential):
    """Map ``(batch, channels, *sizes)`` to one logit for each position, ``(batch, 1, *sizes)``.

    Args:
        source: Spec of the tensors to judge.
        target: Spec of the logits.
        options: Width and norm.
    """

    def __init__(self, source: TensorSpec, target: TensorSpec, options: PixelOptions) -> None:
        dims, width = source.dims, options.channels
        super().__init__(
            conv(dims, source.channels, width, 1),
            nn.LeakyReLU(0.2),
            conv(dims, width, 2 * width, 1, bias=takes_bias(options.norm, options.affine)),
            *norm_layers(options.norm, dims, 2 * width, options.affine),
            nn.LeakyReLU(0.2),
            conv(dims, 2 * width, target.channels, 1),
        )
        initialize(self, method=options.init)
        if options.spectral_norm:
            normalize_spectra(self)
