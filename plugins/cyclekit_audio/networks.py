"""Generators and discriminators of the CycleGAN-VC family, and small ones for CPUs."""

from dataclasses import replace
from typing import Annotated

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from cyclekit.api import (
    PATCHGAN,
    RESNET,
    Init,
    Network,
    Options,
    PatchDiscriminator,
    RecipeError,
    ResNetGenerator,
    ResNetOptions,
    TensorSpec,
    initialize,
    norm_layers,
    normalize_spectra,
)

Blocks = Annotated[int, Field(ge=0, le=200)]


class VC2Options(Options):
    """The 2-1-2D generator of CycleGAN-VC2 (arXiv 1904.04631)."""

    channels: Annotated[int, Field(ge=4, multiple_of=4)] = 256
    """Width of the trunk; the first convolution has half of it."""
    blocks: Blocks = 6
    """Residual blocks of the trunk."""
    residual: bool = False
    """Learn the change instead of the whole: output = input + f(input)."""


class Gated1dOptions(VC2Options):
    """A gated CNN over frames, to which every mel band is a channel (as arXiv 1711.11293)."""


class TinyOptions(ResNetOptions):
    """The engine's residual generator, narrow, told where each mel band lies."""

    channels: Annotated[int, Field(ge=1, le=4096)] = 16
    """Width after the first convolution; doubled by each downsampling."""
    blocks: Blocks = 3
    """Residual blocks."""
    residual: bool = True
    """Learn the change instead of the whole: output = input + f(input)."""


class Gated(nn.Module):
    """Convolution, instance norm, gated linear unit (arXiv 1612.08083), for 1 or 2 dimensions.

    Half of the channels are the gates of the other half: two branches computed as one.
    """

    def __init__(self, convolution: nn.Module, norm: nn.Module | None = None) -> None:
        super().__init__()
        self.convolution = convolution
        self.norm = norm or nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """``(batch, channels, *sizes)``."""
        return F.glu(self.norm(self.convolution(x)), dim=1)


