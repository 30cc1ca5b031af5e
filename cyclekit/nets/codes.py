"""Networks of latent codes: one that finds a code in a pair, and one that judges codes."""

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from cyclekit.contract.options import Options
from cyclekit.contract.tensors import TensorSpec
from cyclekit.errors import RecipeError
from cyclekit.nets.blocks import conv, initialize


class EncoderOptions(Options):
    """Halvings, then the mean over all places."""

    channels: Annotated[int, Field(ge=1, le=4096)] = 32
    """Width after the first convolution; doubled by each further one, at most eightfold."""
    layers: Annotated[int, Field(ge=1, le=10)] = 4
    """Convolutions, each of which halves."""


class PairEncoder(nn.Module):
    """Find in two samples, side by side, what the one has and the other does not decide.

    Like Augmented CycleGAN's (arXiv 1802.10151), without its batch norms, and with a mean over
    places for its last convolution, so that samples may be of any size. Instance norms would take
    away what a code is often about: how bright, or how loud, all of a sample is.

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
        layers: list[nn.Module] = []
        seen = a.channels + b.channels
        for place in range(options.layers):
            width = options.channels * min(2**place, 8)
            layers += [conv(a.dims, seen, width, 3, stride=2, padding=1), nn.LeakyReLU(0.2)]
            seen = width
        self.layers = nn.Sequential(*layers)
        self.finish = nn.Linear(seen, size)
        initialize(self, method="kaiming")

    def forward(self, pair: Tensor) -> Tensor:
        """``(batch, channels of both, *sizes)`` to ``(batch, size)``."""
        found: Tensor = self.finish(self.layers(pair).flatten(2).mean(2))
        return found


class CodeDiscriminator(nn.Module):
    """Tell codes that were drawn from codes that were found (arXiv 1802.10151).

    Args:
        size: Numbers in a code.
        width: Of the three layers between.
    """

    def __init__(self, size: int, width: int = 64) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for seen in (size, width, width):
            layers += [nn.Linear(seen, width), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers, nn.Linear(width, 1))

    def forward(self, code: Tensor) -> Tensor:
        """``(batch, size)`` to logits ``(batch, 1)``."""
        logits: Tensor = self.layers(code)
        return logits


def side_by_side(a: Tensor, b: Tensor) -> Tensor:
    """Two samples of one size as one: ``(batch, channels of both, *sizes)``."""
    return torch.cat([a, b], dim=1)
