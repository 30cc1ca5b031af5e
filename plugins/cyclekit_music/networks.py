"""The networks of Brunner et al. (arXiv 1809.07575), and small ones for CPUs."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, ClassVar, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from cyclekit.api import (
    Init,
    Network,
    Norm,
    Options,
    PatchDiscriminator,
    ResNetGenerator,
    ResNetOptions,
    TensorSpec,
    conv,
    initialize,
    norm_layers,
    normalize_spectra,
)

Width = Annotated[int, Field(ge=1, le=4096)]
Widths = Annotated[tuple[Width, ...], Field(min_length=1, max_length=5)]
Kernel = Annotated[int, Field(ge=1, le=15)]


class BrunnerOptions(ResNetOptions):
    """The engine's residual generator with the paper's choices."""

    former_names: ClassVar[Mapping[str, str]] = {
        **ResNetOptions.former_names,
        "keep": "identity_logit",
    }

    blocks: Annotated[int, Field(ge=0, le=200)] = 10
    """Residual blocks."""
    affine: bool = True
    """Let instance norm learn a scale and a shift, in place of the convolutions' biases."""
    activate_sum: bool = True
    """End each residual block with a ReLU after the sum."""
    identity_logit: Annotated[float, Field(ge=0, le=10)] = 0.0
    """How firmly a note stays unless the network moves it: cells that are on or off begin at
    logits of plus or minus this, to which the network adds. 0: as published."""
    positions: bool = False
    """Tell the network how high each pitch is and where each step lies in its quarter of the
    window: in its bar, where `codec.bars` is 4."""


class TinyOptions(BrunnerOptions):
    """The same with a width and depth that a CPU can train."""

    channels: Width = 16
    """Width after the first convolution; doubled by each downsampling."""
    blocks: Annotated[int, Field(ge=0, le=200)] = 4
    """Residual blocks."""
    identity_logit: Annotated[float, Field(ge=0, le=10)] = 2.0
    """How firmly a note stays unless the network moves it: cells that are on or off begin at
    logits of plus or minus this, to which the network adds."""
    positions: bool = True
    """Tell the network how high each pitch is and where each step lies in its quarter of the
    window: in its bar, where `codec.bars` is 4."""


class Positions(nn.Module):
    """Append what a convolution cannot see: the height of each pitch, the phase of each bar.

    Three channels: pitch from low to high, sine and cosine of the step's place in its quarter of
    the window, which is a bar by default. Music moved up an octave or by a beat is not the same
    music (compare CoordConv, arXiv 1807.03247).
    """

    channels = 3
    strength = 0.2  # a roll is nearly empty: whole numbers everywhere would drown it

    def __init__(self, source: TensorSpec) -> None:
        super().__init__()
        steps, pitches = source.sizes
        if steps is None or pitches is None:
            raise ValueError("positions need a window of fixed size")
        phase = torch.arange(steps)[:, None] / steps * 4 * 2 * torch.pi
        height = torch.linspace(-1, 1, pitches)[None]
        maps = [part.expand(steps, pitches) for part in (height, phase.sin(), phase.cos())]
        self.register_buffer("maps", self.strength * torch.stack(maps)[None], persistent=False)
        self.maps: Tensor

    def forward(self, x: Tensor) -> Tensor:
        """``(batch, channels, steps, pitches)`` to three channels more."""
        return torch.cat([x, self.maps.to(x.dtype).expand(x.shape[0], -1, -1, -1)], dim=1)


class RollGenerator(nn.Module):
    """Map rolls in 0..1 to rolls in 0..1, with the engine's residual generator in between."""

    def __init__(
        self,
        source: TensorSpec,
        target: TensorSpec,
        options: BrunnerOptions,
        condition: int = 0,
    ) -> None:
        super().__init__()
        self.positions = Positions(source) if options.positions else nn.Identity()
        seen = source.channels + options.positions * Positions.channels
        self.change = ResNetGenerator(
            replace(source, channels=seen), replace(target, range=None), options, condition
        )
        self.multiple_of = self.change.multiple_of
        self.reach = self.change.reach
        self.identity_logit = options.identity_logit

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """``(batch, channels, steps, pitches)``, told ``(batch, condition)``, to the same shape."""
        logits: Tensor = self.change(self.positions(x), condition)
        if self.identity_logit:
            logits = logits + self.identity_logit * (2 * x - 1)
        return logits.sigmoid()


