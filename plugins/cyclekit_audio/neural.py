"""Trained vocoders as networks, and the file that holds one: weights, form, and its mels."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
import torch.nn.functional as F
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from cyclekit.api import Network, Options, RecipeError, TensorSpec

KEY = "cyclekit_vocoder"  # of the file's metadata
LARGEST_METADATA = 100_000  # characters

Kernel = Annotated[int, Field(ge=1, le=64)]
Rate = Annotated[int, Field(ge=1, le=64)]
Dilations = Annotated[tuple[Annotated[int, Field(ge=1, le=1000)], ...], Field(max_length=8)]


class HiFiGANOptions(Options):
    """HiFi-GAN's generator (arXiv 2010.05646), as its `config.json` describes it."""

    bins: Annotated[int, Field(ge=8, le=256)] = 80
    """Mel bands."""
    channels: Annotated[int, Field(ge=1, le=4096)] = 512
    """Width after the first convolution; halved by each enlargement."""
    rates: Annotated[tuple[Rate, ...], Field(min_length=1, max_length=8)] = (8, 8, 2, 2)
    """How much longer each enlargement makes it; their product is the hop."""
    kernels: Annotated[tuple[Kernel, ...], Field(min_length=1, max_length=8)] = (16, 16, 4, 4)
    """Widths of the enlargements' kernels."""
    block: Literal["1", "2"] = "1"
    """Residual blocks of pairs of convolutions (`1`, V1 and V2) or of single ones (`2`, V3)."""
    block_kernels: Annotated[tuple[Kernel, ...], Field(min_length=1, max_length=8)] = (3, 7, 11)
    """Widths of the kernels of the blocks that stand side by side."""
    block_dilations: Annotated[tuple[Dilations, ...], Field(min_length=1, max_length=8)] = (
        (1, 3, 5),
        (1, 3, 5),
        (1, 3, 5),
    )
    """Dilations inside each of them."""

    @model_validator(mode="after")
    def _go_together(self) -> "HiFiGANOptions":
        if len(self.rates) != len(self.kernels) or len(self.block_kernels) != len(
            self.block_dilations
        ):
            raise ValueError("as many kernels as rates are needed, and as dilations of blocks")
        if any(k < u or (k - u) % 2 for u, k in zip(self.rates, self.kernels, strict=True)):
            raise ValueError("kernels must be wider than their rates by an even number")
        if any(kernel % 2 == 0 for kernel in self.block_kernels):
            raise ValueError("kernels of blocks must be odd")
        return self


class MelGANOptions(Options):
    """MelGAN's generator (arXiv 1910.06711)."""

    bins: Annotated[int, Field(ge=8, le=256)] = 80
    """Mel bands."""
    channels: Annotated[int, Field(ge=1, le=512)] = 32
    """Width at the end; doubled for each enlargement before it."""
    rates: Annotated[tuple[Rate, ...], Field(min_length=1, max_length=8)] = (8, 8, 2, 2)
    """How much longer each enlargement makes it; their product is the hop."""
    layers: Annotated[int, Field(ge=0, le=12)] = 3
    """Residual blocks behind each enlargement, dilated by powers of 3."""


class Wide(nn.Module):
    """``x + f(x)`` again and again, ``f`` one or two convolutions, the first one dilated."""

    def __init__(self, width: int, kernel: int, dilations: tuple[int, ...], single: bool) -> None:
        super().__init__()

        def convolution(dilation: int) -> nn.Module:
            padding = dilation * (kernel - 1) // 2
            return nn.Conv1d(width, width, kernel, padding=padding, dilation=dilation)

        self.dilated = nn.ModuleList(map(convolution, dilations))
        self.plain = nn.ModuleList(convolution(1) for _ in dilations) if not single else None

    def forward(self, x: Tensor) -> Tensor:
        """``(batch, width, samples)``, unchanged in shape."""
        for place, layer in enumerate(self.dilated):
            made = layer(F.leaky_relu(x, 0.1))
            if self.plain is not None:
                made = self.plain[place](F.leaky_relu(made, 0.1))
            x = x + made
        return x


