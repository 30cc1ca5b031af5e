"""Whether a generator that is told a condition by planes takes any notice of it."""

import copy
import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from cyclekit.contract.tensors import TensorSpec
from cyclekit.engine.padding import smallest_sizes
from cyclekit.errors import RecipeError
from cyclekit.nets.planes import Planes

SHAKEN = 1e-3  # noise on a trial's weights, so that layers that begin as zeros have some effect
TOLD = 1e-9  # share of an output's size that is more than rounding in float64
SMALL = 2**10  # positions of a trial that takes no time worth saving


def require_told(network: Planes, source: TensorSpec, condition: int, name: str) -> None:
    """Refuse a network whose output is the same whatever planes it sees.

    It is tried on a small sample of noise, with shaken weights. A network that pads with zeros
    throughout, and takes large samples alone, is believed.

    Args:
        network: As built.
        source: Samples without planes.
        condition: How many planes there are.
        name: Of the architecture.

    Raises:
        RecipeError: Saying why, and what to change.
    """
    sizes = smallest_sizes(source, network)
    if math.prod(sizes) > SMALL and not any(_mirrors(network)):
        return
    trial = copy.deepcopy(network).double().eval()
    chance = torch.Generator().manual_seed(0)

    def noise(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=chance, dtype=torch.float64)

    with torch.no_grad():
        for weight in trial.parameters():
            weight.add_(noise(*weight.shape), alpha=SHAKEN)
        x = noise(1, source.channels, *sizes)
        labels = torch.zeros(2, condition, dtype=torch.float64)
        labels[1, 0] = 1.0
        one, other = (trial(x, label[None]) for label in labels)
    if (one - other).abs().max() > TOLD * one.abs().max():
        return
    raise RecipeError(
        f"Generator {name!r} is told by planes beside its input, but what it makes does not depend "
        f"on them: mirrored borders leave a constant plane constant, and the norm after the first "
        f'convolution takes it away. Set generator.padding_at.enter = "zeros" (resnet), or '
        f'generator.norm = "none", or, where the objective has it, objective.condition = "norm".'
    )


def _mirrors(network: nn.Module) -> Iterator[bool]:
    """Whether each layer continues a map beyond its border with what is inside."""
    for module in network.modules():
        kind = type(module).__name__
        continues = ("Reflection", "Replication", "Circular")
        yield getattr(module, "padding_mode", "zeros") != "zeros" or kind.startswith(continues)
