"""The learning rate over a run, as factors on its highest value."""

import math
from collections.abc import Callable

from cyclekit.recipe.settings import TrainSettings


def rate_factor(step: int, settings: TrainSettings) -> float:
    """Factor on the learning rates, 1 at first.

    Args:
        step: Steps done so far, ``0 <= step < settings.steps``.
        settings: The recipe's ``[train]`` table, which names the schedule.
    """
    return SCHEDULES[settings.schedule](step, settings)


def linear(step: int, settings: TrainSettings) -> float:
    """1, then falling in a straight line to zero just after the last step.

    The last step still learns. (The widely used implementation spends its last epoch at rate zero.)
    """
    start = settings.decay_from * settings.steps
    return 1.0 if step <= start else (settings.steps - step) / (settings.steps - start)


def cosine(step: int, settings: TrainSettings) -> float:
    """1, then half a wave of a cosine (arXiv 1608.03983) down to zero just after the last step."""
    return (1 - math.cos(math.pi * linear(step, settings))) / 2


def stairs(step: int, settings: TrainSettings) -> float:
    """1, then ``step_factor`` times as much after each ``step_every`` of the run: StepLR."""
    length = max(1, round(settings.step_every * settings.steps))
    return float(settings.step_factor ** (step // length))


def constant(step: int, settings: TrainSettings) -> float:
    """1 throughout."""
    return 1.0


SCHEDULES: dict[str, Callable[[int, TrainSettings], float]] = {
    "linear": linear,
    "cosine": cosine,
    "step": stairs,
    "constant": constant,
}
