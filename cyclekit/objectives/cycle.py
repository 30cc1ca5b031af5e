"""The CycleGAN objective (arXiv 1703.10593) with the terms that later papers added."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache, cached_property, partial
from typing import ClassVar, Literal

from torch import Tensor, nn

from cyclekit.contract.declarations import Direction, Phase, Stream
from cyclekit.contract.options import Options
from cyclekit.contract.tensors import TensorSpec
from cyclekit.engine.adversarial import discriminator_loss, generator_loss
from cyclekit.engine.augmentation import augmented
from cyclekit.engine.distances import distance
from cyclekit.engine.functional import call_batched, require_shape, rounded
from cyclekit.engine.history import HistoryBuffer
from cyclekit.engine.losses import ADVERSARIAL_LOSSES
from cyclekit.engine.network_builder import NetworkBuilder, Networks
from cyclekit.engine.objective import Objective
from cyclekit.engine.penalties import penalty_groups
from cyclekit.engine.step import Batch, Step
from cyclekit.engine.terms import Term, TermGroup
from cyclekit.errors import RecipeError
from cyclekit.names import EXTRA
from cyclekit.objectives.cycle_networks import (
    FIRST,
    MIXED,
    OF_MIXED,
    PAIRED,
    SECOND,
    WAYS,
    A,
    B,
    DiscriminatorRole,
    Way,
)
from cyclekit.objectives.cycle_options import CycleOptions

GENERATORS, DISCRIMINATORS = "generators", "discriminators"


class CycleObjective(Objective):
    """Two generators and their discriminators.

    Networks: ``generator_a2b``, ``generator_b2a``; ``discriminator_a`` sees domain A, whoever
    made the sample. ``second_discriminator_*`` and ``mixed_discriminator_*`` exist when their terms
    do.

    A step has two phases, in the paper's order: the generators (discriminators frozen), then the
    discriminators on real samples and on the history buffer. A subclass adds terms of its own in
    ``generator_terms`` and changes what generators see in ``prepare``.
    """

    name = "cycle"
    summary = "CycleGAN: two domains, unpaired, there and back again"
    replayable = True
    Options: ClassVar[type[Options]] = CycleOptions
    options: CycleOptions

    domains = (A, B)
    directions = tuple(way.direction for way in WAYS)

    def __init__(
        self,
        options: CycleOptions,
        specs: Mapping[str, TensorSpec],
        seed: int = 0,
        rank: int = 0,
    ) -> None:
        super().__init__(options, specs, seed, rank)
        self._refuse_unequal_specs()
        self.loss = ADVERSARIAL_LOSSES[options.adversarial.loss]
        self.discriminators = (
            *FIRST,
            *(SECOND if options.second_adversarial.weight else ()),
            *(OF_MIXED if options.mixed_domain.weight else ()),
        )
        self.history = {
            role.name: HistoryBuffer(options.history_size, seed, rank, role.family, role.domain)
            for role in self.discriminators
            if role.fakes_of == role.name
        }

    @property
    def streams(self) -> Mapping[str, Stream]:
        """Batches of both domains, of pairs where the supervised term is on, and of everything
        together where the mixed term is."""
        streams = {domain: Stream((domain,)) for domain in self.domains}
        if self.options.supervised.weight:
            streams[PAIRED[A]] = Stream((A,))
            streams[PAIRED[B]] = Stream((B,), drawn_with=PAIRED[A])
        if self.options.mixed_domain.weight:
            streams[MIXED] = Stream((*self.domains, EXTRA))
        return streams

    @property
    def phases(self) -> Sequence[Phase]:
        """Generators, then discriminators."""
        names = tuple(role.name for role in self.discriminators)
        return (
            Phase(GENERATORS, tuple(way.there for way in WAYS)),
            Phase(DISCRIMINATORS, names, rate="discriminator"),
        )

    @property
    def undecided(self) -> Mapping[str, float]:
        """Every discriminator's loss."""
        return self.loss.undecided_of(role.name for role in self.discriminators)

    @property
    def differentiates_twice(self) -> bool:
        """Whether discriminators pay for their gradients."""
        return self.options.adversarial.differentiates_twice

    def networks(self, build: NetworkBuilder) -> dict[str, nn.Module]:
        """Generators for both directions and every discriminator that a term needs."""
        made = {
            way.there: build.generator(
                self.input_spec(self.specs[way.direction.source]),
                self.specs[way.direction.target],
            )
            for way in WAYS
        }
        made |= {
            role.name: build.discriminator(self.specs[role.domain]) for role in self.discriminators
        }
        return made

    def input_spec(self, spec: TensorSpec) -> TensorSpec:
        """What generators see of a domain; override it together with ``prepare``."""
        return spec

    def prepare(self, x: Tensor, domain: str, purpose: str, step: Step | None) -> Tensor:
        """Turn samples into a generator's input; variants may mask them and add channels.

        Args:
            x: ``(batch, channels, *sizes)`` of ``domain``.
            domain: Where the samples belong.
            purpose: ``"translate"`` (a real sample, on its way out), ``"cycle"`` (a fake, on its
                way back), ``"identity"`` or ``"supervised"`` (a real one that has a counterpart).
            step: Source of randomness; ``None`` outside training.
        """
        return x

    def translate(
        self, networks: Networks, x: Tensor, direction: Direction, code: Tensor | None = None
    ) -> Tensor:
        """Translate a batch, as after training."""
        (generator,) = direction.networks
        out: Tensor = networks[generator](self.prepare(x, direction.source, "translate", None))
        return out

    def terms(
        self, phase: str, networks: Networks, batch: Batch, step: Step
    ) -> Sequence[TermGroup]:
        """Way by way, then discriminator by discriminator."""
        batch = self.without_gaps(batch, step)
        if phase == GENERATORS:
            trips = [Trip(self, way, networks, batch, step) for way in WAYS]
            groups = [TermGroup(self.generator_terms(trip), trip.start) for trip in trips]
            return [*groups, *self._supervised(networks, batch, step)]
        shown: dict[str, Tensor] = {}
        return [
            group
            for role in self.discriminators
            for group in self._discriminator_groups(role, shown, networks[role.name], batch, step)
        ]

    def generator_terms(self, trip: "Trip") -> list[Term]:
        """The generators' terms of one way; leaves fakes for their discriminators in
        ``step.carried``."""
        way, options, step = trip.way, self.options, trip.step
        source, target = way.direction.ends
        there = (way.there,)
        both = (way.there, way.back)
        terms = [Term(f"cycle_{source}", options.cycle.weight_from(source), both, trip.cycle)]
        if self.has_identity(step):
            identity = options.identity.weight
            terms.append(Term(f"identity_{target}", identity, there, trip.identity))
        if kept := options.self_regularization.weight:
            terms.append(
                Term(f"self_regularization_{source}", kept, there, trip.self_regularization)
            )
        adversarial = f"adversarial_{way.direction.name}"
        fooled = partial(self._fool, way.first, trip, "fake")
        weight = options.adversarial.weight
        terms.append(Term(adversarial, weight, (*there, way.first.name), fooled))
        if second := options.second_adversarial.weight:
            fooled = partial(self._fool, way.second, trip, "cycled")
            called_too = (*both, way.second.name)
            terms.append(Term(f"second_adversarial_{source}", second, called_too, fooled))
        if mixed := options.mixed_domain.weight * options.mixed_domain.generator_weight:
            fooled = partial(self._fool, way.mixed, trip, "fake")
            terms.append(Term(f"mixed_{adversarial}", mixed, (*there, way.mixed.name), fooled))
        return terms

    def _supervised(self, networks: Networks, batch: Batch, step: Step) -> Iterator[TermGroup]:
        """How far each way's translations of paired samples are from their counterparts."""
        weight = self.options.supervised.weight
        for way in WAYS if weight else ():
            name = f"supervised_{way.direction.target}"
            apart = partial(self._distance, way, networks, batch, step)
            yield TermGroup([Term(name, weight, (way.there,), apart)])

    def _distance(self, way: "Way", networks: Networks, batch: Batch, step: Step) -> Tensor:
        source, target = way.direction.ends
        x, truth = batch[PAIRED[source]], batch[PAIRED[target]]
        made = networks[way.there](self.prepare(x, source, "supervised", step))
        require_shape(made, truth, f"{way.there}, supervised")
        valid = step.valid.get(PAIRED[target])
        return distance(self.options.distance, made, truth, self.specs[target], valid)

    def _discriminator_groups(
        self,
        role: DiscriminatorRole,
        shown: dict[str, Tensor],
        network: nn.Module,
        batch: Batch,
        step: Step,
    ) -> Iterator[TermGroup]:
        """Penalties on the gradient, then real samples against fakes from the history, halved as in
        the paper; ``shown`` are the fakes that discriminators were shown so far."""
        name, options = role.name, self.options

        @cache
        def seen() -> tuple[Tensor, Tensor]:
            if role.fakes_of == name:
                shown[name] = self.history[name].query(step.carried[name])
            real = self._varied(batch[role.real], role, "real", step)
            fake = self._varied(shown[role.fakes_of], role, "fake", step)
            # One noise for both, so that it tells nothing.
            return self._noisy(real, step, name), self._noisy(fake, step, name)

        def cost() -> Tensor:
            real, fake = seen()
            return discriminator_loss(
                self.loss,
                network,
                real,
                fake,
                share=lambda: step.uniform(real, "penalty", name),
                penalty=options.adversarial.gradient_penalty,
                together=options.batch_calls,
            )

        mixed = options.mixed_domain
        weight = mixed.weight * mixed.gamma if role in OF_MIXED else 1.0
        held = options.adversarial.regularization
        yield from penalty_groups(held, name, network, seen, step.index, weight)
        yield TermGroup([Term(name, weight, (name,), cost)])

    def _fool(
        self, role: DiscriminatorRole, trip: "Trip", shown: Literal["fake", "cycled"]
    ) -> Tensor:
        """What it costs the generators that a discriminator is not taken in."""
        sample = trip.fake if shown == "fake" else trip.cycled
        valid, step = trip.step.valid.get(trip.way.direction.source), trip.step
        if valid is not None:
            # Real samples have zeros in their gaps: fakes are shown with the same ones.
            sample = sample * valid.all(dim=1, keepdim=True)
        if self.options.rounding.discriminators:
            sample = rounded(sample, self.specs[role.domain])
        step.carried[role.name] = sample.detach()

        def seen(x: Tensor, which: str) -> Tensor:
            return self._noisy(self._varied(x, role, which, step), step, "generator", role.name)

        def real() -> Tensor:
            return seen(trip.batch[role.real], "generator, real")

        return generator_loss(self.loss, trip.networks[role.name], seen(sample, "generator"), real)

    def has_identity(self, step: Step) -> bool:
        """Whether the identity term is on, and has not ended yet."""
        identity = self.options.identity
        return identity.weight > 0 and (
            identity.until_step is None or step.index < identity.until_step
        )

    def _varied(self, x: Tensor, role: DiscriminatorRole, sample: str, step: Step) -> Tensor:
        """What a discriminator sees of real samples, of fakes, or of a generator's."""
        spec, options = self.specs[role.domain], self.options.augmentation
        return augmented(x, spec, options, step, role.name, sample)

    def _noisy(self, x: Tensor, step: Step, *words: str) -> Tensor:
        sigma = self.options.input_noise.sigma
        return x + sigma * step.normal(x, "noise", *words) if sigma else x

    def _refuse_unequal_specs(self) -> None:
        a, b = self.specs[A], self.specs[B]
        if a.channels == b.channels and a.dims == b.dims:
            return
        for term, weight in (
            ("identity", self.options.identity.weight),
            ("self_regularization", self.options.self_regularization.weight),
            ("mixed_domain", self.options.mixed_domain.weight),
        ):
            if weight:
                raise RecipeError(
                    f"objective.{term}.weight must be 0 here: the term compares or mixes "
                    f"samples of both domains, but A has {a.channels} channels and B "
                    f"has {b.channels}."
                )


