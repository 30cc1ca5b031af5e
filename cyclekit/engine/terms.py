"""What a phase's loss is the sum of: terms, in groups that are differentiated together."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from cyclekit.contract.declarations import Phase
from cyclekit.engine.step import Batch


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
class PartialLoss:
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


def sum_terms(terms: Iterable[Term], batch: Batch) -> Losses:
    """Terms computed one after the other and added up."""
    like = next(iter(batch.values()))
    total = torch.zeros((), device=like.device)
    found: dict[str, Tensor] = {}
    for term in terms:
        value = term.compute()
        total = total + term.weight * value
        found[term.name] = value.detach()
    return Losses(total, found)


def group_loss(group: TermGroup, phase: Phase, batch: Batch) -> PartialLoss:
    """What the terms of one group cost, with the networks of the phase that they call."""
    called = {name for term in group.terms for name in term.networks}

    def losses() -> Losses:
        group.share()
        return sum_terms(group.terms, batch)

    return PartialLoss(tuple(name for name in phase.trains if name in called), losses)
