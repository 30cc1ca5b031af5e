"""Values that are computed again for the backward pass instead of being kept (arXiv 1604.06174)."""

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from cyclekit.nets.blocks import is_per_sample
from cyclekit.nets.fused import run


class Recomputed(nn.Sequential):
    """Layers whose inner values need not be kept; what they compute is the same either way.

    Those of them that take a condition are told it.

    Attributes:
        forgets: Whether nothing but the input is kept while training.
    """

    forgets = False

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """Any batch that the layers take."""
        if not (self.forgets and self.training and torch.is_grad_enabled()):
            return run(list(self), x, condition)
        # Dropout has to drop the same values both times.
        out: Tensor = checkpoint(
            run, list(self), x, condition, use_reentrant=False, preserve_rng_state=True
        )
        return out


def spare_memory(network: nn.Module) -> None:
    """Let a network keep less for its backward pass, at the price of computing it twice.

    Layers that count their calls, such as batch norm, are left alone: they would count them twice.
    """
    for module in network.modules():
        if isinstance(module, Recomputed):
            module.forgets = is_per_sample(module)
