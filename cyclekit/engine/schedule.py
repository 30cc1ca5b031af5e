"""The learning rate over a run, as factors on its highest value."""

import math
from collections.abc import Callable

from cyclekit.recipe.settings import TrainSettings


def rate_factor(step: float, settings: TrainSettings) -> float:
    """Factor on the learning rates, 1 at first.

    Args:
        step: Steps done so far, ``0 <= step < settings.steps``; parts of one where a training was
            planned anew (``Timeline.place``).
        settings: The recipe's ``[train]`` table, which names the schedule.
    """
    return SCHEDULES[settings.schedule](step, settings)


def linear(step: float, settings: TrainSettings) -> float:
    """1, then falling in a straight line to zero just after the last step.

    The last step still learns. (The widely used implementation spends its last epoch at rate zero.)
    """
    start = settings.decay_from * settings.steps
    return 1.0 if step <= start else (settings.steps - step) / (settings.steps - start)


def cosine(step: float, settings: TrainSettings) -> float:
    """1, then half a wave of a cosine (arXiv 1608.03983) down to zero just after the last step."""
    return (1 - math.cos(math.pi * linear(step, settings))) / 2


def stairs(step: float, settings: TrainSettings) -> float:
    """1, then ``step_factor`` times as much after each ``step_every`` of the run: StepLR."""
    length = max(1, round(settings.step_every * settings.steps))
    return float(settings.step_factor ** (step // length))


def constant(step: float, settings: TrainSettings) -> float:
    """1 throughout."""
    return 1.0


SCHEDULES: dict[str, Callable[[float, TrainSettings], float]] = {
    "linear": linear,
    "cosine": cosine,
    "step": stairs,
    "constant": constant,
}
