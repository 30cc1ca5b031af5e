"""The networks of Brunner et al. (arXiv 1809.07575), and small ones for CPUs."""

from typing import Annotated

from pydantic import Field
from torch import nn

from cyclekit.api import (
    Network,
    Options,
    ResNetGenerator,
    ResNetOptions,
    TensorSpec,
    conv,
    initialize,
    norm_layers,
)

Width = Annotated[int, Field(ge=1)]
Kernel = Annotated[int, Field(ge=1, le=15)]


class BrunnerOptions(ResNetOptions):
    """The engine's residual generator with the paper's choices."""

    blocks: Annotated[int, Field(ge=0)] = 10
    """Residual blocks."""
    affine: bool = True
    """Let instance norm learn a scale and a shift, in place of the convolutions' biases."""
    activate_sum: bool = True
    """End each residual block with a ReLU after the sum."""


class TinyOptions(BrunnerOptions):
    """The same with a width and depth that a CPU can train."""

    channels: Width = 16
    """Width after the first convolution; doubled by each downsampling."""
    blocks: Annotated[int, Field(ge=0)] = 4
    """Residual blocks."""


class PhraseJudgeOptions(Options):
    """A PatchGAN of three convolutions, of which the first two halve time and pitch."""

    channels: tuple[Width, Width] = (64, 256)
    """Widths after the first two convolutions."""
    kernels: tuple[Kernel, Kernel, Kernel] = (7, 7, 7)
    """Sizes of the kernels: 7, 7, 7 in the published code; 4, 4, 1 in the paper's table."""


class TinyJudgeOptions(PhraseJudgeOptions):
    """The same, narrow."""

    channels: tuple[Width, Width] = (24, 48)
    """Widths after the first two convolutions."""
    kernels: tuple[Kernel, Kernel, Kernel] = (7, 7, 3)
    """Sizes of the kernels."""


class PhraseJudge(nn.Sequential):
    """Map ``(batch, channels, steps, pitches)`` to one logit for each patch, a quarter as many."""

    def __init__(self, source: TensorSpec, target: TensorSpec, options: PhraseJudgeOptions) -> None:
        dims, (first, second) = source.dims, options.channels
        kernels = options.kernels
        super().__init__(
            conv(dims, source.channels, first, kernels[0], stride=2, padding=_same(kernels[0]),
                 bias=False),
            nn.LeakyReLU(0.2, inplace=True),
            conv(dims, first, second, kernels[1], stride=2, padding=_same(kernels[1]), bias=False),
            *norm_layers("instance", dims, second, affine=True),
            nn.LeakyReLU(0.2, inplace=True),
            conv(dims, second, target.channels, kernels[2], padding=_same(kernels[2]), bias=False),
        )  # fmt: skip
        initialize(self)


def _same(kernel: int) -> int:
    """Padding that keeps a size, or halves an even one at stride 2."""
    return (kernel - 1) // 2


GENERATORS = (
    Network("brunner", ResNetGenerator, BrunnerOptions, "Brunner et al.: ten residual blocks"),
    Network("tiny", ResNetGenerator, TinyOptions, "The same for CPUs: 16 channels, 4 blocks"),
)
DISCRIMINATORS = (
    Network("brunner", PhraseJudge, PhraseJudgeOptions, "Brunner et al.: three convolutions"),
    Network("tiny", PhraseJudge, TinyJudgeOptions, "The same, narrow"),
)
