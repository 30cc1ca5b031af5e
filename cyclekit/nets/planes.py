"""Labels and codes for any network: each number a constant plane, a further channel of the input.

StarGAN tells its generator the target so (arXiv 1711.09020). A plane adds a constant to each map of
the first convolution. Where a norm follows that takes each map's mean away, nothing of it is left,
unless zeros stand at the border: only there is the sum another one. So the published network pads
with zeros; ``cyclekit/engine/conditions.py`` refuses one that mirrors its input instead.
"""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from cyclekit.contract.tensors import TensorSpec

TRAITS = ("multiple_of", "least_multiples", "reach")
"""What a generator's module says about itself."""


class Planes(nn.Module):
    """A network whose input has a plane for each number of a condition, after its own channels.

    Args:
        network: Built for ``with_planes(source, condition)``.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        for trait in TRAITS:
            if hasattr(network, trait):
                setattr(self, trait, getattr(network, trait))

    def forward(self, x: Tensor, condition: Tensor, **asked: Any) -> Any:
        """``(batch, channels, *sizes)`` and ``(batch, condition)`` to what the network makes.

        Args:
            x: Samples.
            condition: What it is told about each.
            asked: Goes to the network: ``taps``, whose input includes the planes.
        """
        planes = condition.to(x.dtype).view(*condition.shape, *(1,) * (x.dim() - 2))
        shown = torch.cat([x, planes.expand(*condition.shape, *x.shape[2:])], dim=1)
        return self.network(shown, **asked)


def with_planes(source: TensorSpec, condition: int) -> TensorSpec:
    """What a network sees of samples beside planes."""
    return replace(source, channels=source.channels + condition)