class HiFiGANGenerator(nn.Module):
    """``(batch, mel bands, frames)`` -> ``(batch, 1, frames * hop)``."""

    def __init__(self, source: TensorSpec, target: TensorSpec, options: HiFiGANOptions) -> None:
        super().__init__()
        width = options.channels
        self.enter = nn.Conv1d(source.channels, width, 7, padding=3)
        self.enlarge = nn.ModuleList()
        self.blocks = nn.ModuleList()
        for rate, kernel in zip(options.rates, options.kernels, strict=True):
            padding = (kernel - rate) // 2
            self.enlarge.append(nn.ConvTranspose1d(width, width // 2, kernel, rate, padding))
            width //= 2
            self.blocks.append(
                nn.ModuleList(
                    Wide(width, size, dilations, options.block == "2")
                    for size, dilations in zip(
                        options.block_kernels, options.block_dilations, strict=True
                    )
                )
            )
        self.leave = nn.Conv1d(width, target.channels, 7, padding=3)

    def forward(self, x: Tensor) -> Tensor:
        """Log-mel magnitudes to samples in -1..1."""
        x = self.enter(x)
        for enlarge, side_by_side in zip(self.enlarge, self.blocks, strict=True):
            x = enlarge(F.leaky_relu(x, 0.1))
            assert isinstance(side_by_side, nn.ModuleList)
            made = [block(x) for block in side_by_side]
            x = torch.stack(made).sum(dim=0) / len(made)
        # Its last slope is torch's own, not that of the others.
        return torch.tanh(self.leave(F.leaky_relu(x, 0.01)))


class Mirrored(nn.Module):
    """``shortcut(x) + f(x)`` with mirrored ends."""

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.block = nn.Sequential(
            nn.LeakyReLU(0.2),
            nn.ReflectionPad1d(dilation),
            nn.Conv1d(width, width, 3, dilation=dilation),
            nn.LeakyReLU(0.2),
            nn.Conv1d(width, width, 1),
        )
        self.shortcut = nn.Conv1d(width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """``(batch, width, samples)``, unchanged in shape."""
        made: Tensor = self.shortcut(x) + self.block(x)
        return made


class MelGANGenerator(nn.Sequential):
    """``(batch, mel bands, frames)`` -> ``(batch, 1, frames * hop)``."""

    def __init__(self, source: TensorSpec, target: TensorSpec, options: MelGANOptions) -> None:
        width = options.channels * 2 ** len(options.rates)
        layers: list[nn.Module] = [nn.ReflectionPad1d(3), nn.Conv1d(source.channels, width, 7)]
        for rate in options.rates:
            padding, rest = rate // 2 + rate % 2, rate % 2
            layers += [
                nn.LeakyReLU(0.2),
                nn.ConvTranspose1d(width, width // 2, 2 * rate, rate, padding, rest),
                *(Mirrored(width // 2, 3**place) for place in range(options.layers)),
            ]
            width //= 2
        end = nn.Conv1d(width, target.channels, 7)
        super().__init__(*layers, nn.LeakyReLU(0.2), nn.ReflectionPad1d(3), end, nn.Tanh())


HIFIGAN = Network("hifigan", HiFiGANGenerator, HiFiGANOptions, "HiFi-GAN's generator")
MELGAN = Network("melgan", MelGANGenerator, MelGANOptions, "MelGAN's generator")
KINDS = {network.name: network for network in (HIFIGAN, MELGAN)}


class _About(BaseModel):
    """What a vocoder's file says about itself."""

    model_config = ConfigDict(frozen=True, strict=False, extra="ignore")

    kind: Literal["hifigan", "melgan"]
    options: dict[str, Any]
    mels: dict[str, float | str]


def pack(kind: str, options: Mapping[str, Any], mels: Mapping[str, Any], weights: Any) -> bytes:
    """A vocoder as the content of a file.

    Args:
        kind: ``hifigan`` or ``melgan``.
        options: Of the network.
        mels: For which mels it was trained, by the names of HiFi-GAN's ``config.json``.
        weights: By the names here.
    """
    about = {"kind": kind, "options": dict(options), "mels": dict(mels)}
    return save(weights, {KEY: json.dumps(about)})


def unpack(file: Path) -> tuple[nn.Module, dict[str, Any]]:
    """A vocoder from its file, and the mels that it was trained for.

    Raises:
        RecipeError: If it is none, or is damaged.
    """
    if not file.is_file():
        raise RecipeError(f"codec.vocoder.weights: there is no file {file}.")
    try:
        with safe_open(str(file), framework="pt") as opened:
            told = (opened.metadata() or {}).get(KEY, "")
            about = _About.model_validate_json(told[:LARGEST_METADATA])
            network = KINDS[about.kind]
            options = network.options(**about.options)
            bins = int(getattr(options, "bins", 80))
            specs = TensorSpec(bins, (None,), range=None), TensorSpec(1, (None,))
            with torch.device("meta"):
                made = network.build(*specs, options)
            wanted = {key: ("F32", list(x.shape)) for key, x in made.state_dict().items()}
            slices = {key: opened.get_slice(key) for key in opened.keys()}  # noqa: SIM118
            if wanted != {key: (x.get_dtype(), x.get_shape()) for key, x in slices.items()}:
                raise ValueError("its weights are not those that it describes")
            weights = {key: opened.get_tensor(key) for key in wanted}
    except (SafetensorError, ValidationError, ValueError, OSError, RuntimeError) as error:
        raise RecipeError(
            f"codec.vocoder.weights: {file} is no vocoder, or is damaged "
            f"({' '.join(str(error).split())[:200]}). `cyclekit import` makes one of HiFi-GAN's or "
            f"MelGAN's files."
        ) from error
    if not all(tensor.isfinite().all() for tensor in weights.values()):
        raise RecipeError(f"codec.vocoder.weights: {file} holds numbers that are not finite.")
    made.load_state_dict(weights, assign=True)
    return made.requires_grad_(False).eval(), dict(about.mels)
