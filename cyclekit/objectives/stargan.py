"""The StarGAN objective (arXiv 1711.09020): any number of domains, one generator for all."""

import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import chain, permutations
from typing import Annotated, Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from pydantic import Field, field_validator, model_validator
from torch import Tensor, nn

from cyclekit import api
from cyclekit.names import SETTING, without
from cyclekit.objectives.cycle_options import (
    InputNoiseOptions,
    RoundingOptions,
    SelfRegularizationOptions,
    Weight,
)

GENERATOR, DISCRIMINATOR = "generator", "discriminator"
GENERATORS, DISCRIMINATORS = "generators", "discriminators"
SAMPLES, LABEL, TARGET = "samples", "label", "target"


class CriticOptions(api.RegularizedAdversarialOptions):
    """Fooling a discriminator that sees samples of all domains."""

    loss: api.AdversarialName = "wgan-gp"
    """`wgan-gp` (as published), `lsgan`, `vanilla`, `hinge`, or `relativistic`: a fake against what
    it was made of."""
    penalty_of: api.Patches = "mean"
    """What the gradient is of that `wgan-gp` holds to a length of 1: the `mean` of a sample's
    logits, whatever their number, or their `sum`, as in the published code, where the penalty is
    stricter the larger the samples are."""


class ClassificationOptions(api.Options):
    """The discriminator names the domain of real samples, and of fakes their target:
    cross-entropy; or each of their attributes: binary cross-entropies, added up."""

    weight: Weight = 1.0
    """Weight in both networks' losses."""


class RoundTripOptions(api.Options):
    """To the target and back again gives the same: L1."""

    weight: Weight = 10.0
    """Weight in the generator's loss."""


class OwnDomainOptions(api.Options):
    """Told a sample's own domain, the generator leaves it alone: L1."""

    weight: Weight = 0.0
    """Weight in the generator's loss; 0, as published: none. It keeps colours and grounds."""


class StarGANOptions(api.Options):
    """Which domains there are, and the terms and their weights."""

    domains: tuple[str, ...] = ()
    """Names of the domains. Without them a new run takes those of the data: the keys of
    `data.domains`, or all folders `NAME` that are in `data.root` as `train/NAME` or `trainNAME`."""
    attributes: tuple[str, ...] = ()
    """In place of domains: columns of the table `data.attributes`, which files have or have not,
    several at once, such as CelebA's `Blond_Hair`."""
    condition: Literal["norm", "planes"] = "norm"
    """How the generator is told the target: by scales and shifts after its norms, or, as published,
    by constant planes beside its input, for which its first convolution pads with zeros. Networks
    that have not both are told in the one way they have."""
    adversarial: CriticOptions = CriticOptions()
    classification: ClassificationOptions = ClassificationOptions()
    cycle: RoundTripOptions = RoundTripOptions()
    identity: OwnDomainOptions = OwnDomainOptions()
    self_regularization: SelfRegularizationOptions = SelfRegularizationOptions()
    input_noise: InputNoiseOptions = InputNoiseOptions()
    rounding: RoundingOptions = RoundingOptions()
    generator_every: Annotated[int, Field(ge=1, le=1000)] = 5
    """The generator learns in every so many-th step, the discriminator in each."""

    @field_validator("domains")
    @classmethod
    def _usable(cls, domains: tuple[str, ...]) -> tuple[str, ...]:
        for fault in faults_of(domains) if domains else ():
            raise ValueError(fault)
        return domains

    @field_validator("attributes")
    @classmethod
    def _usable_too(cls, attributes: tuple[str, ...]) -> tuple[str, ...]:
        for fault in faults_of_names([*attributes, *map(without, attributes)]):
            raise ValueError(fault)
        return attributes

    @model_validator(mode="after")
    def _one_of_both(self) -> "StarGANOptions":
        if self.domains and self.attributes:
            raise ValueError("say objective.domains or objective.attributes, not both")
        return self


