"""The CycleGAN objective (arXiv 1703.10593) with the terms that later papers added."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar

import torch
from lightning_fabric import is_wrapped
from torch import Tensor, nn

from cyclekit.contract import DOMAINS, Options, TensorSpec
from cyclekit.engine.augmentation import augmented
from cyclekit.engine.cycle_options import CycleOptions
from cyclekit.engine.history import HistoryBuffer
from cyclekit.engine.losses import ADVERSARIAL_LOSSES, gradient_penalty
from cyclekit.engine.objective import (
    Batch,
    Direction,
    Losses,
    NetworkBuilder,
    Networks,
    Objective,
    Part,
    Phase,
    Step,
)
from cyclekit.errors import PluginError, RecipeError
from cyclekit.nets.blocks import is_per_sample

GENERATORS, DISCRIMINATORS = "generators", "discriminators"
OTHER = {"a": "b", "b": "a"}


class CycleObjective(Objective):
    """Two generators and their discriminators.

    Networks: ``generator_a2b``, ``generator_b2a``; ``discriminator_a`` judges domain A, whoever
    made the sample. ``second_discriminator_*`` and ``mixed_discriminator_*`` exist when their terms
    do.

    A step has two phases, in the paper's order: the generators (discriminators frozen), then the
    discriminators on real samples and on the history buffer.
    """

    Options: ClassVar[type[Options]] = CycleOptions
    options: CycleOptions

    def __init__(
        self,
        options: CycleOptions,
        specs: Mapping[str, TensorSpec],
        history_size: int = 50,
        seed: int = 0,
        rank: int = 0,
    ) -> None:
        super().__init__(options, specs, history_size, seed, rank)
        self._refuse_unequal_specs()
        self.loss = ADVERSARIAL_LOSSES[options.adversarial.loss]
        families = ["discriminator"]
        if options.second_adversarial.weight:
            families.append("second_discriminator")
        if options.mixed_domain.weight:
            families.append("mixed_discriminator")
        self.judges = tuple(f"{family}_{domain}" for family in families for domain in DOMAINS)
        self.history = {
            f"{family}_{domain}": HistoryBuffer(history_size, seed, rank, family, domain)
            for family in families
            if family != "mixed_discriminator"  # shown the same fakes as the first pair
            for domain in DOMAINS
        }

    @property
    def streams(self) -> Mapping[str, tuple[str, ...]]:
        """Batches of both domains, and of everything together where the mixed term is on."""
        streams: dict[str, tuple[str, ...]] = {domain: (domain,) for domain in DOMAINS}
        if self.options.mixed_domain.weight:
            streams["mixed"] = (*DOMAINS, "extra")
        return streams

    @property
    def phases(self) -> Sequence[Phase]:
        """Generators, then discriminators."""
        generators = tuple(direction.network for direction in self.directions)
        return (Phase(GENERATORS, generators), Phase(DISCRIMINATORS, self.judges, judges=True))

    @property
    def directions(self) -> Sequence[Direction]:
        """``a2b`` and ``b2a``."""
        return tuple(
            Direction(source, OTHER[source], f"generator_{source}2{OTHER[source]}")
            for source in DOMAINS
        )

    def networks(self, build: NetworkBuilder) -> dict[str, nn.Module]:
        """Generators for both directions and every discriminator that a term needs."""
        made = {
            direction.network: build.generator(
                self.input_spec(self.specs[direction.source]), self.specs[direction.target]
            )
            for direction in self.directions
        }
        made |= {judge: build.discriminator(self.specs[judge[-1]]) for judge in self.judges}
        return made

    def input_spec(self, spec: TensorSpec) -> TensorSpec:
        """What generators see of a domain; override it together with ``prepare``."""
        return spec

    def prepare(self, x: Tensor, domain: str, hop: str, step: Step | None) -> Tensor:
        """Turn samples into a generator's input; variants may mask them and add channels.

        Args:
            x: ``(batch, channels, *sizes)`` of ``domain``.
            domain: Where the samples belong.
            hop: ``"translate"`` (a real sample, on its way out), ``"cycle"`` (a fake, on its way
                back) or ``"identity"``.
            step: Source of randomness; ``None`` outside training.
        """
        return x

    def translate(self, networks: Networks, x: Tensor, direction: Direction) -> Tensor:
        """Translate a batch, as after training."""
        out: Tensor = networks[direction.network](
            self.prepare(x, direction.source, "translate", None)
        )
        return out

    def losses(self, phase: str, networks: Networks, batch: Batch, step: Step) -> Losses:
        """The losses of one of ``phases``."""
        batch, step.known = self._filled(batch)
        if phase == GENERATORS:
            return self.generator_losses(networks, batch, step)
        return self.discriminator_losses(networks, batch, step)

    def parts(self, phase: Phase, networks: Networks, batch: Batch, step: Step) -> Sequence[Part]:
        """Direction by direction, judge by judge; all at once in a variant with its own losses."""
        for name in ("losses", "generator_losses", "discriminator_losses"):
            if getattr(type(self), name) is not getattr(CycleObjective, name):
                return super().parts(phase, networks, batch, step)
        batch, step.known = self._filled(batch)
        if phase.name == GENERATORS:
            return [
                Part(phase.trains, partial(self._translating, [way], networks, batch, step))
                for way in self.directions
            ]
        shown: dict[str, Tensor] = {}
        return [
            Part((judge,), partial(self._judging, [judge], shown, networks, batch, step))
            for judge in self.judges
        ]

    def generator_losses(self, networks: Networks, batch: Batch, step: Step) -> Losses:
        """Adversarial, cycle and identity terms; leaves the fakes in ``step.kept``."""
        return self._translating(self.directions, networks, batch, step)

    def discriminator_losses(self, networks: Networks, batch: Batch, step: Step) -> Losses:
        """Real samples against fakes from the history, halved as in the paper."""
        return self._judging(self.judges, {}, networks, batch, step)

    def _translating(
        self, directions: Sequence[Direction], networks: Networks, batch: Batch, step: Step
    ) -> Losses:
        """The generators' terms of some directions."""
        options = self.options
        tally = _Tally(batch["a"])
        fakes, same = self._first_hop(directions, networks, batch, step)
        known = step.known
        for direction in directions:
            source, target = direction.source, direction.target
            fake = fakes[target]
            back = networks[f"generator_{target}2{source}"]
            sent = self._rounded(fake, target) if options.rounding.cycle else fake
            if options.cycle.noise:
                sent = self._drowned(sent, step, target)
            if options.cycle.back_translation:
                sent = sent.detach()
            cycled = back(self.prepare(sent, target, "cycle", step))
            _require_shape(cycled, batch[source], f"the {source} -> {target} -> {source} cycle")
            distance = l1(cycled, batch[source], known.get(source))
            tally.add(f"cycle_{source}", distance, options.cycle.weight_from(source))
            if target in same:
                distance = l1(same[target], batch[target], known.get(target))
                tally.add(f"identity_{target}", distance, options.identity.weight)
            if options.self_regularization.weight:
                distance = l1(fake, batch[source], known.get(source))
                tally.add(f"change_{source}", distance, options.self_regularization.weight)
            for judge, sample, term, weight in self._trials(direction, fake, cycled):
                if source in known:
                    # Real samples have zeros in their gaps: fakes are shown with the same ones.
                    sample = sample * known[source].all(dim=1, keepdim=True)
                if options.rounding.discriminators:
                    sample = self._rounded(sample, judge[-1])
                varied = self._varied(sample, judge, "generator", step)
                logits = networks[judge](self._noisy(varied, step, "generator", judge))
                tally.add(term, self.loss.generator(full(logits)), weight)
                step.kept[judge] = sample.detach()
        return tally.losses()

    def _judging(
        self,
        judges: Sequence[str],
        shown: dict[str, Tensor],
        networks: Networks,
        batch: Batch,
        step: Step,
    ) -> Losses:
        """Some discriminators' terms; ``shown`` are the fakes that judges were shown so far."""
        tally = _Tally(batch["a"])
        for judge in judges:
            family, _, domain = judge.rpartition("_")
            if family == "mixed_discriminator":
                real, fake = batch["mixed"], shown[f"discriminator_{domain}"]
                weight = self.options.mixed_domain.weight * self.options.mixed_domain.gamma
            else:
                real, weight = batch[domain], 1.0
                fake = shown[judge] = self.history[judge].query(step.kept[judge])
            tally.add(judge, self._judge(judge, networks[judge], real, fake, step), weight)
        return tally.losses()

    def state_dict(self) -> dict[str, Any]:
        """The history buffers."""
        return {name: buffer.state_dict() for name, buffer in self.history.items()}

    def load_state_dict(self, state: Mapping[str, Any], device: torch.device) -> None:
        """Restore the history buffers."""
        for name, buffer in self.history.items():
            buffer.load_state_dict(state[name], device)

    def deal(self, states: Sequence[Mapping[str, Any]], ranks: int, rank: int) -> Mapping[str, Any]:
        """Stored fakes, dealt out evenly."""
        return {
            name: buffer.dealt([state[name] for state in states], ranks, rank)
            for name, buffer in self.history.items()
        }

    def _filled(self, batch: Batch) -> tuple[Batch, dict[str, Tensor]]:
        """A batch with zeros for gaps, and where its samples are known, if they may have gaps."""
        filled, known = {}, {}
        for stream, x in batch.items():
            if self.specs.get(stream, self.specs["a"]).gaps:
                known[stream] = ~x.isnan()
                x = x.nan_to_num(nan=0.0)
            filled[stream] = x
        return filled, known

    def _first_hop(
        self, directions: Sequence[Direction], networks: Networks, batch: Batch, step: Step
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Fakes by the domain they should belong to, and identity outputs while that term is on."""
        identity = self.options.identity
        wanted = identity.weight > 0 and (
            identity.until_step is None or step.index < identity.until_step
        )
        fakes, same = {}, {}
        for direction in directions:
            source, target = direction.source, direction.target
            inputs = [self.prepare(batch[source], source, "translate", step)]
            if wanted:
                inputs.append(self.prepare(batch[target], target, "identity", step))
            outputs = self._call(networks[direction.network], *inputs)
            fakes[target] = outputs[0]
            if wanted:
                _require_shape(outputs[1], batch[target], f"{direction.network}, identity")
                same[target] = outputs[1]
        return fakes, same

    def _trials(
        self, direction: Direction, fake: Tensor, cycled: Tensor
    ) -> Iterator[tuple[str, Tensor, str, float]]:
        """Whom a direction has to fool: the discriminator, with what, the term and its weight."""
        source, target, options = direction.source, direction.target, self.options
        adversarial = f"adversarial_{direction.name}"
        yield f"discriminator_{target}", fake, adversarial, options.adversarial.weight
        if second := options.second_adversarial.weight:
            yield f"second_discriminator_{source}", cycled, f"second_adversarial_{source}", second
        if mixed := options.mixed_domain.weight * options.mixed_domain.generator_weight:
            yield f"mixed_discriminator_{target}", fake, f"mixed_{adversarial}", mixed

    def _rounded(self, x: Tensor, domain: str) -> Tensor:
        """The nearer end of the domain's range; the gradient passes as if nothing had happened."""
        bounds = self.specs[domain].range
        if bounds is None:
            raise RecipeError(
                f"objective.rounding needs tensors with a range, but domain {domain.upper()}'s are "
                f"unbounded. Switch it off."
            )
        low, high = bounds
        ends = torch.where(x.detach() >= (low + high) / 2, high, low).to(x.dtype)
        return ends + (x - x.detach())  # exactly an end: the bracket is zero

    def _judge(self, name: str, judge: nn.Module, real: Tensor, fake: Tensor, step: Step) -> Tensor:
        real, fake = self._varied(real, name, "real", step), self._varied(fake, name, "fake", step)
        # One noise for both, so that it tells nothing.
        real, fake = self._noisy(real, step, name), self._noisy(fake, step, name)
        on_real, on_fake = self._call(judge, real, fake)
        cost = (self.loss.real(full(on_real)) + self.loss.fake(full(on_fake))) / 2
        if self.loss.needs_penalty:
            share = step.uniform(real, "penalty", name)
            penalty = gradient_penalty(_bare(judge), real, fake, share)
            cost = cost + self.options.adversarial.gradient_penalty * penalty
        return cost

    def _varied(self, x: Tensor, judge: str, role: str, step: Step) -> Tensor:
        """What a discriminator sees of real samples, of fakes, or of a generator's."""
        return augmented(x, self.specs[judge[-1]], self.options.augmentation, step, judge, role)

    def _drowned(self, fake: Tensor, step: Step, domain: str) -> Tensor:
        """A fake under noise, so that it can hide nothing in faint patterns."""
        share = step.uniform(fake, "cycle noise", domain).view(-1, *(1,) * (fake.dim() - 1))
        noise = step.normal(fake, "cycle noise pattern", domain)
        return fake + self.options.cycle.noise * share * noise

    def _noisy(self, x: Tensor, step: Step, *words: str) -> Tensor:
        sigma = self.options.input_noise.sigma
        return x + sigma * step.normal(x, "noise", *words) if sigma else x

    def _call(self, network: nn.Module, *inputs: Tensor) -> Sequence[Tensor]:
        """Each input's output; in one call where that changes nothing but the time it takes."""
        alike = len({x.shape for x in inputs}) == 1 and len(inputs) > 1
        if alike and self.options.batch_calls and is_per_sample(network):
            together: Tensor = network(torch.cat(inputs))
            return together.chunk(len(inputs))
        return [network(x) for x in inputs]

    def _refuse_unequal_specs(self) -> None:
        a, b = (self.specs[domain] for domain in DOMAINS)
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


class _Tally:
    """Adds up weighted terms and keeps each unweighted one for the log."""

    def __init__(self, like: Tensor) -> None:
        self._total = torch.zeros((), device=like.device)
        self._terms: dict[str, Tensor] = {}

    def add(self, name: str, term: Tensor, weight: float) -> None:
        self._total = self._total + weight * term
        self._terms[name] = term.detach()

    def losses(self) -> Losses:
        return Losses(self._total, self._terms)


def l1(x: Tensor, y: Tensor, known: Tensor | None = None) -> Tensor:
    """Mean absolute difference, in full precision; none where ``known`` is false."""
    difference = (full(x) - full(y)).abs()
    # The mean is over everything: a share of each rank's would not add up to the whole's.
    return (difference if known is None else difference * known).mean()


def full(x: Tensor) -> Tensor:
    """Half precision widened to float32; float32 and float64 left alone."""
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def _bare(network: nn.Module) -> nn.Module:
    """The network without Fabric's wrapper, which allows no backward pass but Fabric's own.

    It then runs in full precision, as the gradient of a gradient should.
    """
    inner = network.module if is_wrapped(network) else network
    assert isinstance(inner, nn.Module)
    return inner


def _require_shape(made: Tensor, wanted: Tensor, where: str) -> None:
    if made.shape != wanted.shape:
        raise PluginError(
            f"The generator changes the size of its samples: {where} made "
            f"{tuple(made.shape[1:])} of {tuple(wanted.shape[1:])}. Use a window whose sizes "
            f"divide by what the generator needs."
        )
