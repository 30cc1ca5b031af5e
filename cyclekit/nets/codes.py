"""Networks of latent codes: one that finds a code in a pair, and a discriminator of codes."""

from dataclasses import replace
from itertools import pairwise
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from cyclekit.contract.network import Network
from cyclekit.contract.options import Options
from cyclekit.contract.tensors import TensorSpec
from cyclekit.errors import RecipeError
from cyclekit.nets.blocks import conv, initialize
from cyclekit.nets.handwritten import BatchNorm

CodeNorm = Literal["none", "batch"]


class EncoderOptions(Options):
    """Halvings, then the mean over all places."""

    channels: Annotated[int, Field(ge=1, le=4096)] = 32
    """Width after the first convolution; doubled by each further one, at most eightfold."""
    layers: Annotated[int, Field(ge=1, le=10)] = 4
    """Convolutions, each of which halves."""
    norm: CodeNorm = "none"
    """`none`, or `batch` behind all convolutions but the first, as published: codes of training
    then depend on what else is in a batch, and on the number of ranks."""
    negative_slope: Annotated[float, Field(ge=0, lt=1)] = 0.2
    """Slope of activations below zero; 0, as published: ReLUs."""
    last_map: Annotated[int, Field(ge=0, le=64)] = 0
    """Width of a further convolution, which sees the last map of a training window as a whole: a
    window's size, halved `layers` times; 4 for 64 px as published. 0: none. Of a larger map the
    mean over all places is taken."""


class PairEncoder(nn.Module):
    """Find in two samples, side by side, what the one has and the other does not decide.

    Like Augmented CycleGAN's (arXiv 1802.10151); unless the options say so, without its batch
    norms, and with a mean over places for its last convolution, so that samples may be of any
    size. Instance norms would take away what a code is often about: how bright, or how loud, all
    of a sample is.

    Args:
        a: The first one's spec.
        b: The second one's; as many axes.
        size: Numbers in a code.
        options: Width and depth.
    """

    def __init__(self, a: TensorSpec, b: TensorSpec, size: int, options: EncoderOptions) -> None:
        super().__init__()
        if a.dims != b.dims:
            raise RecipeError(
                f"An encoder of pairs lays both samples side by side, but one has {a.dims} axes "
                f"and the other {b.dims}."
            )
        widths = [options.channels * min(2**place, 8) for place in range(options.layers)]
        normed = options.norm == "batch"
        layers: list[nn.Module] = []
        for seen, width in pairwise((a.channels + b.channels, *widths)):
            plain = not layers or not normed
            layers.append(conv(a.dims, seen, width, 3, stride=2, padding=1, bias=plain))
            layers += [] if plain else [BatchNorm(width)]
            layers.append(nn.LeakyReLU(options.negative_slope))
        self.layers = nn.Sequential(*layers)
        self.last_map, last = options.last_map, widths[-1]
        layers = []
        if self.last_map:
            layers.append(conv(a.dims, last, last, self.last_map, bias=not normed))
            layers += [BatchNorm(last)] if normed else []
            layers.append(nn.LeakyReLU(options.negative_slope))
        self.whole = nn.Sequential(*layers)
        self.finish = nn.Linear(last, size)
        initialize(self, method="kaiming")

    def forward(self, pair: Tensor) -> Tensor:
        """``(batch, channels of both, *sizes)`` to ``(batch, size)``.

        Raises:
            RecipeError: If the last map is smaller than the options say.
        """
        seen = self.layers(pair)
        if min(seen.shape[2:]) < self.last_map:
            raise RecipeError(
                f"objective.encoder.last_map is {self.last_map}, but the last map of a window of "
                f"{tuple(pair.shape[2:])} has {tuple(seen.shape[2:])}. Set it to a window's size, "
                f"halved objective.encoder.layers times."
            )
        found: Tensor = self.finish(self.whole(seen).flatten(2).mean(2))
        return found


class CodeDiscriminator(nn.Module):
    """Tell codes that were drawn from codes that were found (arXiv 1802.10151).

    Args:
        size: Numbers in a code.
        norm: ``none``, or ``batch`` behind all layers but the last, as published.
        width: Of the three layers between.
    """

    def __init__(self, size: int, norm: CodeNorm = "none", width: int = 64) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for seen in (size, width, width):
            layers.append(nn.Linear(seen, width))
            layers += [BatchNorm(width)] if norm == "batch" else []
            layers.append(nn.LeakyReLU(0.2))
        self.layers = nn.Sequential(*layers, nn.Linear(width, 1))

    def forward(self, code: Tensor) -> Tensor:
        """``(batch, size)`` to logits ``(batch, 1)``."""
        logits: Tensor = self.layers(code)
        return logits


class CodeDiscriminatorOptions(Options):
    """A discriminator of codes."""

    norm: CodeNorm = "none"
    """`none`, or `batch` as published."""
    width: Annotated[int, Field(ge=1, le=4096)] = 64
    """Of its layers."""


def _pair_encoder(
    source: TensorSpec, target: TensorSpec, options: EncoderOptions, condition: int
) -> PairEncoder:
    """Of both samples' channels; how many are of the first one makes no difference."""
    first, second = (replace(source, channels=count) for count in (1, source.channels - 1))
    return PairEncoder(first, second, condition, options)


def _code_discriminator(
    source: TensorSpec, target: TensorSpec, options: CodeDiscriminatorOptions, condition: int
) -> CodeDiscriminator:
    return CodeDiscriminator(condition, options.norm, options.width)


PAIR_ENCODER = Network(
    "pair_encoder", _pair_encoder, EncoderOptions, "Finds a code in two samples", ("condition",)
)
CODE_DISCRIMINATOR = Network(
    "code_discriminator",
    _code_discriminator,
    CodeDiscriminatorOptions,
    "Tells codes that were drawn from codes that were found",
    ("condition",),
)


def side_by_side(a: Tensor, b: Tensor) -> Tensor:
    """Two samples of one size as one: ``(batch, channels of both, *sizes)``."""
    return torch.cat([a, b], dim=1)
