"""What a trainer asks of an objective: networks, phases, losses. It knows no particular loss."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor, nn

from cyclekit.contract import Options, TensorSpec
from cyclekit.randomness import torch_generator

Networks = Mapping[str, nn.Module]
Batch = Mapping[str, Tensor]


@dataclass(frozen=True)
class Phase:
    """A part of a step that ends with one optimizer's step.

    Attributes:
        name: Of the phase and its optimizer.
        trains: Names of the networks it trains; all others are frozen meanwhile.
        judges: Whether these are discriminators, which have a learning rate of their own.
    """

    name: str
    trains: tuple[str, ...]
    judges: bool = False


@dataclass(frozen=True)
class Direction:
    """A translation that the trained networks can do, from one domain to another."""

    source: str
    target: str
    network: str

    @property
    def ends(self) -> tuple[str, str]:
        """Source and target."""
        return self.source, self.target

    @property
    def name(self) -> str:
        """As the command line says it, for instance ``a2b``."""
        return f"{self.source}2{self.target}"


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

    def normal(self, like: Tensor, *words: str) -> Tensor:
        """Gaussian noise shaped ``like`` a batch, each sample's from (seed, step, position)."""
        return self._draw(torch.randn, like.shape[1:], like, words)

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


class NetworkBuilder(Protocol):
    """Builds the architectures that the recipe chose."""

    def generator(self, source: TensorSpec, target: TensorSpec) -> nn.Module:
        """A network from one kind of tensor to another."""

    def discriminator(self, source: TensorSpec) -> nn.Module:
        """A network that judges one kind of tensor."""


class Objective(ABC):
    """Computes losses; never steps an optimizer and never owns a network.

    Args:
        options: The recipe's ``[objective]`` table.
        specs: Spec of each domain's tensors.
        history_size: The recipe's ``history.size``.
        seed: The run's; ``rank`` tells equal buffers on several ranks apart.
    """

    Options: ClassVar[type[Options]] = Options

    def __init__(
        self,
        options: Any,
        specs: Mapping[str, TensorSpec],
        history_size: int = 0,
        seed: int = 0,
        rank: int = 0,
    ) -> None:
        self.options = options
        self.specs = specs

    @property
    @abstractmethod
    def streams(self) -> Mapping[str, tuple[str, ...]]:
        """Entries of a batch, and the data domains that each draws from."""

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
    def losses(self, phase: str, networks: Networks, batch: Batch, step: Step) -> Losses:
        """Compute a phase's losses for one batch."""

    def parts(self, phase: Phase, networks: Networks, batch: Batch, step: Step) -> Sequence[Part]:
        """The same losses in parts, for ``train.memory = "low"``. Default: all of them in one.

        Totals, terms and gradients of all parts add up to what ``losses`` gives. They are computed
        in their order, each one's gradient is taken before the next is computed, and ``step.kept``
        has been filled once the last is done.
        """
        return [whole(self, phase, networks, batch, step)]

    @abstractmethod
    def translate(self, networks: Networks, x: Tensor, direction: Direction) -> Tensor:
        """Translate ``(batch, channels, *sizes)``, whose sizes fit the network already."""

    def state_dict(self) -> dict[str, Any]:
        """What must survive a restart besides the networks."""
        return {}

    def load_state_dict(  # noqa: B027 - optional
        self, state: Mapping[str, Any], device: torch.device
    ) -> None:
        """Take back what ``state_dict`` returned."""

    def deal(self, states: Sequence[Mapping[str, Any]], ranks: int, rank: int) -> Mapping[str, Any]:
        """One rank's share of what another number of ranks left. Default: one of theirs."""
        return states[rank % len(states)]


def whole(objective: Objective, phase: Phase, networks: Networks, batch: Batch, step: Step) -> Part:
    """All of a phase's losses at once."""
    return Part(phase.trains, lambda: objective.losses(phase.name, networks, batch, step))
