"""An architecture that a recipe can name."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from cyclekit.contract.options import Options
from cyclekit.contract.tensors import TensorSpec


@dataclass(frozen=True)
class Network:
    """An architecture that a recipe can name.

    Attributes:
        name: The value of ``generator.name`` or ``discriminator.name``.
        build: ``(source, target, options) -> module``. A generator maps ``source`` to ``target``; a
            discriminator gets ``target = source.logits()``. A generator's module may carry three
            integers. ``multiple_of``: what sizes must divide by; the engine pads to it.
            ``least_multiples``: how many of these an axis needs at least, 4 where it does not say.
            ``reach``: how many positions to each side an output may depend on, while the
            statistics of instance norms are held fixed; never less than the truth.
        options: Settings of the recipe's table besides ``name``.
        summary: One line for listings.
        takes: What objectives may ask of it besides: ``"condition"``, ``"taps"`` (generators),
            ``"classes"`` (discriminators), with the meanings that ``NetworkBuilder`` gives them.
            ``build`` then takes ``condition=size`` or ``classes=count`` where one is asked for;
            ``taps`` are asked for in calls alone.
        pretrained: Names of other people's trained networks that it looks through, if any. Metrics
            that look through one of them, too, flatter what was trained with it: ``evaluate`` says
            so.
    """

    name: str
    build: Callable[..., nn.Module]
    options: type[Options] = Options
    summary: str = ""
    takes: tuple[str, ...] = ()
    pretrained: tuple[str, ...] = ()


def common_multiple(spec: TensorSpec, network: nn.Module) -> tuple[int, ...]:
    """What each axis must divide by so that codec and network are both content."""
    needed = int(getattr(network, "multiple_of", 1))
    return tuple(math.lcm(needed, own) for own in spec.multiple_of or (1,) * spec.dims)
