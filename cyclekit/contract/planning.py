"""What a planner is told of data and machine, and what it proposes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Survey:
    """What is to be trained on.

    Attributes:
        files: Some training files of each domain, at most 200, spread over all of them.
        counts: How many training files each domain has.
        seconds: How long the training is to take, everything included.
        device: Kind of device that computes, such as ``"cpu"`` or ``"cuda"``.
    """

    files: Mapping[str, Sequence[Path]]
    counts: Mapping[str, int]
    seconds: float
    device: str


@dataclass(frozen=True)
class Candidate:
    """Settings that a training could have.

    Attributes:
        settings: The recipe's tables as far as they are not at their defaults. How many steps there
            are, and what is evaluated, shown and saved when, is cyclekit's to say.
        least_steps: With fewer, a smaller candidate is better.
        step_seconds: How long a step took on the machine of your trials; what cyclekit measures
            with one candidate tells it about the others in proportion. 0: not known.
        reasons: For each key, or several with a comma between, why: the trial behind it.
    """

    settings: Mapping[str, Any]
    least_steps: int = 1
    step_seconds: float = 0.0
    reasons: Mapping[str, str] = field(default_factory=dict)


Proposing = Callable[[Survey], Sequence[Candidate]]
"""A planner: at least one candidate, the best for whoever has most time first."""
