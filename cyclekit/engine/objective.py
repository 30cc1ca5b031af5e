"""What is trained on what: an objective declares it, and computes the losses."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from cyclekit.contract.declarations import Direction, Phase, Stream
from cyclekit.contract.options import Options
from cyclekit.contract.tensors import TensorSpec
from cyclekit.engine.functional import fill_gaps
from cyclekit.engine.history import HistoryBuffer
from cyclekit.engine.network_builder import NetworkBuilder, Networks
from cyclekit.engine.step import Batch, Step
from cyclekit.engine.terms import Losses, PartialLoss, TermGroup, group_loss, sum_terms


class Objective(ABC):
    """States what is trained on what, and computes losses; never steps an optimizer.

    Domains, streams, phases and directions may be plain class attributes, or properties where they
    depend on the options. Losses come from ``losses``, or from ``terms``, which lets
    ``train.memory = "low"`` take them one group at a time.

    Attributes:
        name: What ``objective.name`` says in a recipe.
        summary: One line for listings.
        Options: Settings of the ``[objective]`` table besides ``name``.
        replayable: Whether ``train.cuda_graphs`` may record a phase once and replay it: all chance
            comes from ``step`` and ``history``, no number of a batch or a step decides anything on
            the host, and where steps differ in more than numbers, so do the names or weights of
            their ``terms``. Each class states it for itself: what a subclass adds may be otherwise.
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

    replayable: ClassVar[bool] = False
    """Whether ``train.cuda_graphs`` may record its phases."""

    def __init__(
        self, options: Any, specs: Mapping[str, TensorSpec], seed: int = 0, rank: int = 0
    ) -> None:
        self.options = options
        self.specs = {domain: specs[domain] for domain in self.domains}
        self.history: dict[str, HistoryBuffer] = {}

    @classmethod
    def with_domains(cls, options: Any, found: Callable[[], Sequence[str]]) -> Any:
        """The options of a new run, which say what ``domains`` are. By default: as they are.

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
    def attributes(self) -> Sequence[str]:
        """What labels say about each sample, where they are not about its domain: columns of the
        table ``data.attributes``. By default: none.

        Domains are then views of the same files, ``without(name)`` and ``name`` for each
        attribute: a file is in one of each two. Streams draw from one attribute's two.
        ``translate`` is given samples' own attributes for a code.
        """
        return ()

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
        ``step.valid`` then says of each stream where there are none."""
        without: dict[str, Tensor] = {}
        step.valid = {}
        for name, x in batch.items():
            stream = self.streams.get(name)
            if stream is not None and self.specs[stream.domains[0]].gaps:
                x, step.valid[name] = fill_gaps(x)
            without[name] = x
        return without

    @property
    def undecided(self) -> Mapping[str, float]:
        """What each discriminator's loss is, by the name of its term, where it answers the same to
        whatever it sees, as well as can be: ``AdversarialLoss.undecided``. By it a discriminator is
        known that has won or lost for long, or knows its files by heart. By default: nothing is
        said, and none of that is looked for."""
        return {}

    @property
    def differentiates_twice(self) -> bool:
        """Whether a loss holds a gradient, as a gradient penalty does, which compiled networks
        (``train.compile``) cannot do. By default: no."""
        return False

    def label(self, direction: Direction) -> Sequence[float] | None:
        """What says to which target a direction translates, where its networks do so to several.
        By default: nothing does.

        ``translate`` then takes ``label``, ``(batch, size)``, in place of the direction's own, so
        that an exported file, which has it for an input, translates to all of these targets.
        """
        return None

    def code(self, direction: Direction) -> int | None:
        """Size of the code that a direction takes besides its input. By default: none, or, where
        there are ``attributes``, as many.

        At translation each item has a code of its own from N(0, 1), which follows from a seed and
        the item's name; all tiles of an item share it. Attributes are those that the item has.
        """
        return len(self.attributes) or None

    def code_of(self, networks: Networks, example: Tensor, direction: Direction) -> Tensor:
        """The code with which a direction would have made an example. By default: it cannot be
        told.

        Args:
            networks: Those that the direction names for it (``coding``), trained.
            example: ``(batch, channels, *sizes)`` of the target.
            direction: One that takes codes.

        Returns:
            ``(batch, size)``.
        """
        raise NotImplementedError(f"{type(self).__name__} has no code_of")

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
            By default: nothing, where ``losses`` says it all.
        """
        return ()

    def losses(self, phase: str, networks: Networks, batch: Batch, step: Step) -> Losses:
        """A phase's losses for one batch. By default: all ``terms``, added up in their order."""
        groups = self.terms(phase, networks, batch, step)
        if not groups:
            raise NotImplementedError(f"{type(self).__name__} needs losses, or terms")
        for group in groups:
            group.share()
        return sum_terms(chain.from_iterable(group.terms for group in groups), batch)

    def partial_losses(
        self, phase: Phase, networks: Networks, batch: Batch, step: Step
    ) -> Sequence[PartialLoss]:
        """The same losses, to be differentiated one after the other (``train.memory = "low"``).
        By default: one for each group of ``terms``, or all in one where there are only ``losses``.

        Their totals, terms and gradients add up to what ``losses`` gives: whoever changes
        ``losses`` of an objective that has ``terms`` changes this, too. They are computed in their
        order, each one's gradient is taken before the next is computed, and ``step.carried`` has
        been filled once the last is done.
        """
        groups = self.terms(phase.name, networks, batch, step)
        partial = [group_loss(group, phase, batch) for group in groups]
        return partial or [complete_loss(self, phase, networks, batch, step)]

    def state_dict(self) -> dict[str, Any]:
        """What must survive a restart besides the networks. By default: ``history``."""
        return {name: buffer.state_dict() for name, buffer in self.history.items()}

    def load_state_dict(self, state: Mapping[str, Any], device: torch.device) -> None:
        """Take back what ``state_dict`` returned."""
        for name, buffer in self.history.items():
            buffer.load_state_dict(state[name], device)

    def redistribute(
        self, states: Sequence[Mapping[str, Any]], ranks: int, rank: int
    ) -> Mapping[str, Any]:
        """One rank's share of what another number of ranks left. By default: stored fakes, dealt
        out evenly."""
        return {
            name: buffer.redistributed([state[name] for state in states], ranks, rank)
            for name, buffer in self.history.items()
        }


def complete_loss(
    objective: Objective, phase: Phase, networks: Networks, batch: Batch, step: Step
) -> PartialLoss:
    """All of a phase's losses at once."""
    return PartialLoss(phase.trains, lambda: objective.losses(phase.name, networks, batch, step))
