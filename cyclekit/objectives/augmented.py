"""Augmented CycleGAN (arXiv 1802.10151): a code says what the other domain does not hold."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar

from torch import Tensor, nn

from cyclekit import api
from cyclekit.nets.codes import CodeDiscriminator, PairEncoder, side_by_side
from cyclekit.objectives.augmented_options import AugmentedOptions
from cyclekit.objectives.augmented_trips import (
    WAYS,
    A,
    B,
    Trip,
    Way,
    call,
    code_discriminator,
    discriminator,
    encoder,
    find,
)

GENERATORS, DISCRIMINATORS = "generators", "discriminators"
PAIRED = {A: "pair_a", B: "pair_b"}


class AugmentedObjective(api.Objective):
    """Two generators, of which the one to B is told a code; an encoder that finds B's codes.

    A sample of B is then one of A and a code, both ways. A step has two phases, as published: the
    discriminators of samples and of codes, then generators and encoders against what these have
    become. Codes are drawn once a step; each phase translates anew.
    """

    name = "augmented"
    summary = "Augmented CycleGAN: unpaired, both ways, a code chooses among many answers"
    replayable = True
    Options: ClassVar[type[api.Options]] = AugmentedOptions
    options: AugmentedOptions
    domains = (A, B)

    def __init__(
        self, options: Any, specs: Mapping[str, api.TensorSpec], seed: int = 0, rank: int = 0
    ) -> None:
        super().__init__(options, specs, seed, rank)
        self.loss = api.ADVERSARIAL_LOSSES[options.adversarial.loss]
        self.coded = (A, B) if options.code.both else (B,)

    @property
    def streams(self) -> Mapping[str, api.Stream]:
        """Batches of both domains, and of pairs where the supervised term is on."""
        streams = {domain: api.Stream((domain,)) for domain in self.domains}
        if self.options.supervised.weight:
            streams[PAIRED[A]] = api.Stream((A,))
            streams[PAIRED[B]] = api.Stream((B,), drawn_with=PAIRED[A])
        return streams

    @property
    def phases(self) -> Sequence[api.Phase]:
        """Discriminators, then all else."""
        judges = [discriminator(domain) for domain in self.domains]
        judges += [code_discriminator(domain) for domain in self.coded]
        learners = [way.there for way in WAYS] + [encoder(domain) for domain in self.coded]
        return (
            api.Phase(DISCRIMINATORS, tuple(judges), rate="discriminator"),
            api.Phase(GENERATORS, tuple(learners)),
        )

    @property
    def directions(self) -> Sequence[api.Direction]:
        """Both; with a code, the networks that find one in an example come along."""
        finding = {domain: (encoder(domain),) for domain in self.coded}
        return tuple(
            api.Direction(
                way.source,
                way.target,
                (way.there,),
                coding=(way.back, *finding[way.target]) if way.target in finding else (),
            )
            for way in WAYS
        )

    @property
    def undecided(self) -> Mapping[str, float]:
        """What is paid for samples; codes are no files."""
        return self.loss.undecided_of(map(discriminator, self.domains))

    @property
    def differentiates_twice(self) -> bool:
        """Whether discriminators pay for their gradients."""
        return self.options.adversarial.differentiates_twice

    def networks(self, build: api.NetworkBuilder) -> dict[str, nn.Module]:
        """Generators, encoders, and discriminators of samples and of codes."""
        code, options = self.options.code, self.options.encoder
        size = code.size
        a, b = self.specs[A], self.specs[B]
        made: dict[str, nn.Module] = {
            way.there: build.generator(
                self.specs[way.source],
                self.specs[way.target],
                condition=size if way.target in self.coded else 0,
            )
            for way in WAYS
        }
        for domain in self.coded:
            name = encoder(domain)
            made[name] = build.own(name, lambda: PairEncoder(a, b, size, options))
        for domain in self.domains:
            made[discriminator(domain)] = build.discriminator(self.specs[domain])
        for domain in self.coded:
            name = code_discriminator(domain)
            judge = partial(CodeDiscriminator, size, code.norm, code.width)
            made[name] = build.own(name, judge)
        return made

    def code(self, direction: api.Direction) -> int | None:
        """Numbers in the code of what is translated to."""
        return self.options.code.size if direction.target in self.coded else None

    def translate(
        self,
        networks: api.Networks,
        x: Tensor,
        direction: api.Direction,
        code: Tensor | None = None,
    ) -> Tensor:
        """Translate a batch, as after training."""
        return call(networks[direction.networks[0]], x, code)

    def code_of(self, networks: api.Networks, example: Tensor, direction: api.Direction) -> Tensor:
        """The codes with which samples of the target would have been made: ``(batch, size)``."""
        there = {way.target: way for way in WAYS}[direction.target]
        # A way back that takes a code gets its mean.
        mean = example.new_zeros(example.shape[0], self.options.code.size)
        code = mean if direction.source in self.coded else None
        source = call(networks[there.back], example, code)
        if self.options.rounding.cycle:
            source = api.rounded(source, self.specs[there.source])
        return find(networks, direction.target, direction.target, example, source)

    def terms(
        self, phase: str, networks: api.Networks, batch: api.Batch, step: api.Step
    ) -> Sequence[api.TermGroup]:
        """Way by way; in the generators' phase, pairs last."""
        batch, options = self.without_gaps(batch, step), self.options
        trips = [Trip(options, self.specs, self.coded, way, networks, batch, step) for way in WAYS]
        if phase == DISCRIMINATORS:
            return [group for trip in trips for group in trip.judging()]
        groups = [api.TermGroup(trip.learning(), trip.start) for trip in trips]
        return [*groups, *self._supervised(networks, batch, step)]

    def _supervised(
        self, networks: api.Networks, batch: api.Batch, step: api.Step
    ) -> Iterator[api.TermGroup]:
        """How far each way's translations of paired samples, with the code that is found in the
        pair, are from their counterparts."""
        for way in WAYS if self.options.supervised.weight else ():

            def distance(way: Way = way) -> Tensor:
                x, truth = batch[PAIRED[way.source]], batch[PAIRED[way.target]]
                code = None
                if way.target in self.coded:
                    code = networks[encoder(way.target)](
                        side_by_side(batch[PAIRED[A]], batch[PAIRED[B]])
                    )
                made = call(networks[way.there], x, code)
                api.require_shape(made, truth, f"{way.there}, supervised")
                valid, spec = step.valid.get(PAIRED[way.target]), self.specs[way.target]
                return api.distance(self.options.distance, made, truth, spec, valid)

            called = (way.there, *([encoder(way.target)] if way.target in self.coded else []))
            name, weight = f"supervised_{way.target}", self.options.supervised.weight
            yield api.TermGroup([api.Term(name, weight, called, distance)])
