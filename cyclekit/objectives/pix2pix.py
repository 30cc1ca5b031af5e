"""The pix2pix objective (arXiv 1611.07004): pairs, and a discriminator that sees both halves."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import ClassVar

import torch
from torch import Tensor, nn

from cyclekit import api
from cyclekit.objectives.cycle_options import Weight
from cyclekit.objectives.one_way import DISCRIMINATORS, OneWayObjective, OneWayOptions


class ConditionalAdversarialOptions(api.RegularizedAdversarialOptions):
    """Fooling a discriminator that sees the source, too."""

    loss: api.AdversarialName = "vanilla"
    """`vanilla` (as published), `lsgan`, `hinge`, `wgan-gp` or `relativistic`."""


class L1Options(api.Options):
    """A fake equals its source's counterpart: L1."""

    weight: Weight = 100.0
    """Weight in the generator's loss."""


class Pix2PixOptions(OneWayOptions):
    """The terms and their weights."""

    adversarial: ConditionalAdversarialOptions = ConditionalAdversarialOptions()
    l1: L1Options = L1Options()


class Pix2PixObjective(OneWayObjective):
    """One generator, trained on pairs; a discriminator of source and target side by side.

    Training files of equal names are pairs, which share one crop and one flip.
    """

    name = "pix2pix"
    summary = "pix2pix: pairs, one direction"
    replayable = True
    Options: ClassVar[type[api.Options]] = Pix2PixOptions
    options: Pix2PixOptions
    streams: Mapping[str, api.Stream] = {
        "a": api.Stream(("a",)),
        "b": api.Stream(("b",), drawn_with="a"),
    }

    def networks(self, build: api.NetworkBuilder) -> dict[str, nn.Module]:
        """A generator, and a discriminator of as many channels as both domains have."""
        source, target = self.specs[self.source], self.specs[self.target]
        if source.dims != target.dims:
            raise api.RecipeError(
                f"objective 'pix2pix' lays both domains' samples side by side, but one has "
                f"{source.dims} axes and the other {target.dims}."
            )
        both = replace(target, channels=source.channels + target.channels)
        return {
            self.generator: build.generator(source, target),
            self.discriminator: build.discriminator(both),
        }

    def terms(
        self, phase: str, networks: api.Networks, batch: api.Batch, step: api.Step
    ) -> Sequence[api.TermGroup]:
        """The discriminator's term, or the generator's two, which share a fake."""
        batch = self.without_gaps(batch, step)
        source, target = batch[self.source], batch[self.target]
        discriminator, valid = networks[self.discriminator], step.valid.get(self.target)
        made: dict[str, Tensor] = {}

        def translate() -> None:
            with torch.set_grad_enabled(torch.is_grad_enabled() and phase != DISCRIMINATORS):
                made["fake"] = networks[self.generator](source)
            api.require_shape(made["fake"], target, self.generator)

        def shown(sample: Tensor) -> Tensor:
            # Real ones have zeros in their gaps: fakes are shown with the same ones.
            sample = sample if valid is None else sample * valid.all(dim=1, keepdim=True)
            return torch.cat([source, sample], dim=1)

        def seen() -> tuple[Tensor, Tensor]:
            return shown(target), shown(self.as_written(made["fake"]))

        def fooled() -> Tensor:
            fake = shown(self.as_written(made["fake"]))
            return self.adversarial_loss(discriminator, fake, lambda: shown(target))

        def distance() -> Tensor:
            return api.l1(made["fake"], target, valid)

        if phase == DISCRIMINATORS:
            return self.discriminator_groups(discriminator, seen, step, translate)
        adversarial, options = f"adversarial_{self.options.direction}", self.options
        called = (self.generator, self.discriminator)
        terms = [
            api.Term(f"l1_{self.target}", options.l1.weight, (self.generator,), distance),
            api.Term(adversarial, options.adversarial.weight, called, fooled),
        ]
        return [api.TermGroup(terms, translate)]
