"""Three domains, one generator that is told the target, a critic that names domains (StarGAN)."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import permutations

import torch
import torch.nn.functional as F
from objectives.toy import toy
from torch import Tensor, nn

from cyclekit import api


class Labels(api.Objective):
    name = "labels"
    summary = "Any domain to any other, by one generator"

    domains = ("low", "middle", "high")
    streams: Mapping[str, api.Stream] = {"any": api.Stream(domains, label="label")}
    directions = tuple(api.Direction(*ends, ("generator",)) for ends in permutations(domains, 2))
    phases = (
        api.Phase("discriminators", ("discriminator",), rate="discriminator"),
        api.Phase("generators", ("generator",), every=2),
    )
    differentiates_twice = True

    def networks(self, build: api.NetworkBuilder) -> dict[str, nn.Module]:
        spec, count = self.specs["low"], len(self.domains)
        return {
            "generator": build.generator(spec, spec, condition=count),
            "discriminator": build.discriminator(spec, classes=count),
        }

    def translate(self, networks: api.Networks, x: Tensor, direction: api.Direction,
                  code: Tensor | None = None) -> Tensor:  # fmt: skip
        label = torch.zeros(x.shape[0], len(self.domains), dtype=x.dtype, device=x.device)
        label[:, self.domains.index(direction.target)] = 1
        made: Tensor = networks["generator"](x, label)
        return made

    def terms(
        self, phase: str, networks: api.Networks, batch: api.Batch, step: api.Step
    ) -> Sequence[api.TermGroup]:
        x, label = batch["any"], batch["label"]
        generator, critic = networks["generator"], networks["discriminator"]
        # Each sample's own target, so that ranks draw what one process draws.
        turn = (step.uniform(x, "target") * len(self.domains)).long()
        target = F.one_hot(turn, len(self.domains)).to(label.dtype)
        loss = api.ADVERSARIAL_LOSSES["wgan-gp"]
        if phase == "discriminators":
            with torch.no_grad():
                fake = generator(x, target)
            calls: list[tuple[Tensor, Tensor]] = []

            def penalty() -> Tensor:
                return api.gradient_penalty(critic, x, fake, step.uniform(x, "penalty"))

            own = ("discriminator",)
            return [
                api.TermGroup([api.Term("penalty", 10.0, own, penalty)]),
                api.TermGroup(
                    [
                        api.Term("real", 1.0, own, lambda: loss.real(calls[0][0])),
                        api.Term("fake", 1.0, own, lambda: loss.fake(calls[1][0])),
                        api.Term("named", 1.0, own, lambda: named(calls[0][1], label)),
                    ],
                    share=lambda: calls.extend(api.call_batched(critic, x, fake)),
                ),
            ]
        made: list[Tensor] = []

        def fool() -> Tensor:
            logits, names = critic(made[0])
            return loss.generator(logits) + named(names, target)

        def cycle() -> Tensor:
            return api.l1(generator(made[0], label), x)

        everybody = ("generator", "discriminator")
        return [
            api.TermGroup(
                [
                    api.Term("fool", 1.0, everybody, fool),
                    api.Term("cycle", 10.0, ("generator",), cycle),
                ],
                share=lambda: made.append(generator(x, target)),
            ),
            api.TermGroup(
                [api.Term("same", 1.0, ("generator",), lambda: api.l1(generator(x, label), x))]
            ),
        ]


def named(logits: Tensor, label: Tensor) -> Tensor:
    """What it costs to name another domain."""
    return F.cross_entropy(logits, label.argmax(1))


@api.hookimpl
def cyclekit_modality() -> Iterator[api.Modality]:
    yield toy("labels", Labels)