class Trip:
    """What becomes of one way's samples in one step, on which all of its terms look.

    Attributes:
        objective: Whose options hold.
        way: From where to where, and who has a part in it.
        networks: By name.
        batch: Samples by stream, without gaps.
        step: Source of chance.
        fake: The source's samples, translated; there once ``start`` was called.
        same: The target's own samples after the generator, where the identity term is on.
    """

    fake: Tensor
    same: Tensor

    def __init__(
        self, objective: CycleObjective, way: Way, networks: Networks, batch: Batch, step: Step
    ) -> None:
        self.objective, self.way = objective, way
        self.networks, self.batch, self.step = networks, batch, step

    def start(self) -> None:
        """Call the generator, on the target's samples too where the identity term is on."""
        way, objective, step = self.way, self.objective, self.step
        source, target = way.direction.ends
        inputs = [objective.prepare(self.batch[source], source, "translate", step)]
        wanted = objective.has_identity(step)
        if wanted:
            inputs.append(objective.prepare(self.batch[target], target, "identity", step))
        together = objective.options.batch_calls
        outputs = call_batched(self.networks[way.there], *inputs, together=together)
        self.fake = outputs[0]
        if wanted:
            require_shape(outputs[1], self.batch[target], f"{way.there}, identity")
            self.same = outputs[1]

    @cached_property
    def cycled(self) -> Tensor:
        """The fake, translated back."""
        source, target = self.way.direction.ends
        objective, options = self.objective, self.objective.options
        sent = self.fake
        if options.rounding.cycle:
            sent = rounded(sent, objective.specs[target])
        if options.cycle.noise:
            sent = self._with_noise(sent)
        if options.cycle.back_translation:
            sent = sent.detach()
        back = self.networks[self.way.back]
        cycled: Tensor = back(objective.prepare(sent, target, "cycle", self.step))
        require_shape(cycled, self.batch[source], f"the {source} -> {target} -> {source} cycle")
        return cycled

    def cycle(self) -> Tensor:
        """How far off it comes back."""
        source = self.way.direction.source
        return self._apart(self.cycled, source)

    def identity(self) -> Tensor:
        """How far off the target's own samples are afterwards."""
        target = self.way.direction.target
        return self._apart(self.same, target)

    def self_regularization(self) -> Tensor:
        """How far the fake is from what it was made of."""
        source = self.way.direction.source
        return self._apart(self.fake, source)

    def _apart(self, made: Tensor, domain: str) -> Tensor:
        """How far what was made is from a domain's samples."""
        objective, valid = self.objective, self.step.valid.get(domain)
        measure, spec = objective.options.distance, objective.specs[domain]
        return distance(measure, made, self.batch[domain], spec, valid)

    def _with_noise(self, fake: Tensor) -> Tensor:
        """A fake under noise, so that it can hide nothing in faint patterns."""
        domain, step = self.way.direction.target, self.step
        share = step.uniform(fake, "cycle noise", domain).view(-1, *(1,) * (fake.dim() - 1))
        noise = step.normal(fake, "cycle noise pattern", domain)
        return fake + self.objective.options.cycle.noise * share * noise
