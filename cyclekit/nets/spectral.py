"""Spectral norm that moves on once in a step of training, however often a network is called."""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrize

FIRST = 15  # power iterations that it begins with


class SpectralNorm(nn.Module):
    """Divides a weight by its largest singular value (Miyato et al., arXiv 1802.05957).

    torch's own takes a power iteration in each call of a network in training, so that no two calls
    are alike; this one takes it in ``advance``.

    Args:
        weight: What it is made for: ``(rows, *sizes)``.
        rows: The axis of outputs.
    """

    _u: Tensor
    _v: Tensor

    def __init__(self, weight: Tensor, rows: int = 0) -> None:
        super().__init__()
        self._rows = rows
        matrix = self._matrix(weight.detach())
        for name, length in zip(("_u", "_v"), matrix.shape, strict=True):
            drawn = matrix.new_empty(length).normal_()
            self.register_buffer(name, F.normalize(drawn, dim=0))
        for _ in range(FIRST):
            self.advance(weight)

    def forward(self, weight: Tensor) -> Tensor:
        """The weight, divided."""
        with torch.autocast(weight.device.type, enabled=False):
            return weight / torch.dot(self._u, torch.mv(self._matrix(weight), self._v))

    def right_inverse(self, weight: Tensor) -> Tensor:
        """What is divided where somebody sets a weight: that."""
        return weight

    @torch.no_grad()
    def advance(self, weight: Tensor) -> None:
        """One power iteration: follow a weight that has changed."""
        matrix = self._matrix(weight)
        self._u.copy_(F.normalize(torch.mv(matrix, self._v), dim=0))
        self._v.copy_(F.normalize(torch.mv(matrix.T, self._u), dim=0))

    def _matrix(self, weight: Tensor) -> Tensor:
        return weight.movedim(self._rows, 0).flatten(1)


def spectral_norms(network: nn.Module) -> Iterator[tuple[SpectralNorm, Tensor]]:
    """Those of a network, each with the weight that it divides."""
    for module in network.modules():
        if isinstance(module, parametrize.ParametrizationList):
            for norm in module:
                if isinstance(norm, SpectralNorm):
                    yield norm, module.original
