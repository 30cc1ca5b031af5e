"""An exponential moving average of weights, for smoother translations."""

import copy
from collections.abc import Mapping

import torch
from torch import nn


class MovingAverage:
    """Copies of networks whose weights trail the trained ones.

    ``average <- decay * average + (1 - decay) * weight`` after each step. Early on the decay is
    ``(1 + n) / (10 + n)`` while that is smaller, so that the random start is soon forgotten.

    Args:
        networks: The trained networks.
        decay: Share kept at each step, below 1.
    """

    def __init__(self, networks: Mapping[str, nn.Module], decay: float) -> None:
        self._trained = dict(networks)
        self.decay = decay
        self.networks = {
            name: copy.deepcopy(network).requires_grad_(False).eval()
            for name, network in networks.items()
        }

    @torch.no_grad()
    def update(self, steps: int) -> None:
        """Move towards the trained weights, ``steps`` of training having been done."""
        decay = min(self.decay, (1 + steps) / (10 + steps))
        for name, average in self.networks.items():
            trained = self._trained[name]
            torch._foreach_lerp_(
                list(average.parameters()), list(trained.parameters()), weight=1 - decay
            )
            for kept, current in zip(average.buffers(), trained.buffers(), strict=True):
                kept.copy_(current)