class StarGANObjective(api.Objective):
    """``generator``, which is told the target, and ``discriminator``, which also names domains.

    A step has two phases: the discriminator on real samples and on fakes of this step, then, in
    every fifth step, the generator on the same samples against the discriminator that this left.
    The published code's targets are the labels of the batch in another order. Here each position
    has the label of a sample that was drawn for that alone: as often each, whatever the batch and
    the ranks; it may be the sample's own. Costs of real samples and of fakes are added up, not
    halved. Of attributes, too, only those combinations are targets that occur.
    """

    name = "stargan"
    summary = "StarGAN: any number of domains, unpaired, one generator for all of them"
    Options: ClassVar[type[api.Options]] = StarGANOptions
    options: StarGANOptions

    def __init__(
        self,
        options: StarGANOptions,
        specs: Mapping[str, api.TensorSpec],
        seed: int = 0,
        rank: int = 0,
    ) -> None:
        if not options.domains and not options.attributes:
            raise api.RecipeError(
                "objective 'stargan' was told no domains. Give --data DIR with a folder train/NAME "
                "for each, or set data.domains to folders, or objective.domains to names; or "
                "objective.attributes to columns of a table that data.attributes names."
            )
        self.options = options
        super().__init__(options, specs, seed, rank)
        kinds = {(spec.channels, spec.dims) for spec in self.specs.values()}
        if len(kinds) > 1:
            raise api.RecipeError(
                "objective 'stargan' has one generator for all domains, which therefore need as "
                "many channels and axes each."
            )
        self.loss = api.ADVERSARIAL_LOSSES[options.adversarial.loss]

    @classmethod
    def with_domains(cls, options: Any, found: Callable[[], Sequence[str]]) -> Any:
        """Those of the data, where the recipe names none."""
        if options.domains or options.attributes or not (domains := tuple(found())):
            return options
        for fault in faults_of(domains):
            raise api.RecipeError(f"The data's folders make no domains for 'stargan': {fault}.")
        return options.model_copy(update={"domains": domains})

    @property
    def domains(self) -> Sequence[str]:
        """As the options name them; or what has an attribute and what has it not, for each."""
        return self.options.domains or tuple(chain.from_iterable(map(_views, self.attributes)))

    @property
    def attributes(self) -> Sequence[str]:
        """As the options name them."""
        return self.options.attributes

    @property
    def streams(self) -> Mapping[str, api.Stream]:
        """All samples, with labels and with those that they are to become."""
        every = tuple(self.domains)[: 2 if self.attributes else None]
        return {SAMPLES: api.Stream(every, label=LABEL, target=TARGET)}

    @property
    def directions(self) -> Sequence[api.Direction]:
        """Every ordered pair of domains; or each attribute given or taken away, by itself."""
        if self.attributes:
            return tuple(
                api.Direction(
                    _views(name)[not value],
                    _views(name)[value],
                    (GENERATOR,),
                    SETTING.format(name, value),
                    sets=((name, value),),
                )
                for name in self.attributes
                for value in (True, False)
            )
        return tuple(
            api.Direction(source, target, (GENERATOR,), _called(source, target, self.domains))
            for source, target in permutations(self.domains, 2)
        )

    @property
    def phases(self) -> Sequence[api.Phase]:
        """The discriminator, then the generator."""
        return (
            api.Phase(DISCRIMINATORS, (DISCRIMINATOR,), rate="discriminator"),
            api.Phase(GENERATORS, (GENERATOR,), every=self.options.generator_every),
        )

    @property
    def undecided(self) -> Mapping[str, float]:
        """What the discriminator pays for real and fake, whatever it makes of domains."""
        whole = 1 if self.loss.pairs else 2  # here real and fake are not halved
        guessing = self.loss.undecided_of([DISCRIMINATOR])
        return {name: whole * loss for name, loss in guessing.items()}

    @property
    def differentiates_twice(self) -> bool:
        """Whether the discriminator pays for its gradient."""
        return self.options.adversarial.differentiates_twice

    def networks(self, build: api.NetworkBuilder) -> dict[str, nn.Module]:
        """Both networks, of the first domain's samples."""
        spec, count = self.specs[self.domains[0]], len(self.attributes or self.domains)
        planes = self.options.condition == "planes"
        return {
            GENERATOR: build.generator(spec, spec, condition=count, planes=planes),
            DISCRIMINATOR: build.discriminator(spec, classes=count),
        }

    def translate(
        self,
        networks: api.Networks,
        x: Tensor,
        direction: api.Direction,
        code: Tensor | None = None,
        label: Tensor | None = None,
    ) -> Tensor:
        """Translate a batch, as after training; of attributes, ``code`` are the samples' own."""
        if self.attributes:
            assert code is not None  # the direction takes one
            label = code.to(x.dtype, copy=True)
            for name, value in direction.sets:
                label[:, self.attributes.index(name)] = float(value)
        elif label is None:
            label = x.new_tensor(self.label(direction)).expand(x.shape[0], -1)
        made: Tensor = networks[GENERATOR](x, label)
        return made

    def label(self, direction: api.Direction) -> Sequence[float] | None:
        """1 at the target's place, 0 at the others'; of attributes none."""
        if self.attributes:
            return None
        return [float(domain == direction.target) for domain in self.domains]

    def terms(
        self, phase: str, networks: api.Networks, batch: api.Batch, step: api.Step
    ) -> Sequence[api.TermGroup]:
        """The discriminator's terms, each penalty in a group of its own; or the generator's, those
        of samples that are to stay what they are in a group of their own."""
        sent = Sent(self, networks, self.without_gaps(batch, step), step)
        options, own, both = self.options, (GENERATOR,), (GENERATOR, DISCRIMINATOR)
        classification = options.classification.weight
        if phase == DISCRIMINATORS:
            judges = (DISCRIMINATOR,)
            terms = [api.Term(DISCRIMINATOR, 1.0, judges, sent.judged)]
            if classification:
                terms.append(api.Term("named_real", classification, judges, sent.named_real))
            held, seen = options.adversarial.regularization, sent.seen
            network, index = networks[DISCRIMINATOR], step.index
            groups = list(api.penalty_groups(held, DISCRIMINATOR, network, seen, index))
            if self.loss.needs_penalty:
                weight = options.adversarial.gradient_penalty
                penalty = api.Term("gradient_penalty", weight, judges, sent.penalty)
                groups.append(api.TermGroup([penalty]))
            # Last: see ``penalty_groups``.
            return [*groups, api.TermGroup(terms, sent.judge)]
        terms = [api.Term("adversarial", options.adversarial.weight, both, sent.fooled)]
        if classification:
            terms.append(api.Term("named_fake", classification, both, sent.named_fake))
        if options.cycle.weight:
            terms.append(api.Term("cycle", options.cycle.weight, own, sent.cycle))
        if kept := options.self_regularization.weight:
            terms.append(api.Term("self_regularization", kept, own, sent.kept))
        groups = [api.TermGroup(terms, sent.fool)]
        if options.identity.weight:
            same = api.Term("identity", options.identity.weight, own, sent.same)
            groups.append(api.TermGroup([same]))
        return groups


