"""One direction that calls two networks, and a term on inner features of the first (as CUT's)."""

from collections.abc import Iterator, Mapping

import torch
from objectives.toy import toy
from torch import Tensor, nn

from cyclekit import api

TAPS = (0.0, 0.4)


class OneWayOptions(api.Options):
    history_size: int = 4
    """Stored fakes."""


class OneWay(api.Objective):
    name = "one-way"
    summary = "One direction, two networks, a look inside"
    Options = OneWayOptions
    options: OneWayOptions

    domains = ("rough", "smooth")
    streams: Mapping[str, api.Stream] = {
        "rough": api.Stream(("rough",)),
        "smooth": api.Stream(("smooth",)),
    }
    directions = (api.Direction("rough", "smooth", ("generator", "polish")),)
    phases = (
        api.Phase("discriminators", ("discriminator",), rate="discriminator"),
        api.Phase("generators", ("generator", "polish", "projector")),
    )

    def __init__(self, options: OneWayOptions, specs: Mapping[str, api.TensorSpec],
                 seed: int = 0, rank: int = 0) -> None:  # fmt: skip
        super().__init__(options, specs, seed, rank)
        self.history = {"fakes": api.HistoryBuffer(options.history_size, seed, rank)}

    def networks(self, build: api.NetworkBuilder) -> dict[str, nn.Module]:
        source, target = self.specs["rough"], self.specs["smooth"]
        generator = build.generator(source, target, taps=True)
        widths = api.tap_widths(generator, source, TAPS)
        return {
            "generator": generator,
            "polish": build.own("polish", lambda: nn.Conv1d(1, 1, 3, padding=1)),
            "projector": build.own(
                "projector", lambda: Projector([nn.Conv1d(width, 2, 1) for width in widths])
            ),
            "discriminator": build.discriminator(target),
        }

    def translate(self, networks: api.Networks, x: Tensor, direction: api.Direction,
                  code: Tensor | None = None) -> Tensor:  # fmt: skip
        made: Tensor = networks["polish"](networks["generator"](x))
        return made

    def losses(
        self, phase: str, networks: api.Networks, batch: api.Batch, step: api.Step
    ) -> api.Losses:
        loss, discriminator = api.ADVERSARIAL_LOSSES["lsgan"], networks["discriminator"]
        x, (way,) = batch["rough"], self.directions
        if phase == "discriminators":
            with torch.no_grad():
                fake = self.history["fakes"].query(self.translate(networks, x, way))
            on_real, on_fake = api.call_batched(discriminator, batch["smooth"], fake)
            cost = (loss.real(on_real) + loss.fake(on_fake)) / 2
            return api.Losses(cost, {"discriminator": cost.detach()})
        fake = self.translate(networks, x, way)
        fool = loss.generator(discriminator(fake))
        # Inner features are looked at last, so that DDP sees a call that leaves layers out.
        inside = networks["projector"](*networks["generator"](fake, taps=TAPS))
        meant = networks["projector"](*(f.detach() for f in networks["generator"](x, taps=TAPS)))
        alike = api.l1(inside, meant)
        terms = {"adversarial": fool.detach(), "alike": alike.detach()}
        return api.Losses(fool + alike, terms)


class Projector(nn.Module):
    """One convolution for each depth, their means side by side."""

    def __init__(self, heads: list[nn.Module]) -> None:
        super().__init__()
        self.heads = nn.ModuleList(heads)

    def forward(self, *features: Tensor) -> Tensor:
        """``(batch, ...)`` in, ``(batch, heads * 2)`` out."""
        pairs = zip(self.heads, features, strict=True)
        return torch.cat([head(feature).mean(2) for head, feature in pairs], dim=1)


@api.hookimpl
def cyclekit_modality() -> Iterator[api.Modality]:
    yield toy("one_way", OneWay)
