"""Values that are computed again for the backward pass instead of being kept (arXiv 1604.06174)."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from cyclekit.nets.blocks import is_per_sample


class Recomputed(nn.Sequential):
    """Layers whose inner values need not be kept; what they compute is the same either way.

    Attributes:
        forgets: Whether nothing but the input is kept while training.
    """

    forgets = False

    def forward(self, x: Tensor) -> Tensor:
        """Any batch that the layers take."""
        run: Callable[[Tensor], Tensor] = super().forward
        if not (self.forgets and self.training and torch.is_grad_enabled()):
            return run(x)
        # Dropout has to drop the same values both times.
        out: Tensor = checkpoint(run, x, use_reentrant=False, preserve_rng_state=True)
        return out


def spare_memory(network: nn.Module) -> None:
    """Let a network keep less for its backward pass, at the price of computing it twice.

    Layers that count their calls, such as batch norm, are left alone: they would count them twice.
    """
    for module in network.modules():
        if isinstance(module, Recomputed):
            module.forgets = is_per_sample(module)