class Block1d(nn.Module):
    """``x + f(x)``: a gated convolution to twice the width, and one back."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.residual = nn.Sequential(
            Gated(nn.Conv1d(channels, 4 * channels, 3, padding=1), _norm1d(4 * channels)),
            nn.Conv1d(2 * channels, channels, 3, padding=1),
            _norm1d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        """``(batch, channels, frames)``, unchanged in shape."""
        out: Tensor = x + self.residual(x)
        return out


class Shuffle1d(nn.Module):
    """Half the channels, twice the frames (sub-pixel convolution, arXiv 1609.05158)."""

    def forward(self, x: Tensor) -> Tensor:
        """``(batch, 2 * channels, frames)`` -> ``(batch, channels, 2 * frames)``."""
        batch, channels, frames = x.shape
        halves = x.view(batch, channels // 2, 2, frames)
        return halves.transpose(2, 3).reshape(batch, channels // 2, 2 * frames)


class VC2Generator(nn.Module):
    """Two dimensions at the ends, for local structure; one in the middle, for all of a frame.

    With a second input channel, the mask of ``objective.frame_mask``, this is the generator of
    MaskCycleGAN-VC (arXiv 2102.12841), layer for layer.
    """

    multiple_of = 4

    def __init__(self, source: TensorSpec, target: TensorSpec, options: VC2Options) -> None:
        super().__init__()
        bands, width = _bands(source, self.multiple_of), options.channels
        folded = width * (bands // 4)
        self.enter = nn.Sequential(
            Gated(nn.Conv2d(source.channels, width, (5, 15), padding=(2, 7))),
            Gated(nn.Conv2d(width // 2, 2 * width, 5, stride=2, padding=2), _norm2d(2 * width)),
            Gated(nn.Conv2d(width, 2 * width, 5, stride=2, padding=2), _norm2d(2 * width)),
        )
        self.fold = nn.Sequential(nn.Conv1d(folded, width, 1), _norm1d(width))
        self.trunk = nn.Sequential(*(Block1d(width) for _ in range(options.blocks)))
        self.unfold = nn.Sequential(nn.Conv1d(width, folded, 1), _norm1d(folded))
        self.leave = nn.Sequential(
            *_enlarge2d(width, width),
            *_enlarge2d(width, width // 2),
            nn.Conv2d(width // 2, target.channels, (5, 15), padding=(2, 7)),
        )
        self.residual = options.residual
        initialize(self)

    def forward(self, x: Tensor) -> Tensor:
        """``(batch, 1 or 2, bands, frames)`` -> ``(batch, 1, bands, frames)``."""
        image = self.enter(x)
        line = self.unfold(self.trunk(self.fold(image.flatten(1, 2))))
        made: Tensor = self.leave(line.view_as(image))
        return x[:, :1] + made if self.residual else made


class Gated1dGenerator(nn.Module):
    """Gated convolutions over frames, a quarter as many in the trunk; all bands at once."""

    multiple_of = 4

    def __init__(self, source: TensorSpec, target: TensorSpec, options: Gated1dOptions) -> None:
        super().__init__()
        bands, width = _bands(source), options.channels
        self.layers = nn.Sequential(
            Gated(nn.Conv1d(source.channels * bands, width, 15, padding=7)),
            Gated(nn.Conv1d(width // 2, 2 * width, 5, stride=2, padding=2), _norm1d(2 * width)),
            Gated(nn.Conv1d(width, 2 * width, 5, stride=2, padding=2), _norm1d(2 * width)),
            *(Block1d(width) for _ in range(options.blocks)),
            *_enlarge1d(width, width),
            *_enlarge1d(width, width // 2),
            nn.Conv1d(width // 2, target.channels * bands, 15, padding=7),
        )
        self.residual = options.residual
        initialize(self)

    def forward(self, x: Tensor) -> Tensor:
        """``(batch, 1 or 2, bands, frames)`` -> ``(batch, 1, bands, frames)``."""
        made: Tensor = self.layers(x.flatten(1, 2)).view_as(x[:, :1])
        return x[:, :1] + made if self.residual else made


class BandPositions(nn.Module):
    """Append a channel that rises from the lowest mel band to the highest.

    A convolution looks for the same at every height, but a formant is not the same an octave up
    (compare CoordConv, arXiv 1807.03247).
    """

    def __init__(self, bands: int) -> None:
        super().__init__()
        self.register_buffer("height", torch.linspace(-1, 1, bands)[:, None], persistent=False)
        self.height: Tensor

    def forward(self, x: Tensor) -> Tensor:
        """``(batch, channels, bands, frames)`` to one channel more."""
        height = self.height.to(x.dtype).expand(x.shape[0], 1, -1, x.shape[-1])
        return torch.cat([x, height], dim=1)


class TinyGenerator(nn.Module):
    """A residual generator over bands and frames that knows one band from another."""

    def __init__(
        self, source: TensorSpec, target: TensorSpec, options: TinyOptions, condition: int = 0
    ) -> None:
        super().__init__()
        self.multiple_of = 2**options.downsamplings
        self.positions = BandPositions(_bands(source, self.multiple_of))
        inner = replace(source, channels=source.channels + 1)
        plain = options.model_copy(update={"residual": False})
        self.change = ResNetGenerator(inner, target, plain, condition)
        self.reach = self.change.reach
        self.residual = options.residual

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """``(batch, 1 or 2, bands, frames)``, told ``(batch, condition)``, to ``(batch, 1, bands,
        frames)``."""
        made: Tensor = self.change(self.positions(x), condition)
        return x[:, :1] + made if self.residual else made


class VC2DiscriminatorOptions(Options):
    """The PatchGAN of CycleGAN-VC2, as MaskCycleGAN-VC uses it."""

    channels: Annotated[int, Field(ge=1, le=4096)] = 128
    """Width after the first convolution; doubled by each of the others."""
    layers: Annotated[int, Field(ge=1, le=5)] = 3
    """Halvings of bands and frames."""
    norm: bool = True
    """Instance norm; it is blind to how loud a band is as a whole."""
    spectral_norm: bool = False
    """Divide each weight by its largest singular value (arXiv 1802.05957)."""
    positions: bool = False
    """Tell the network how high each mel band is."""
    init: Init = "normal"
    """First weights: `normal` (as published), `xavier`, `kaiming`, `orthogonal`, or `torch`. With
    neither norms nor spectral norm, `normal` weights are so small that next to nothing of a sample
    is left after four layers: `kaiming` then."""


class TinyDiscriminatorOptions(VC2DiscriminatorOptions):
    """The same, narrow, told where each mel band lies."""

    channels: Annotated[int, Field(ge=1, le=4096)] = 16
    """Width after the first convolution; doubled by each of the others."""
    layers: Annotated[int, Field(ge=1, le=5)] = 4
    """Halvings of bands and frames."""
    norm: bool = False
    """Instance norm; it is blind to how loud a band is as a whole."""
    spectral_norm: bool = True
    """Divide each weight by its largest singular value (arXiv 1802.05957)."""
    positions: bool = True
    """Tell the network how high each mel band is."""


class VC2Discriminator(PatchDiscriminator):
    """Map ``(batch, 1, bands, frames)`` to one logit for each patch, ``(batch, 1, *fewer)``."""

    def __init__(
        self,
        source: TensorSpec,
        target: TensorSpec,
        options: VC2DiscriminatorOptions,
        classes: int = 0,
    ) -> None:
        width, seen = options.channels, source.channels + options.positions
        layers: list[nn.Module] = [BandPositions(_bands(source))] if options.positions else []
        layers += [nn.Conv2d(seen, width, 3, padding=1), nn.SiLU()]
        for _ in range(options.layers):
            layers.append(nn.Conv2d(width, 2 * width, 3, stride=2, padding=1))
            width *= 2
            if options.norm:
                layers.append(_norm2d(width))
            layers.append(nn.SiLU())
        layers.append(nn.Conv2d(width, target.channels, (1, 3), padding=(0, 1)))
        super().__init__(layers, source.dims, width, classes)
        initialize(self, method=options.init)
        if options.spectral_norm:
            normalize_spectra(self)


class Gated1dDiscriminatorOptions(Options):
    """A gated CNN over frames, to which every mel band is a channel."""

    channels: Annotated[int, Field(ge=1, le=4096)] = 128
    """Width after the first convolution; doubled by each of the others, at most eightfold."""
    layers: Annotated[int, Field(ge=1, le=5)] = 3
    """Halvings of frames."""
    norm: bool = True
    """Instance norm, as published; it is blind to how loud a voice is as a whole."""
    spectral_norm: bool = False
    """Divide each weight by its largest singular value (arXiv 1802.05957)."""


class Gated1dDiscriminator(nn.Module):
    """Map ``(batch, 1, bands, frames)`` to a logit for each stretch of frames, all bands at once:
    ``(batch, 1, 1, fewer)``.

    CycleGAN-VC's (arXiv 1711.11293) is gated as well, over its 24 cepstra and frames. Here these
    are mel bands, which a one-dimensional network tells from each other by itself.
    """

    def __init__(
        self, source: TensorSpec, target: TensorSpec, options: Gated1dDiscriminatorOptions
    ) -> None:
        super().__init__()
        width, seen = options.channels, source.channels * _bands(source)
        layers: list[nn.Module] = [Gated(nn.Conv1d(seen, 2 * width, 3, padding=1))]
        for layer in range(options.layers):
            wider = options.channels * min(2 ** (layer + 1), 8)
            norm = _norm1d(2 * wider) if options.norm else None
            layers.append(Gated(nn.Conv1d(width, 2 * wider, 5, stride=2, padding=2), norm))
            width = wider
        self.layers = nn.Sequential(*layers, nn.Conv1d(width, target.channels, 3, padding=1))
        initialize(self)
        if options.spectral_norm:
            normalize_spectra(self)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        logits: Tensor = self.layers(x.flatten(1, 2))
        return logits.unsqueeze(2)


def _enlarge2d(width: int, out: int) -> list[nn.Module]:
    return [
        nn.Conv2d(width, 4 * out, 5, padding=2),
        nn.PixelShuffle(2),
        _norm2d(out),
        nn.SiLU(),  # where the paper has gated units, its published code has these
    ]


def _enlarge1d(width: int, out: int) -> list[nn.Module]:
    return [nn.Conv1d(width, 2 * out, 5, padding=2), Shuffle1d(), _norm1d(out), nn.SiLU()]


def _norm1d(channels: int) -> nn.Module:
    (norm,) = norm_layers("instance", 1, channels, affine=True)
    return norm


def _norm2d(channels: int) -> nn.Module:
    (norm,) = norm_layers("instance", 2, channels, affine=True)
    return norm


def _bands(spec: TensorSpec, multiple_of: int = 1) -> int:
    bands = spec.sizes[0]
    assert bands is not None  # the codec's spec always says
    if bands % multiple_of:
        raise RecipeError(
            f"This generator needs mel bands that divide by {multiple_of}, but codec.mel.bins is "
            f"{bands}. Choose another number, or generator.name=gated."
        )
    return bands


GENERATORS = (
    Network("vc2", VC2Generator, VC2Options, "CycleGAN-VC2's and MaskCycleGAN-VC's: 2-1-2D"),
    Network("gated", Gated1dGenerator, Gated1dOptions, "1-D gated CNN over mel bands"),
    Network(
        "tiny", TinyGenerator, TinyOptions, "A narrow residual generator, for CPUs", ("condition",)
    ),
    RESNET,
)
DISCRIMINATORS = (
    Network(
        "vc2",
        VC2Discriminator,
        VC2DiscriminatorOptions,
        "CycleGAN-VC2's PatchGAN",
        takes=("classes",),
    ),
    Network(
        "tiny",
        VC2Discriminator,
        TinyDiscriminatorOptions,
        "The same, narrow, with spectral norm",
        takes=("classes",),
    ),
    Network(
        "gated",
        Gated1dDiscriminator,
        Gated1dDiscriminatorOptions,
        "1-D gated CNN over mel bands; judges stretches of frames",
    ),
    PATCHGAN,
)
