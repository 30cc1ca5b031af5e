"""Augmented CycleGAN (arXiv 1802.10151): a code says what the other domain does not hold."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property, partial
from typing import Annotated, Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from cyclekit import api
from cyclekit.nets.codes import (
    CodeDiscriminator,
    CodeNorm,
    EncoderOptions,
    PairEncoder,
    side_by_side,
)
from cyclekit.objectives.cycle_options import SupervisedOptions, Weight

GENERATORS, DISCRIMINATORS = "generators", "discriminators"
A, B = "a", "b"
PAIRED = {A: "pair_a", B: "pair_b"}


class CycleTermOptions(api.Options):
    """There and back again, with the code that was found on the way."""

    weight: Weight = 1.0
    """Weight each way."""


class CodeOptions(api.Options):
    """What a sample has that its counterpart does not decide."""

    size: Annotated[int, Field(ge=1, le=2**12)] = 16
    """Numbers in a code, which are drawn from N(0, 1)."""
    weight: Weight = 0.025
    """How much it counts that a code is found again in what was made with it: L1."""
    adversarial: Weight = 1.0
    """How much it counts that codes which are found look like codes which are drawn."""
    norm: CodeNorm = "none"
    """Of the discriminator of codes: `none`, or `batch` as published, with which two ranks are
    no longer one with twice the batch."""
    width: Annotated[int, Field(ge=1, le=2**12)] = 64
    """Of that network's layers."""
    both: bool = False
    """Codes for A as well, as the paper has them; else for B alone, as its code does."""


class AugmentedOptions(api.DistanceOptions):
    """The terms and their weights."""

    adversarial: api.RegularizedAdversarialOptions = api.RegularizedAdversarialOptions()
    cycle: CycleTermOptions = CycleTermOptions()
    code: CodeOptions = CodeOptions()
    encoder: EncoderOptions = EncoderOptions()
    supervised: SupervisedOptions = SupervisedOptions()


@dataclass(frozen=True)
class Way:
    """A direction and the networks that have a part in it.

    Attributes:
        source: From where.
        target: To where.
    """

    source: str
    target: str

    @property
    def there(self) -> str:
        """The generator."""
        return f"generator_{self.source}2{self.target}"

    @property
    def back(self) -> str:
        """The other way's generator."""
        return f"generator_{self.target}2{self.source}"


WAYS = (Way(A, B), Way(B, A))


def encoder(domain: str) -> str:
    """Finds a domain's codes."""
    return f"encoder_{domain}"


def discriminator(domain: str) -> str:
    """Judges a domain's samples."""
    return f"discriminator_{domain}"


def code_discriminator(domain: str) -> str:
    """Judges a domain's codes."""
    return f"code_discriminator_{domain}"


class AugmentedObjective(api.Objective):
    """Two generators, of which the one to B is told a code; an encoder that finds B's codes.

    A sample of B is then one of A and a code, both ways. A step has two phases, as published: the
    discriminators of samples and of codes, then generators and encoders against what these have
    become. Codes are drawn once a step; each phase translates anew.
    """

    name = "augmented"
    summary = "Augmented CycleGAN: unpaired, both ways, a code chooses among many answers"
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
        return _call(networks[direction.networks[0]], x, code)

    def code_of(self, networks: api.Networks, example: Tensor, direction: api.Direction) -> Tensor:
        """The codes with which samples of the target would have been made: ``(batch, size)``."""
        there = {way.target: way for way in WAYS}[direction.target]
        # A way back that takes a code gets its mean.
        mean = example.new_zeros(example.shape[0], self.options.code.size)
        code = mean if direction.source in self.coded else None
        source = _call(networks[there.back], example, code)
        return _found(networks, direction.target, source, example)

    def terms(
        self, phase: str, networks: api.Networks, batch: api.Batch, step: api.Step
    ) -> Sequence[api.TermGroup]:
        """Way by way; in the generators' phase, pairs last."""
        batch = self.without_gaps(batch, step)
        trips = [Trip(self, way, networks, batch, step) for way in WAYS]
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
                made = _call(networks[way.there], x, code)
                api.require_shape(made, truth, f"{way.there}, supervised")
                valid, spec = step.valid.get(PAIRED[way.target]), self.specs[way.target]
                return api.distance(self.options.distance, made, truth, spec, valid)

            called = (way.there, *([encoder(way.target)] if way.target in self.coded else []))
            name, weight = f"supervised_{way.target}", self.options.supervised.weight
            yield api.TermGroup([api.Term(name, weight, called, distance)])