class Sent:
    """What becomes of samples that are sent to other domains in one step."""

    _fake: Tensor
    _on_real: tuple[Tensor, Tensor]
    _on_fake: tuple[Tensor, Tensor]

    def __init__(
        self,
        objective: StarGANObjective,
        networks: api.Networks,
        batch: api.Batch,
        step: api.Step,
    ) -> None:
        self._objective, self._step = objective, step
        self._generator, self._critic = networks[GENERATOR], networks[DISCRIMINATOR]
        self._x, self._label, self._target = batch[SAMPLES], batch[LABEL], batch[TARGET]
        self._valid = step.valid.get(SAMPLES)
        self._spec = objective.specs[objective.domains[0]]
        self._named = described if objective.attributes else named

    def seen(self) -> tuple[Tensor, Tensor]:
        """The real samples and the fakes that the discriminator is shown."""
        return self._seen

    def judge(self) -> None:
        """Show the discriminator real samples and fakes."""
        self._on_real, self._on_fake = api.call_batched(self._critic, *self._seen)

    def fool(self) -> None:
        """Translate, and show the discriminator fakes."""
        self._translate()
        self._on_fake = self._critic(self._noisy(self._shown, GENERATOR))

    def judged(self) -> Tensor:
        """What real samples and fakes cost the discriminator."""
        loss = self._objective.loss
        cost = loss.discriminator(api.upcast(self._on_real[0]), api.upcast(self._on_fake[0]))
        return cost if loss.pairs else 2 * cost

    def penalty(self) -> Tensor:
        """How far the discriminator's gradient is from a length of 1 (equation 8)."""
        share = self._step.uniform(self._x, "penalty", DISCRIMINATOR)
        patches = self._objective.options.adversarial.penalty_of
        return api.gradient_penalty(self._critic, *self._seen, share, patches)

    def fooled(self) -> Tensor:
        """What it costs the generator that the discriminator is not taken in."""
        on_fake = api.upcast(self._on_fake[0])
        return api.fooling(
            self._objective.loss,
            self._critic,
            on_fake,
            self._shown,
            lambda: self._noisy(self._x, GENERATOR),
        )

    def named_real(self) -> Tensor:
        """What it costs to take real samples for another domain's (equation 2)."""
        return self._named(self._on_real[1], self._label)

    def named_fake(self) -> Tensor:
        """What it costs that fakes are not taken for their target's (equation 3)."""
        return self._named(self._on_fake[1], self._target)

    def cycle(self) -> Tensor:
        """How far a sample is from itself, once it came back (equation 4)."""
        sent = self._fake
        if self._objective.options.rounding.cycle:
            sent = api.rounded(sent, self._spec)
        return api.l1(self._generator(sent, self._label), self._x, self._valid)

    def kept(self) -> Tensor:
        """How far a fake is from what it was made of."""
        return api.l1(self._fake, self._x, self._valid)

    def same(self) -> Tensor:
        """How far a sample is from what it becomes when it is told its own domain."""
        return api.l1(self._generator(self._x, self._label), self._x, self._valid)

    @cached_property
    def _seen(self) -> tuple[Tensor, Tensor]:
        with torch.no_grad():
            self._translate()
        # One noise for both, so that it tells nothing.
        return self._noisy(self._x, DISCRIMINATOR), self._noisy(self._shown, DISCRIMINATOR)

    @property
    def _shown(self) -> Tensor:
        """Fakes as the discriminator gets them: with zeros in the gaps that real samples have."""
        shown = self._fake
        if self._valid is not None:
            shown = shown * self._valid.all(dim=1, keepdim=True)
        if self._objective.options.rounding.discriminators:
            shown = api.rounded(shown, self._spec)
        return shown

    def _noisy(self, x: Tensor, role: str) -> Tensor:
        sigma = self._objective.options.input_noise.sigma
        return x + sigma * self._step.normal(x, "noise", role) if sigma else x

    def _translate(self) -> None:
        self._fake = self._generator(self._x, self._target)
        api.require_shape(self._fake, self._x, GENERATOR)


