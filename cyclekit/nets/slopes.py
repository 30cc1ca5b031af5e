"""A discriminator that also looks at small differences, over 1, 2 or 3 dimensions."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated

import torch
import torch.nn.functional as F
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from cyclekit.contract.tensors import TensorSpec
from cyclekit.nets.patchgan import PatchGAN, PatchGANOptions


class SlopesOptions(PatchGANOptions):
    """Two discriminators of overlapping patches: of values, and of how neighbours differ."""

    gain: Annotated[float, Field(gt=0)] = 20.0
    """Slopes along every axis, times this and through tanh, are what the second one sees."""
    distances: Annotated[tuple[PositiveInt, ...], Field(min_length=1)] = (1, 2, 4, 8)
    """Between which neighbours: the next, the one after that, ... Steps of a level every few
    places are even to their neighbours, and from further away as steep as a smooth slope."""
    generators_gain: Annotated[float, Field(gt=0)] = 2.0
    """What the gain is to the generators' gradients: the less, the more they heed the first one.
    With the whole of it, fine patterns came up where nothing else kept fakes smooth."""


class SlopesPatchGAN(nn.Module):
    """Map ``(batch, channels, *sizes)`` to logits of two PatchGANs, side by side along the last
    axis: ``(batch, 1, *fewer)``.

    What tells an even area from a shaded one are differences of a hundredth of the range, which
    a network of ordinary weights drowns in the edges' for thousands of steps. The second one gets
    them alone and amplified; the first one, so that they do not take all of its attention,
    sees what a PatchGAN sees: colours and forms.

    Args:
        source: Spec of the tensors to judge.
        target: Spec of the logits.
        options: Width, depth and norm of both; how far apart and how steep slopes are seen.
    """

    def __init__(self, source: TensorSpec, target: TensorSpec, options: SlopesOptions) -> None:
        super().__init__()
        self.gain, self.generators_gain = options.gain, options.generators_gain
        self.distances = options.distances
        self.values = PatchGAN(source, target, options)
        channels = source.channels * source.dims * len(options.distances)
        steep = replace(source, channels=channels, range=(-1.0, 1.0))
        self.slopes = PatchGAN(steep, target, options)

    def forward(self, x: Tensor) -> Tensor:
        """One logit for each patch and each of the two."""
        seen = slopes(x, self.distances, self.gain, self.generators_gain)
        return torch.cat([self.values(x), self.slopes(seen)], dim=-1)


def slopes(x: Tensor, distances: Sequence[int], gain: float, gradient_gain: float) -> Tensor:
    """``tanh(gain * (x[i + distance] - x[i]) / distance)`` for each distance along every axis, 0
    where ``x`` ends before.

    Args:
        x: ``(batch, channels, *sizes)``.
        distances: In places, 1 or more.
        gain: Slopes near ``1 / gain`` are told apart best.
        gradient_gain: Takes the gain's place in the gradient, which is the true one where
            they are equal.

    Returns:
        ``(batch, distances * axes * channels, *sizes)``.
    """
    axes = range(2, x.dim())
    steep = torch.cat([_slope(x, axis, distance) for distance in distances for axis in axes], 1)
    amplified = gradient_gain * steep + (gain - gradient_gain) * steep.detach()
    return torch.tanh(amplified)


def _slope(x: Tensor, axis: int, distance: int) -> Tensor:
    """Change per place over a distance along one axis, of the same size."""
    reach = min(distance, x.shape[axis])
    near = x.narrow(axis, 0, x.shape[axis] - reach)
    far = x.narrow(axis, reach, x.shape[axis] - reach)
    after = [0, 0] * (x.dim() - 1 - axis) + [0, reach]
    return F.pad((far - near) / distance, after)
