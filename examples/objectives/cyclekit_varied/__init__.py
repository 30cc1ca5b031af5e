"""An objective for any modality: one direction, unpaired, and a code that chooses among answers."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field
from torch import nn

from cyclekit import api

Weight = Annotated[float, Field(ge=0)]


class VariedOptions(api.Options):
    """The recipe's [objective] table."""

    adversarial: api.AdversarialOptions = api.AdversarialOptions()
    closeness: Weight = 2.0
    """Weight of staying close to the source: L1."""
    recovery: Weight = 1.0
    """Weight of finding the code again in what was made with it: L1. More: codes differ more."""
    size: Annotated[int, Field(ge=1, le=256)] = 8
    """Numbers in a code."""


class Varied(api.Objective):
    """``generator`` (told a code), ``encoder`` (finds it again) and ``discriminator``."""

    name = "varied"
    summary = "One direction, unpaired; a code chooses among many answers"
    Options = VariedOptions
    options: VariedOptions

    domains = ("a", "b")
    streams: Mapping[str, api.Stream] = {"a": api.Stream(("a",)), "b": api.Stream(("b",))}
    directions = (api.Direction("a", "b", ("generator",)),)
    phases = (
        api.Phase("discriminators", ("discriminator",), rate="discriminator"),
        api.Phase("generators", ("generator", "encoder")),
    )

    def networks(self, build):
        source, target, size = self.specs["a"], self.specs["b"], self.options.size
        if source.channels != target.channels and self.options.closeness:
            raise api.RecipeError(
                f"objective.closeness must be 0 here: it compares samples of both domains, but A "
                f"has {source.channels} channels and B has {target.channels}."
            )
        return {
            "generator": build.generator(source, target, condition=size),
            "discriminator": build.discriminator(target),
            "encoder": build.own("encoder", lambda: Encoder(target, size)),
        }

    @property
    def differentiates_twice(self):
        return self.options.adversarial.differentiates_twice

    def code(self, direction):
        return self.options.size

    def translate(self, networks, x, direction, code=None):
        return networks["generator"](x, code)

    def losses(self, phase, networks, batch, step):
        batch, options = self.without_gaps(batch, step), self.options
        adversarial, discriminator = options.adversarial, networks["discriminator"]
        loss = api.ADVERSARIAL_LOSSES[adversarial.loss]
        x, real = batch["a"], batch["b"]
        code = step.normal(x, "code", shape=(options.size,))
        fake = self.translate(networks, x, self.directions[0], code)
        api.require_shape(fake[:, :1], x[:, :1], "the generator")
        if phase == "discriminators":
            total = api.discriminator_loss(
                loss,
                discriminator,
                real,
                fake.detach(),
                share=lambda: step.uniform(x, "penalty"),
                penalty=adversarial.gradient_penalty,
            )
            return api.Losses(total, {"discriminator": total.detach()})
        fool = api.generator_loss(loss, discriminator, fake, lambda: real)
        recovery = api.l1(networks["encoder"](fake), code)
        total = adversarial.weight * fool + options.recovery * recovery
        terms = {"fool": fool.detach(), "recovery": recovery.detach()}
        if options.closeness:
            close = api.l1(fake, x, step.valid.get("a"))
            total, terms["close"] = total + options.closeness * close, close.detach()
        return api.Losses(total, terms)


class Encoder(nn.Module):
    """``(batch, channels, *sizes)`` to ``(batch, size)``: a code, whatever the sizes are."""

    def __init__(self, source, size, width=32):
        super().__init__()
        self.layers = nn.Sequential(
            api.conv(source.dims, source.channels, width, 3, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            api.conv(source.dims, width, 2 * width, 3, stride=2, padding=1),
            nn.LeakyReLU(0.2),
        )
        self.finish = nn.Linear(2 * width, size)
        api.initialize(self, method="kaiming")

    def forward(self, x):
        return self.finish(self.layers(x).flatten(2).mean(2))


@api.hookimpl
def cyclekit_objectives(modality):
    yield Varied