def named(logits: Tensor, label: Tensor) -> Tensor:
    """Cross-entropy of the labels that exactly one domain has, the mean over a batch.

    Args:
        logits: ``(batch, domains)``.
        label: The same shape, 1 at one place of each and 0 elsewhere.
    """
    return F.cross_entropy(api.upcast(logits), label.argmax(dim=1))


def described(logits: Tensor, label: Tensor) -> Tensor:
    """Binary cross-entropies, the sum over attributes, the mean over a batch.

    Args:
        logits: ``(batch, attributes)``.
        label: The same shape, 1 where a sample has the attribute and 0 elsewhere.
    """
    each = F.binary_cross_entropy_with_logits(api.upcast(logits), label.float(), reduction="none")
    return each.sum(dim=1).mean()


def _views(attribute: str) -> tuple[str, str]:
    """Domains of what has not an attribute, and of what has it."""
    return without(attribute), attribute


def faults_of(domains: Sequence[str]) -> Iterator[str]:
    """What is wrong with names of domains, a sentence's middle each."""
    if len(domains) < 2:
        yield (
            f"there is one domain alone, {domains[0]!r}, but it takes two at least; a folder with "
            f"the domains' folders goes by the name of train"
        )
    yield from faults_of_names(domains)
    ways = Counter(_called(*ends, domains) or ends for ends in permutations(domains, 2))
    for way, count in ways.items():
        if count > 1:
            yield f"two ways of translating would be called {way!r}: call domains otherwise"


def faults_of_names(domains: Sequence[str]) -> Iterator[str]:
    """The same, whatever there is between them."""
    for name in domains:
        if not name.strip() or not name.isprintable():
            yield f"{name!r:.80} cannot be read as a name"
        if name.casefold() in RESERVED:
            yield f"a domain cannot be called {name!r}, which means something else here"
    alike = Counter(unicodedata.normalize("NFC", name).casefold() for name in domains)
    for name in domains:
        if alike[unicodedata.normalize("NFC", name).casefold()] > 1:
            yield f"two domains are called {name!r}, but for capital letters"


RESERVED = ("all", "both", "extra", "mean")


def _called(source: str, target: str, domains: Sequence[str]) -> str:
    """A direction's name where the usual one, ``source2target``, might mean two."""
    return f"{source} to {target}" if any("2" in name for name in domains) else ""
