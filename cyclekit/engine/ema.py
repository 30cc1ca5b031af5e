"""An exponential moving average of weights, for smoother translations."""

import copy
from collections.abc import Mapping

import torch
from torch import Tensor, nn

Pair = tuple[list[Tensor], list[Tensor]]


class MovingAverage:
    """Copies of networks whose weights trail the trained ones.

    ``average <- decay * average + (1 - decay) * weight`` after each step. After ``n`` steps the
    decay is at most ``1 - 1 / (1 + share * (n + 1))``, so that the random start is soon forgotten:
    while that is below ``decay``, the weights after step ``i`` count about in proportion to
    ``i ** (1 / share - 1)``, a power-function average (Karras et al. 2024, arXiv:2312.02696).

    Args:
        networks: The trained networks.
        decay: Share kept at each step, below 1.
        share: How far back an average reaches at most, as a share of the steps so far, 0..1.
    """

    def __init__(self, networks: Mapping[str, nn.Module], decay: float, share: float = 0.1) -> None:
        self.decay = decay
        self.share = share
        self.networks = {
            name: copy.deepcopy(network).requires_grad_(False).eval()
            for name, network in networks.items()
        }
        # Listed once: finding them takes as long as moving them.
        both = [(self.networks[name], trained) for name, trained in networks.items()]
        self._weights: list[Pair] = [(list(a.parameters()), list(b.parameters())) for a, b in both]
        self._buffers: list[Pair] = [(list(a.buffers()), list(b.buffers())) for a, b in both]

    @torch.no_grad()
    def update(self, steps: int) -> None:
        """Move towards the trained weights, ``steps`` of training having been done."""
        decay = min(self.decay, 1 - 1 / (1 + self.share * (steps + 1)))
        for own, trained in self._weights:
            torch._foreach_lerp_(own, trained, weight=1 - decay)
        for own, trained in self._buffers:
            for kept, current in zip(own, trained, strict=True):
                kept.copy_(current)
