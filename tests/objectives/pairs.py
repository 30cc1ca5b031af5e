"""Pairs, a discriminator that sees both halves, and a latent code (as pix2pix with noise)."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

import torch
from objectives.toy import toy
from torch import Tensor, nn

from cyclekit import api

CODE = 3


class Pairs(api.Objective):
    name = "pairs"
    summary = "Paired training files and a latent code"

    domains = ("sketch", "photo")
    streams: Mapping[str, api.Stream] = {
        "sketch": api.Stream(("sketch",)),
        "photo": api.Stream(("photo",), drawn_with="sketch"),
    }
    directions = (api.Direction("sketch", "photo", ("generator",)),)
    phases = (
        api.Phase("discriminators", ("discriminator",), rate="discriminator"),
        api.Phase("generators", ("generator",)),
    )

    def networks(self, build: api.NetworkBuilder) -> dict[str, nn.Module]:
        source, target = self.specs["sketch"], self.specs["photo"]
        both = replace(source, channels=source.channels + target.channels)
        return {
            "generator": build.generator(source, target, condition=CODE),
            "discriminator": build.discriminator(both),
        }

    def code(self, direction: api.Direction) -> int:
        return CODE

    def translate(self, networks: api.Networks, x: Tensor, direction: api.Direction,
                  code: Tensor | None = None) -> Tensor:  # fmt: skip
        made: Tensor = networks["generator"](x, code)
        return made

    def losses(
        self, phase: str, networks: api.Networks, batch: api.Batch, step: api.Step
    ) -> api.Losses:
        loss, discriminator = api.ADVERSARIAL_LOSSES["vanilla"], networks["discriminator"]
        x, y = batch["sketch"], batch["photo"]
        code = step.normal(x, "code", shape=(CODE,))
        fake = self.translate(networks, x, self.directions[0], code)
        if phase == "discriminators":
            shown = [torch.cat([x, other], dim=1) for other in (y, fake.detach())]
            on_real, on_fake = api.call_batched(discriminator, *shown)
            cost = (loss.real(on_real) + loss.fake(on_fake)) / 2
            return api.Losses(cost, {"discriminator": cost.detach()})
        fool, near = loss.generator(discriminator(torch.cat([x, fake], dim=1))), api.l1(fake, y)
        return api.Losses(fool + 100 * near, {"adversarial": fool.detach(), "l1": near.detach()})


@api.hookimpl
def cyclekit_modality() -> Iterator[api.Modality]:
    yield toy("pairs", Pairs)
