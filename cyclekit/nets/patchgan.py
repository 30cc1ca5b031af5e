"""The PatchGAN discriminator (Isola et al., arXiv 1611.07004), over 1, 2 or 3 dimensions."""

from typing import Annotated

from pydantic import Field
from torch import Tensor, nn

from cyclekit.contract import Options, TensorSpec
from cyclekit.nets.blocks import (
    Init,
    Norm,
    conv,
    initialize,
    norm_layers,
    normalize_spectra,
    takes_bias,
)


class PatchGANOptions(Options):
    """A discriminator of overlapping patches."""

    channels: Annotated[int, Field(ge=1, le=4096)] = 64
    """Width after the first convolution; doubled by each layer, at most eightfold."""
    layers: Annotated[int, Field(ge=1, le=12)] = 3
    """Halvings. 1 to 5 see patches of 16, 34, 70, 142, 286."""
    norm: Norm = "instance"
    """`instance`, `batch` or `none`."""
    affine: bool = False
    """Let instance norm learn a scale and a shift, in place of the convolutions' biases."""
    spectral_norm: bool = False
    """Divide each weight by its largest singular value (arXiv 1802.05957)."""
    init: Init = "normal"
    """First weights: `normal` (as published), `xavier`, `kaiming` or `orthogonal`."""


class PatchGAN(nn.Sequential):
    """Map ``(batch, channels, *sizes)`` to one logit for each patch, ``(batch, 1, *fewer)``.

    Args:
        source: Spec of the tensors to judge.
        target: Spec of the logits.
        options: Width, depth and norm.
        classes: Further logits for the whole sample, the means of its patches'; where there are
            some, it returns a pair, ``(batch, 1, *fewer)`` and ``(batch, classes)``.
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
        layers: list[nn.Module] = [conv(dims, source.channels, widths[0], 4, stride=2, padding=1)]
        layers.append(nn.LeakyReLU(0.2))
        for n in range(1, options.layers + 1):
            layers += [
                conv(
                    dims,
                    widths[n - 1],
                    widths[n],
                    4,
                    stride=2 if n < options.layers else 1,
                    padding=1,
                    bias=takes_bias(options.norm, options.affine),
                ),
                *norm_layers(options.norm, dims, widths[n], options.affine),
                nn.LeakyReLU(0.2),
            ]
        layers.append(conv(dims, widths[-1], target.channels, 4, padding=1))
        super().__init__(*layers)
        self.classes = classes
        if classes:
            self.add_module("classify", conv(dims, widths[-1], classes, 1))
        initialize(self, method=options.init)
        if options.spectral_norm:
            normalize_spectra(self)

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """See the class."""
        *layers, judge = list(self)[: len(self) - bool(self.classes)]
        for layer in layers:
            x = layer(x)
        logits: Tensor = judge(x)
        return (logits, self[-1](x).flatten(2).mean(2)) if self.classes else logits