class Trip:
    """What becomes of one way's samples in one step, on which all of its terms look.

    Attributes:
        fake: The source's samples, translated with a code that was drawn; there once ``start`` or
            ``look`` was called.
    """

    fake: Tensor

    def __init__(
        self,
        objective: AugmentedObjective,
        way: Way,
        networks: api.Networks,
        batch: api.Batch,
        step: api.Step,
    ) -> None:
        self._objective, self._options, self._way = objective, objective.options, way
        self._networks, self._batch, self._step = networks, batch, step

    def start(self) -> None:
        """Call the generator."""
        way = self._way
        x = self._batch[way.source]
        made = _call(self._networks[way.there], x, self._drawn(way.target))
        api.require_shape(made[:, :1], x[:, :1], way.there)
        valid = self._step.valid.get(way.source)
        # Real samples have zeros in their gaps: fakes are shown with the same ones.
        self.fake = made if valid is None else made * valid.all(dim=1, keepdim=True)

    @torch.no_grad()
    def look(self) -> None:
        """The same for discriminators, with the code that is found in what was made."""
        self.start()
        if self._way.source in self._objective.coded:
            _ = self._code

    def learning(self) -> list[api.Term]:
        """What generators and encoders pay."""
        way, options, coded = self._way, self._options, self._objective.coded
        here = encoder(way.source)
        finding = (here,) if way.source in coded else ()
        terms = [
            api.Term(
                f"adversarial_{way.source}2{way.target}",
                options.adversarial.weight,
                (way.there, discriminator(way.target)),
                self._fool,
            ),
            api.Term(
                f"cycle_{way.source}",
                options.cycle.weight,
                (way.there, way.back, *finding),
                self._return,
            ),
        ]
        if way.source in coded:
            terms.append(
                api.Term(
                    f"found_{way.source}",
                    options.code.adversarial,
                    (way.there, here, code_discriminator(way.source)),
                    self._fool_codes,
                )
            )
        if way.target in coded:
            called = (way.there, encoder(way.target))
            terms.append(api.Term(f"code_{way.target}", options.code.weight, called, self._recover))
        return terms

    def judging(self) -> list[api.TermGroup]:
        """What the discriminators pay that look at this way's fakes and codes; those of samples
        pay for their gradients, too."""
        way, held = self._way, self._options.adversarial.regularization
        judge = discriminator(way.target)
        terms = [api.Term(judge, 1.0, (judge,), self._judge)]
        if way.source in self._objective.coded:
            codes = code_discriminator(way.source)
            terms.append(api.Term(codes, 1.0, (codes,), self._judge_codes))
        network, index = self._networks[judge], self._step.index
        penalties = api.penalty_groups(held, judge, network, self._seen, index)
        groups = [*penalties, api.TermGroup(terms)]
        look = cache(self.look)  # for the first group that is computed
        return [replace(group, share=look) for group in groups]

    def _drawn(self, domain: str) -> Tensor | None:
        """This step's code for each sample, where the domain has such."""
        if domain not in self._objective.coded:
            return None
        x = self._batch[self._way.source]
        return self._step.normal(x, "code", domain, shape=(self._options.code.size,))

    @cached_property
    def _code(self) -> Tensor:
        """The source's code that is found in what it was made into."""
        return self._find(self._way.source)

    def _find(self, domain: str) -> Tensor:
        x, fake = self._batch[self._way.source], self.fake
        a, b = (x, fake) if self._way.source == A else (fake, x)
        found: Tensor = self._networks[encoder(domain)](side_by_side(a, b))
        return found

    def _fool(self) -> Tensor:
        judge = self._networks[discriminator(self._way.target)]
        real = self._batch[self._way.target]
        return api.generator_loss(self._objective.loss, judge, self.fake, lambda: real)

    def _return(self) -> Tensor:
        """How far off the source comes back (equations 3 and 4)."""
        source = self._way.source
        code = self._code if source in self._objective.coded else None
        cycled = _call(self._networks[self._way.back], self.fake, code)
        x = self._batch[source]
        api.require_shape(cycled, x, f"the {source} -> {self._way.target} -> {source} cycle")
        spec, valid = self._objective.specs[source], self._step.valid.get(source)
        return api.distance(self._options.distance, cycled, x, spec, valid)

    def _fool_codes(self) -> Tensor:
        judge = self._networks[code_discriminator(self._way.source)]
        return api.generator_loss(self._objective.loss, judge, self._code, self._real_codes)

    def _recover(self) -> Tensor:
        drawn = self._drawn(self._way.target)
        assert drawn is not None
        return api.l1(self._find(self._way.target), drawn)

    def _seen(self) -> tuple[Tensor, Tensor]:
        """Real samples of the target, and fakes."""
        return self._batch[self._way.target], self.fake

    def _real_codes(self) -> Tensor:
        drawn = self._drawn(self._way.source)
        assert drawn is not None
        return drawn.to(self._code.dtype)

    def _judge(self) -> Tensor:
        return self._cost(discriminator(self._way.target), *self._seen())

    def _judge_codes(self) -> Tensor:
        return self._cost(code_discriminator(self._way.source), self._real_codes(), self._code)

    def _cost(self, judge: str, real: Tensor, fake: Tensor) -> Tensor:
        return api.discriminator_loss(
            self._objective.loss,
            self._networks[judge],
            real,
            fake,
            share=lambda: self._step.uniform(real, "penalty", judge),
            penalty=self._options.adversarial.gradient_penalty,
        )


def _call(network: nn.Module, x: Tensor, code: Tensor | None) -> Tensor:
    made: Tensor = network(x) if code is None else network(x, code)
    return made


def _found(networks: api.Networks, domain: str, source: Tensor, target: Tensor) -> Tensor:
    """The code of ``target`` beside its source."""
    a, b = (source, target) if domain == B else (target, source)
    found: Tensor = networks[encoder(domain)](side_by_side(a, b))
    return found
