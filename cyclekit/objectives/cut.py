"""The CUT objective (arXiv 2007.15651): one direction, unpaired, held to the source by contrast."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from cyclekit import api
from cyclekit.objectives.cycle_options import Weight
from cyclekit.objectives.one_way import DISCRIMINATORS, OneWayObjective, OneWayOptions

PROJECTOR = "projector"
GAIN = 0.02  # of Xavier's first weights, as published
TINY = 1e-7  # beside norms
OFF_ZERO = 1e-5  # digital silence would be projected onto 0, where a direction has no gradient

Depth = Annotated[float, Field(ge=0, le=1)]


class NCEOptions(api.Options):
    """A place of the fake looks like that place of the source, and unlike its other places, to the
    generator's own first half (PatchNCE)."""

    weight: Weight = 1.0
    """Weight in the generator's loss; FastCUT's is 10."""
    identity: bool = True
    """Take the same term of the target's own samples, too, and the mean of both; FastCUT does
    not."""
    depths: Annotated[tuple[Depth, ...], Field(min_length=1)] = (0.0, 0.14, 0.28, 0.41, 0.55)
    """Where in the generator features are compared, as shares of its layers; 0 is its input. These
    are the published layers of the recipe `cut`'s generator."""
    positions: Annotated[int, Field(ge=2, le=2**16)] = 256
    """Places that are compared, at most, of each sample at each depth."""
    width: Annotated[int, Field(ge=1, le=2**12)] = 256
    """Numbers that a place's features are projected to."""
    temperature: Annotated[float, Field(gt=0)] = 0.07
    """What likenesses are divided by: the less, the more the likeliest of the wrong places count.
    """


class CUTOptions(OneWayOptions):
    """The terms and their weights."""

    nce: NCEOptions = NCEOptions()
    flip: bool = False
    """Mirror half of the inputs along their last axis, and expect the mirrored output (flip
    equivariance); FastCUT does."""


class CUTObjective(OneWayObjective):
    """A generator, a discriminator, and ``projector``, a head for each depth.

    The published code draws places anew for each depth and each term, one set for a whole batch;
    here each sample has its own, so that ranks do not change them.
    """

    name = "cut"
    summary = "CUT and FastCUT: unpaired, one direction, contrast in place of a way back"
    replayable = True
    Options: ClassVar[type[api.Options]] = CUTOptions
    options: CUTOptions
    streams: Mapping[str, api.Stream] = {"a": api.Stream(("a",)), "b": api.Stream(("b",))}

    def __init__(
        self, options: Any, specs: Mapping[str, api.TensorSpec], seed: int = 0, rank: int = 0
    ) -> None:
        super().__init__(options, specs, seed, rank)
        a, b = self.specs.values()
        if (a.channels, a.dims) != (b.channels, b.dims):
            raise api.RecipeError(
                f"objective 'cut' shows fakes to the generator that made them, so that both "
                f"domains need samples of one kind, but A has {a.channels} channels and {a.dims} "
                f"axes, B has {b.channels} and {b.dims}."
            )

    @property
    def trained_with_generator(self) -> tuple[str, ...]:
        """The generator and the heads."""
        return self.generator, PROJECTOR

    def networks(self, build: api.NetworkBuilder) -> dict[str, nn.Module]:
        """The heads' widths are known before any sample is."""
        source, target, nce = self.specs[self.source], self.specs[self.target], self.options.nce
        generator = build.generator(source, target, taps=True)
        widths = api.tap_widths(generator, source, nce.depths)
        return {
            self.generator: generator,
            PROJECTOR: build.own(PROJECTOR, lambda: Projector(widths, nce.width)),
            self.discriminator: build.discriminator(target),
        }

    def terms(
        self, phase: str, networks: api.Networks, batch: api.Batch, step: api.Step
    ) -> Sequence[api.TermGroup]:
        """The discriminator's term; or the generator's, the target's own samples in a group of
        their own."""
        batch = self.without_gaps(batch, step)
        sent = Sent(self, networks, batch, self.source, step)
        if phase == DISCRIMINATORS:
            return self.discriminator_groups(
                networks[self.discriminator],
                lambda: (batch[self.target], self.as_written(sent.fake)),
                step,
                lambda: sent.start(differentiable=False),
            )
        options, trained = self.options, self.trained_with_generator
        weight = options.nce.weight / 2 if options.nce.identity else options.nce.weight
        called = (self.generator, self.discriminator)
        terms = [
            api.Term(
                f"adversarial_{options.direction}", options.adversarial.weight, called, sent.fool
            ),
            api.Term(f"nce_{self.source}", weight, trained, sent.contrast),
        ]
        groups = [api.TermGroup(terms, sent.start)]
        if options.nce.identity:
            kept = Sent(self, networks, batch, self.target, step)
            term = api.Term(f"nce_{self.target}", weight, trained, kept.contrast)
            groups.append(api.TermGroup([term], kept.start))
        return groups