class PhraseDiscriminatorOptions(Options):
    """A PatchGAN whose convolutions halve time and pitch, and a last one that makes the logits."""

    channels: Widths = (64, 256)
    """Widths after each of the convolutions that halve."""
    kernels: tuple[Kernel, ...] = (7, 7, 7)
    """Sizes of the kernels, one more than there are widths: 7, 7, 7 in the published code; 4, 4, 1
    in the paper's table."""
    norm: Norm = "instance"
    """`instance`, `batch` or `none`. An instance norm is blind to how many notes there are."""
    spectral_norm: bool = False
    """Divide each weight by its largest singular value (arXiv 1802.05957)."""
    positions: bool = False
    """Tell the network how high each pitch is and where each step lies in its quarter of the
    window: in its bar, where `codec.bars` is 4."""
    init: Init = "normal"
    """First weights: `normal` (as published), `xavier`, `kaiming`, `orthogonal` or `torch`."""

    @model_validator(mode="after")
    def _one_kernel_more(self) -> Self:
        if len(self.kernels) != len(self.channels) + 1:
            raise ValueError(
                f"{len(self.channels)} widths need {len(self.channels) + 1} kernels, "
                f"the last one for the logits, but there are {len(self.kernels)}"
            )
        return self


class TinyDiscriminatorOptions(PhraseDiscriminatorOptions):
    """The same, narrow."""

    channels: Widths = (24, 48)
    """Widths after each of the convolutions that halve."""
    kernels: tuple[Kernel, ...] = (7, 7, 3)
    """Sizes of the kernels, one more than there are widths."""
    norm: Norm = "none"
    """`instance`, `batch` or `none`. An instance norm is blind to how many notes there are."""
    positions: bool = True
    """Tell the network how high each pitch is and where each step lies in its quarter of the
    window: in its bar, where `codec.bars` is 4."""


class PhraseDiscriminator(PatchDiscriminator):
    """Map ``(batch, channels, steps, pitches)`` to a logit for each patch.

    With each convolution but the last there are half as many along time and pitch.
    """

    def __init__(
        self,
        source: TensorSpec,
        target: TensorSpec,
        options: PhraseDiscriminatorOptions,
        classes: int = 0,
    ) -> None:
        dims = source.dims
        layers: list[nn.Module] = [Positions(source)] if options.positions else []
        seen = source.channels + options.positions * Positions.channels
        widths = (seen, *options.channels, target.channels)
        last = len(options.channels)
        for index, kernel in enumerate(options.kernels):
            layer = conv(
                dims,
                widths[index],
                widths[index + 1],
                kernel,
                stride=1 if index == last else 2,
                padding=(kernel - 1) // 2,  # keeps a size, or halves an even one
                bias=options.norm == "none",
            )
            normed = options.norm if 0 < index < last else "none"
            layers += [layer, *norm_layers(normed, dims, widths[index + 1], affine=True)]
            layers.append(nn.LeakyReLU(0.2))
        super().__init__(layers[:-1], dims, options.channels[-1], classes)
        initialize(self, method=options.init)
        if options.spectral_norm:
            normalize_spectra(self)


GENERATORS = (
    Network(
        "brunner",
        RollGenerator,
        BrunnerOptions,
        "Brunner et al.: ten residual blocks",
        ("condition",),
    ),
    Network(
        "tiny",
        RollGenerator,
        TinyOptions,
        "The same for CPUs: 16 channels, 4 blocks",
        ("condition",),
    ),
)
DISCRIMINATORS = (
    Network(
        "brunner",
        PhraseDiscriminator,
        PhraseDiscriminatorOptions,
        "Brunner et al.: three convolutions",
        takes=("classes",),
    ),
    Network(
        "tiny",
        PhraseDiscriminator,
        TinyDiscriminatorOptions,
        "The same, narrow",
        takes=("classes",),
    ),
)
