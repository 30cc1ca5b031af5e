"""A discriminator that also looks at small differences, over 1, 2 or 3 dimensions."""

from dataclasses import replace
from typing import Annotated

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from cyclekit.contract import TensorSpec
from cyclekit.nets.patchgan import PatchGAN, PatchGANOptions


class SlopesOptions(PatchGANOptions):
    """Two discriminators of overlapping patches: of values, and of how neighbours differ."""

    gain: Annotated[float, Field(gt=0)] = 20.0
    """Differences along every axis, times this and through tanh, are what the second one sees."""
    generators_gain: Annotated[float, Field(gt=0)] = 2.0
    """What the gain is to the generators' gradients: the less, the more they heed the first one.
    With the whole of it, fine patterns came up where nothing else kept fakes smooth."""


class SlopesPatchGAN(nn.Module):
    """Map ``(batch, channels, *sizes)`` to logits of two PatchGANs, side by side along the last
    axis: ``(batch, 1, *fewer)``.

    What tells an even area from a shaded one are differences of a hundredth of the range, which
    a network of ordinary weights drowns in the edges' for thousands of steps. The second one gets
    them alone and amplified; the first one, so that they do not take all of its attention,
    judges what a PatchGAN judges: colours and forms.

    Args:
        source: Spec of the tensors to judge.
        target: Spec of the logits.
        options: Width, depth and norm of both, and the gain.
    """

    def __init__(self, source: TensorSpec, target: TensorSpec, options: SlopesOptions) -> None:
        super().__init__()
        self.gain, self.generators_gain = options.gain, options.generators_gain
        self.values = PatchGAN(source, target, options)
        steep = replace(source, channels=source.channels * source.dims, range=(-1.0, 1.0))
        self.slopes = PatchGAN(steep, target, options)

    def forward(self, x: Tensor) -> Tensor:
        """One logit for each patch and each of the two."""
        seen = slopes(x, self.gain, self.generators_gain)
        return torch.cat([self.values(x), self.slopes(seen)], dim=-1)


def slopes(x: Tensor, gain: float, gradient_gain: float) -> Tensor:
    """``tanh(gain * (next - this))`` along every axis, 0 for the last one of each.

    Args:
        x: ``(batch, channels, *sizes)``.
        gain: Differences near ``1 / gain`` are told apart best.
        gradient_gain: Takes the gain's place in the gradient, which is the true one where
            they are equal.

    Returns:
        ``(batch, channels * axes, *sizes)``.
    """
    differences = torch.cat([_differences(x, axis) for axis in range(2, x.dim())], 1)
    amplified = gradient_gain * differences + (gain - gradient_gain) * differences.detach()
    return torch.tanh(amplified)


def _differences(x: Tensor, axis: int) -> Tensor:
    """To the next along one axis, of the same size."""
    after = [0, 0] * (x.dim() - 1 - axis) + [0, 1]
    return F.pad(x.diff(dim=axis), after)
