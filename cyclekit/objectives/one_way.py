"""What objectives of one direction share: a generator, and a discriminator that goes first."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any, Literal

from torch import Tensor, nn

from cyclekit import api

GENERATORS, DISCRIMINATORS = "generators", "discriminators"


class OneWayOptions(api.Options):
    """Which way, and what fooling the discriminator is worth."""

    direction: Literal["a2b", "b2a"] = "a2b"
    """Which of the two domains is translated into the other."""
    adversarial: api.RegularizedAdversarialOptions = api.RegularizedAdversarialOptions()
    rounding: bool = False
    """Show the discriminator fakes as files will hold them, for data of two values such as piano
    rolls: rounded to the nearer end of the range, with the gradient of what was rounded. Else it
    tells them by their in-between values."""


class OneWayObjective(api.Objective):
    """``generator_a2b`` and ``discriminator_b``, or the other way round.

    A step has two phases: the discriminator on real samples and on fakes of this step, then the
    generator against the discriminator that this left. Frozen networks keep nothing that could be
    differentiated later, so that each phase translates anew.
    """

    options: OneWayOptions
    domains = ("a", "b")

    def __init__(
        self, options: Any, specs: Mapping[str, api.TensorSpec], seed: int = 0, rank: int = 0
    ) -> None:
        super().__init__(options, specs, seed, rank)
        self.loss = api.ADVERSARIAL_LOSSES[options.adversarial.loss]

    @property
    def source(self) -> str:
        """The domain that is translated."""
        return self.options.direction[0]

    @property
    def target(self) -> str:
        """The domain that it is translated to."""
        return self.options.direction[-1]

    @property
    def generator(self) -> str:
        """Name of the network that translates."""
        return f"generator_{self.options.direction}"

    @property
    def discriminator(self) -> str:
        """Name of the discriminator."""
        return f"discriminator_{self.target}"

    @property
    def directions(self) -> Sequence[api.Direction]:
        """The only one."""
        return (api.Direction(self.source, self.target, (self.generator,)),)

    @property
    def phases(self) -> Sequence[api.Phase]:
        """The discriminator, then all else."""
        return (
            api.Phase(DISCRIMINATORS, (self.discriminator,), rate="discriminator"),
            api.Phase(GENERATORS, self.trained_with_generator),
        )

    @property
    def trained_with_generator(self) -> tuple[str, ...]:
        """The networks of the generators' phase."""
        return (self.generator,)

    @property
    def undecided(self) -> Mapping[str, float]:
        """The discriminator's loss."""
        return self.loss.undecided_of([self.discriminator])

    @property
    def differentiates_twice(self) -> bool:
        """Whether the discriminator pays for its gradient."""
        return self.options.adversarial.differentiates_twice

    def translate(
        self,
        networks: api.Networks,
        x: Tensor,
        direction: api.Direction,
        code: Tensor | None = None,
    ) -> Tensor:
        """Translate a batch, as after training."""
        made: Tensor = networks[self.generator](x)
        return made

    def as_written(self, fake: Tensor) -> Tensor:
        """A fake as the discriminator sees it."""
        return api.rounded(fake, self.specs[self.target]) if self.options.rounding else fake

    def discriminator_groups(
        self,
        network: nn.Module,
        seen: Callable[[], tuple[Tensor, Tensor]],
        step: api.Step,
        share: Callable[[], None],
    ) -> Sequence[api.TermGroup]:
        """Penalties on the discriminator's gradient, then half of what real samples and fakes cost.

        Args:
            network: The discriminator.
            seen: The real samples and the fakes that it is shown, once ``share`` was called.
            step: Source of chance.
            share: Translates.
        """
        name, options = self.discriminator, self.options.adversarial

        def cost() -> Tensor:
            real, fake = seen()
            return api.discriminator_loss(
                self.loss,
                network,
                real,
                fake,
                share=lambda: step.uniform(real, "penalty", name),
                penalty=options.gradient_penalty,
            )

        made = cache(share)  # for the first group that is computed
        terms = [api.TermGroup([api.Term(name, 1.0, (name,), cost)])]
        penalties = api.penalty_groups(options.regularization, name, network, seen, step.index)
        return [replace(group, share=made) for group in (*penalties, *terms)]

    def adversarial_loss(
        self, network: nn.Module, shown: Tensor, real: Callable[[], Tensor]
    ) -> Tensor:
        """What it costs the generator that the discriminator is not taken in."""
        return api.generator_loss(self.loss, network, shown, real)
