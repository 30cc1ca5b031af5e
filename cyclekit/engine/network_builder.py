"""Who builds the networks that an objective asks for."""

from collections.abc import Callable, Mapping
from typing import Protocol, TypeVar

from torch import nn

from cyclekit.contract.tensors import TensorSpec

Networks = Mapping[str, nn.Module]
Own = TypeVar("Own", bound=nn.Module)


class NetworkBuilder(Protocol):
    """Builds networks, each with first weights from a seed of its own."""

    def generator(
        self,
        source: TensorSpec,
        target: TensorSpec,
        *,
        condition: int = 0,
        taps: bool = False,
        planes: bool = False,
    ) -> nn.Module:
        """A network of the architecture that ``[generator]`` names.

        Args:
            source: What goes in.
            target: What comes out.
            condition: How many numbers it is told besides, such as a label or a latent code: it is
                then called as ``network(x, condition)``, with ``(batch, condition)`` floats. Every
                architecture can be: one that has no way of its own for it sees each number as a
                constant plane, a further channel of its input.
            taps: Whether inner features are wanted: ``network(x, taps=depths)`` then returns a list
                of ``(batch, channels, *sizes)``, one for each of the ``depths``, and computes no
                more than that. A depth is a share of its layers, in 0..1: at 0 there is the input.
                A condition goes before ``taps``.
            planes: Show a condition as planes even to an architecture that has another way.

        Raises:
            RecipeError: If the architecture has no such thing; says which have. If planes would
                have no effect on what it makes.
        """

    def discriminator(self, source: TensorSpec, *, classes: int = 0, logits: int = 1) -> nn.Module:
        """A network of the architecture that ``[discriminator]`` names.

        Args:
            source: What it judges.
            classes: How many further logits for the whole sample are wanted: it then returns
                ``(logits, (batch, classes))`` in place of logits alone.
            logits: How many are wanted for each patch, such as one for each domain:
                ``(batch, logits, *fewer)``.

        Raises:
            RecipeError: If the architecture has no such thing; says which have.
        """

    def own(self, name: str, make: Callable[[], Own]) -> Own:
        """A module of the objective's own, such as a projection head or an encoder.

        Args:
            name: Its name among the networks: its first weights follow from that and the seed.
            make: Makes it.
        """
