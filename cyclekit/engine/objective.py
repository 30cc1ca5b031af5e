"""What an objective states: domains, streams, directions, phases, networks, losses."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, ClassVar, Literal, Protocol, TypeVar

import torch
from torch import Tensor, nn

from cyclekit.contract import Options, TensorSpec
from cyclekit.engine.history import HistoryBuffer
from cyclekit.engine.terms import filled
from cyclekit.names import DIRECTION
from cyclekit.randomness import torch_generator

Networks = Mapping[str, nn.Module]
Batch = Mapping[str, Tensor]
Own = TypeVar("Own", bound=nn.Module)


@dataclass(frozen=True)
class Stream:
    """An entry of a batch: ``(batch, channels, *sizes)``, as networks see samples.

    Attributes:
        domains: The samples are drawn from these, file by file.
        drawn_with: Another stream, whose samples' counterparts are drawn: training files of equal
            names are a pair. Both are of one domain each, share the index and the chance that
            ``Codec.augment`` is given (one crop, one flip), and show pairs alone.
        label: Name of a further entry of the batch, if one is wanted: ``(batch, domains)`` floats,
            1 at the domain that each sample is from and 0 elsewhere.
        target: Name of another such entry, if one is wanted: labels of further samples of the
            stream, drawn for each position independently, so that each occurs as often as among
            the samples.
    """

    domains: tuple[str, ...]
    drawn_with: str = ""
    label: str = ""
    target: str = ""


@dataclass(frozen=True)
class Phase:
    """A part of a step that ends with one optimizer's step.

    Attributes:
        name: Of the phase and its optimizer.
        trains: Names of the networks it trains; all others are frozen meanwhile.
        rate: Which learning rate it has: ``train.learning_rate``, or
            ``train.discriminator_learning_rate`` where the recipe says one.
        every: It is left out of all steps but every so many-th; schedules and logs count steps.
    """

    name: str
    trains: tuple[str, ...]
    rate: Literal["generator", "discriminator"] = "generator"
    every: int = 1

    def is_due(self, step: int) -> bool:
        """Whether it belongs to the step that follows ``step`` others."""
        return (step + 1) % self.every == 0


@dataclass(frozen=True)
class Direction:
    """A translation that the trained networks can do, from one domain to another.

    Attributes:
        source: Domain of what goes in.
        target: Domain of what comes out.
        networks: All networks that ``Objective.translate`` calls for it. These are averaged
            (``train.ema``), loaded and put into evaluation mode.
        called: Its name, where ``source2target`` might mean another one, too.
    """

    source: str
    target: str
    networks: tuple[str, ...]
    called: str = ""

    @property
    def ends(self) -> tuple[str, str]:
        """Source and target."""
        return self.source, self.target

    @property
    def name(self) -> str:
        """As the command line says it, for instance ``summer2winter``."""
        return self.called or DIRECTION.format(self.source, self.target)


@dataclass
class Step:
    """Where training is, for everything that depends on it.

    Attributes:
        index: Steps done before this one.
        seed: The run's.
        positions: Position of each of this batch's samples in the step's global batch.
        kept: What one phase leaves for a later one (the fakes); cleared with the step.
        known: Where the samples of a stream with gaps are known.
    """

    index: int
    seed: int
    positions: Sequence[int]
    kept: dict[str, Tensor] = field(default_factory=dict)
    known: dict[str, Tensor] = field(default_factory=dict)

    def normal(self, like: Tensor, *words: str, shape: Sequence[int] | None = None) -> Tensor:
        """Gaussian noise for each sample of a batch, from (seed, step, position).

        Args:
            like: ``(batch, ...)``, whose type and device the noise gets.
            words: What it is for; other words, other noise.
            shape: Of one sample's noise; default: ``like``'s.

        Returns:
            ``(batch, *shape)``.
        """
        each = like.shape[1:] if shape is None else torch.Size(shape)
        return self._draw(torch.randn, each, like, words)

    def uniform(self, like: Tensor, *words: str) -> Tensor:
        """One number in 0..1 for each sample of a batch: ``(batch,)``."""
        return self._draw(torch.rand, torch.Size(()), like, words)

    def uniforms(self, like: Tensor, count: int, *words: str) -> Tensor:
        """Numbers in 0..1 for each sample, never in half precision: ``(batch, count)``."""
        return self._draw(torch.rand, torch.Size((count,)), like, words, full=True)

    def _draw(
        self,
        draw: Any,
        shape: torch.Size,
        like: Tensor,
        words: tuple[str, ...],
        full: bool = False,
    ) -> Tensor:
        dtype = torch.float64 if like.dtype == torch.float64 else torch.float32
        drawn = [
            draw(
                shape,
                generator=torch_generator(self.seed, self.index, position, *words),
                dtype=dtype,
            )
            for position in self.positions
        ]
        # A blocking copy would wait for all that the device has still to do. This one is safe: CUDA
        # has read memory that is not pinned before the call returns.
        return torch.stack(drawn).to(
            like.device, dtype if full else like.dtype, non_blocking=like.is_cuda
        )


@dataclass(frozen=True)
class Losses:
    """What a phase costs.

    Attributes:
        total: Scalar to be differentiated.
        terms: Each term by name, unweighted and detached, for the log.
    """

    total: Tensor
    terms: dict[str, Tensor]


@dataclass(frozen=True)
class Part:
    """Some of a phase's losses, to be differentiated before the others are computed.

    Attributes:
        trains: Names of the phase's networks that it calls and that get gradients from it.
        losses: Computes them.
    """

    trains: tuple[str, ...]
    losses: Callable[[], Losses]


@dataclass(frozen=True)
class Term:
    """A summand of a phase's loss.

    Attributes:
        name: In the log.
        weight: What it is multiplied by in the total.
        networks: Names of all networks that its gradient passes through.
        compute: Makes the scalar, before it is weighted.
    """

    name: str
    weight: float
    networks: tuple[str, ...]
    compute: Callable[[], Tensor]


def nothing() -> None:
    """Where terms share nothing."""


@dataclass(frozen=True)
class TermGroup:
    """Terms that share what networks made of a batch, and so are differentiated together.

    Attributes:
        terms: In the order in which they are computed and added up.
        share: Makes what they share; called before any of them is computed.
    """

    terms: Sequence[Term]
    share: Callable[[], None] = nothing


class NetworkBuilder(Protocol):
    """Builds networks, each with first weights from a seed of its own."""

    def generator(
        self,
        source: TensorSpec,
        target: TensorSpec,
        *,
        condition: int = 0,
        taps: bool = False,
        planes: bool = False,
    ) -> nn.Module:
        """A network of the architecture that ``[generator]`` names.

        Args:
            source: What goes in.
            target: What comes out.
            condition: How many numbers it is told besides, such as a label or a latent code: it is
                then called as ``network(x, condition)``, with ``(batch, condition)`` floats. Every
                architecture can be: one that has no way of its own for it sees each number as a
                constant plane, a further channel of its input.
            taps: Whether inner features are wanted: ``network(x, taps=depths)`` then returns a list
                of ``(batch, channels, *sizes)``, one for each of the ``depths``, and computes no
                more than that. A depth is a share of its layers, in 0..1: at 0 there is the input.
                A condition goes before ``taps``.
            planes: Show a condition as planes even to an architecture that has another way.

        Raises:
            RecipeError: If the architecture has no such thing; says which have. If planes would
                have no effect on what it makes.
        """

    def discriminator(self, source: TensorSpec, *, classes: int = 0) -> nn.Module:
        """A network of the architecture that ``[discriminator]`` names.

        Args:
            source: What it judges.
            classes: How many further logits for the whole sample are wanted: it then returns
                ``(logits, (batch, classes))`` in place of logits alone.

        Raises:
            RecipeError: If the architecture has no such thing; says which have.
        """

    def own(self, name: str, make: Callable[[], Own]) -> Own:
        """A module of the objective's own, such as a projection head or an encoder.

        Args:
            name: Its name among the networks: its first weights follow from that and the seed.
            make: Makes it.
        """


class Objective(ABC):
    """States what is trained on what, and computes losses; never steps an optimizer.

    Domains, streams, phases and directions may be plain class attributes, or properties where they
    depend on the options. Losses come from ``losses``, or from ``terms``, which lets
    ``train.memory = "low"`` take them one group at a time.

    Attributes:
        name: What ``objective.name`` says in a recipe.
        summary: One line for listings.
        Options: Settings of the ``[objective]`` table besides ``name``.
        options: The validated settings of this run.
        specs: Spec of each domain's tensors.
        history: Buffers of earlier fakes, by names that stay fixed: an objective that fills it has
            them in its checkpoints.

    Args:
        options: The recipe's ``[objective]`` table.
        specs: Spec of each domain's tensors.
        seed: The run's; ``rank`` tells equal buffers on several ranks apart.
    """

    name: ClassVar[str] = ""
    """What ``objective.name`` says in a recipe."""

    summary: ClassVar[str] = ""
    """One line for listings."""

    Options: ClassVar[type[Options]] = Options
    """Settings of the ``[objective]`` table besides ``name``."""

    def __init__(
        self, options: Any, specs: Mapping[str, TensorSpec], seed: int = 0, rank: int = 0
    ) -> None:
        self.options = options
        self.specs = {domain: specs[domain] for domain in self.domains}
        self.history: dict[str, HistoryBuffer] = {}

    @classmethod
    def with_domains(cls, options: Any, found: Callable[[], Sequence[str]]) -> Any:
        """The options of a new run, which say what ``domains`` are. Default: as they are.

        Args:
            options: As the recipe has them.
            found: Looks for domains in the data: the keys of ``data.domains``, or the folders of
                ``data.root``. Data that the plugin makes has none before it is made.

        Raises:
            RecipeError: If they cannot be used.
        """
        return options

    @property
    @abstractmethod
    def domains(self) -> Sequence[str]:
        """The kinds of samples; each has training files of its own. They may depend on ``options``
        and nothing else."""

    @property
    @abstractmethod
    def streams(self) -> Mapping[str, Stream]:
        """Entries of a batch, by name."""

    @property
    @abstractmethod
    def phases(self) -> Sequence[Phase]:
        """The phases of a step, in order."""

    @property
    @abstractmethod
    def directions(self) -> Sequence[Direction]:
        """The translations that can be asked for."""

    @abstractmethod
    def networks(self, build: NetworkBuilder) -> dict[str, nn.Module]:
        """Make the networks, by names that stay fixed in checkpoints."""

    @abstractmethod
    def translate(
        self, networks: Networks, x: Tensor, direction: Direction, code: Tensor | None = None
    ) -> Tensor:
        """Translate a batch, as after training.

        Args:
            networks: Those that the direction names, trained.
            x: ``(batch, channels, *sizes)`` of the source, whose sizes fit the networks already;
                zeros in its gaps.
            direction: One of ``directions``.
            code: ``(batch, size)`` where ``code`` says a size.

        Returns:
            ``(batch, channels, *sizes)`` of the target.
        """

    def without_gaps(self, batch: Batch, step: Step) -> Batch:
        """A batch with zeros for gaps, where domains have some (``TensorSpec.gaps``);
        ``step.known`` then says of each stream where there are none."""
        without: dict[str, Tensor] = {}
        step.known = {}
        for name, x in batch.items():
            stream = self.streams.get(name)
            if stream is not None and self.specs[stream.domains[0]].gaps:
                x, step.known[name] = filled(x)
            without[name] = x
        return without

    @property
    def differentiates_twice(self) -> bool:
        """Whether a loss holds a gradient, as a gradient penalty does, which compiled networks
        (``train.compile``) cannot do. Default: no."""
        return False

    def code(self, direction: Direction) -> int | None:
        """Size of the latent code that a direction takes besides its input. Default: none.

        At translation each item has a code of its own from N(0, 1), which follows from a seed and
        the item's name; all tiles of an item share it.
        """
        return None

    def terms(
        self, phase: str, networks: Networks, batch: Batch, step: Step
    ) -> Sequence[TermGroup]:
        """A phase's losses as terms, in groups that can be differentiated one after the other.

        Args:
            phase: Name of one of ``phases``.
            networks: By name.
            batch: By stream, with labels.
            step: Source of chance, and where a phase leaves things for a later one.

        Returns:
            Default: nothing, where ``losses`` says it all.
        """
        return ()

    def losses(self, phase: str, networks: Networks, batch: Batch, step: Step) -> Losses:
        """A phase's losses for one batch. Default: all ``terms``, added up in their order."""
        groups = self.terms(phase, networks, batch, step)
        if not groups:
            raise NotImplementedError(f"{type(self).__name__} needs losses, or terms")
        for group in groups:
            group.share()
        return added(chain.from_iterable(group.terms for group in groups), batch)

    def parts(self, phase: Phase, networks: Networks, batch: Batch, step: Step) -> Sequence[Part]:
        """The same losses in parts, for ``train.memory = "low"``. Default: a part for each group of
        ``terms``, or all in one where there are only ``losses``.

        Totals, terms and gradients of all parts add up to what ``losses`` gives: whoever changes
        ``losses`` of an objective that has ``terms`` changes this, too. Parts are computed in their
        order, each one's gradient is taken before the next is computed, and ``step.kept`` has been
        filled once the last is done.
        """
        groups = self.terms(phase.name, networks, batch, step)
        parts = [_part(group, phase, batch) for group in groups]
        return parts or [whole(self, phase, networks, batch, step)]

    def state_dict(self) -> dict[str, Any]:
        """What must survive a restart besides the networks. Default: ``history``."""
        return {name: buffer.state_dict() for name, buffer in self.history.items()}

    def load_state_dict(self, state: Mapping[str, Any], device: torch.device) -> None:
        """Take back what ``state_dict`` returned."""
        for name, buffer in self.history.items():
            buffer.load_state_dict(state[name], device)

    def deal(self, states: Sequence[Mapping[str, Any]], ranks: int, rank: int) -> Mapping[str, Any]:
        """One rank's share of what another number of ranks left. Default: stored fakes, dealt out
        evenly."""
        return {
            name: buffer.dealt([state[name] for state in states], ranks, rank)
            for name, buffer in self.history.items()
        }


def whole(objective: Objective, phase: Phase, networks: Networks, batch: Batch, step: Step) -> Part:
    """All of a phase's losses at once."""
    return Part(phase.trains, lambda: objective.losses(phase.name, networks, batch, step))


def added(terms: Iterable[Term], batch: Batch) -> Losses:
    """Terms computed one after the other and added up."""
    like = next(iter(batch.values()))
    total = torch.zeros((), device=like.device)
    found: dict[str, Tensor] = {}
    for term in terms:
        value = term.compute()
        total = total + term.weight * value
        found[term.name] = value.detach()
    return Losses(total, found)


def _part(group: TermGroup, phase: Phase, batch: Batch) -> Part:
    called = {name for term in group.terms for name in term.networks}

    def losses() -> Losses:
        group.share()
        return added(group.terms, batch)

    return Part(tuple(name for name in phase.trains if name in called), losses)