class Sent:
    """What becomes of samples that are sent through the generator in one step.

    Attributes:
        fake: What they became, mirrored where they were; there once ``start`` was called.
    """

    fake: Tensor

    def __init__(
        self,
        objective: CUTObjective,
        networks: api.Networks,
        batch: api.Batch,
        domain: str,
        step: api.Step,
    ) -> None:
        self._objective, self._networks, self._step = objective, networks, step
        self._batch, self._x, self._domain = batch, batch[domain], domain
        self._mirrored: Tensor | None = None

    def start(self, differentiable: bool = True) -> None:
        """Call the generator; the source's samples are mirrored where the step says so."""
        objective, step, x = self._objective, self._step, self._x
        if objective.options.flip and self._domain == objective.source:
            self._mirrored = step.uniform(x, "flip") < 0.5
        with torch.set_grad_enabled(torch.is_grad_enabled() and differentiable):
            made = self._networks[objective.generator](self._turned(x))
        api.require_shape(made, x, objective.generator)
        valid = step.valid.get(self._domain)
        if valid is not None:
            # Real samples have zeros in their gaps: fakes are shown with the same ones.
            made = made * self._turned(valid.all(dim=1, keepdim=True))
        self.fake = made

    def fool(self) -> Tensor:
        """What it costs that the discriminator is not taken in."""
        objective, real = self._objective, self._batch[self._objective.target]
        judge = self._networks[objective.discriminator]
        return objective.adversarial_loss(judge, objective.as_written(self.fake), lambda: real)

    def contrast(self) -> Tensor:
        """PatchNCE (equation 4) between what was sent and what came out, the mean of depths."""
        generator, depths = self._networks[self._objective.generator], self._nce.depths
        found = [self._turned(feature) for feature in generator(self.fake, taps=depths)]
        with torch.no_grad():
            meant = generator(self._x, taps=depths)
            places = [self._places(*at) for at in enumerate(meant)]
            keys = self._projected(meant, places)
        losses = [
            patch_nce(query, key, self._nce.temperature)
            for query, key in zip(self._projected(found, places), keys, strict=True)
        ]
        return torch.stack(losses).mean()

    @property
    def _nce(self) -> NCEOptions:
        return self._objective.options.nce

    def _places(self, number: int, feature: Tensor) -> Tensor:
        """``(batch, places)``: which of a map's places are compared, none twice."""
        size = feature[0, 0].numel()
        drawn = self._step.uniforms(feature, size, "places", self._domain, str(number))
        return drawn.topk(min(self._nce.positions, size)).indices

    def _projected(self, features: Sequence[Tensor], places: Sequence[Tensor]) -> list[Tensor]:
        chosen = [
            feature.flatten(2).gather(2, at[:, None].expand(-1, feature.shape[1], -1))
            for feature, at in zip(features, places, strict=True)
        ]
        projected: list[Tensor] = self._networks[PROJECTOR](
            [feature.transpose(1, 2) for feature in chosen]
        )
        return projected

    def _turned(self, x: Tensor) -> Tensor:
        """Samples or maps, those that are mirrored turned the other way."""
        if self._mirrored is None:
            return x
        return torch.where(self._mirrored.view(-1, *(1,) * (x.dim() - 1)), x.flip(-1), x)


class Projector(nn.Module):
    """Two layers for each depth, onto the unit sphere.

    Args:
        channels: Of the features at each depth.
        width: Numbers that come out.
    """

    def __init__(self, channels: Sequence[int], width: int) -> None:
        super().__init__()
        self.heads = nn.ModuleList(
            nn.Sequential(nn.Linear(count, width), nn.ReLU(), nn.Linear(width, width))
            for count in channels
        )
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_normal_(module.weight, gain=GAIN)
                nn.init.normal_(module.bias, std=OFF_ZERO)

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        """``(batch, places, channels)`` of each depth to as many unit vectors of ``width``."""
        made = [head(x) for head, x in zip(self.heads, features, strict=True)]
        return [_unit(api.upcast(x)) for x in made]


def _unit(x: Tensor) -> Tensor:
    scaled: Tensor = x / (x.norm(dim=-1, keepdim=True) + TINY)
    return scaled


def patch_nce(queries: Tensor, keys: Tensor, temperature: float) -> Tensor:
    """Cross-entropy of finding a query's own place among all places of the same sample.

    Args:
        queries: ``(batch, places, width)``, of length 1 each.
        keys: The same shape.
        temperature: What likenesses are divided by.

    Returns:
        Scalar, the mean over places and samples.
    """
    likeness = torch.bmm(api.upcast(queries), api.upcast(keys).transpose(1, 2)) / temperature
    own = torch.arange(likeness.shape[1], device=likeness.device).expand(likeness.shape[:2])
    return F.cross_entropy(likeness.flatten(0, 1), own.flatten())
