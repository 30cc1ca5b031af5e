"""The StarGAN objective (arXiv 1711.09020): any number of domains, one generator for all."""

from collections.abc import Callable, Mapping, Sequence
from itertools import chain, permutations
from typing import Any, ClassVar

from torch import Tensor, nn

from cyclekit import api
from cyclekit.names import SETTING
from cyclekit.objectives.stargan_domains import called, faults_of, views
from cyclekit.objectives.stargan_options import StarGANOptions
from cyclekit.objectives.stargan_sides import (
    DISCRIMINATOR,
    GENERATOR,
    LABEL,
    SAMPLES,
    TARGET,
    Sent,
)

GENERATORS, DISCRIMINATORS = "generators", "discriminators"


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
    replayable = True
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
        return self.options.domains or tuple(chain.from_iterable(map(views, self.attributes)))

    @property
    def attributes(self) -> Sequence[str]:
        """As the options name them."""
        return self.options.attributes

    @property
    def streams(self) -> Mapping[str, api.Stream]:
        """All samples, with labels and with those that they are to become; folders of few files
        as often as those of many."""
        every = tuple(self.domains)[: 2 if self.attributes else None]
        evenly = not self.attributes
        return {SAMPLES: api.Stream(every, label=LABEL, target=TARGET, evenly=evenly)}

    @property
    def directions(self) -> Sequence[api.Direction]:
        """Every ordered pair of domains; or each attribute given or taken away, by itself."""
        if self.attributes:
            return tuple(
                api.Direction(
                    views(name)[not value],
                    views(name)[value],
                    (GENERATOR,),
                    SETTING.format(name, value),
                    sets=((name, value),),
                )
                for name in self.attributes
                for value in (True, False)
            )
        return tuple(
            api.Direction(source, target, (GENERATOR,), called(source, target, self.domains))
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
        spec, count = self._spec, len(self.attributes or self.domains)
        planes = self.options.condition == "planes"
        judgments = count if self.options.adversarial.logits == "own" else 1
        return {
            GENERATOR: build.generator(spec, spec, condition=count, planes=planes),
            DISCRIMINATOR: build.discriminator(spec, classes=count, logits=judgments),
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

    @property
    def _spec(self) -> api.TensorSpec:
        """Of all samples: domains have as many channels and axes each."""
        return self.specs[self.domains[0]]

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
        sent = Sent(self.options, self._spec, networks, self.without_gaps(batch, step), step)
        options, own, both = self.options, (GENERATOR,), (GENERATOR, DISCRIMINATOR)
        classification = options.classification.weight
        if phase == DISCRIMINATORS:
            judges = (DISCRIMINATOR,)
            terms = [api.Term(DISCRIMINATOR, 1.0, judges, sent.judged)]
            if classification:
                terms.append(api.Term("named_real", classification, judges, sent.named_real))
            held, seen = options.adversarial.regularization, sent.seen
            network, index = networks[DISCRIMINATOR], step.index
            picks = sent.of_own, sent.of_target
            groups = list(
                api.penalty_groups(held, DISCRIMINATOR, network, seen, index, picks=picks)
            )
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
