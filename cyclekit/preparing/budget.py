"""How many steps a number of minutes is enough for, by what steps and all else really take.

Arithmetic on seconds, and nothing else: what is decided becomes a plan in ``training/plans.py``.
"""

import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from cyclekit.recipe.settings import TrainSettings

AIM = 0.98  # share of the budget at which a plan ends: what comes after the last step wanders
TOLERANCE = 0.04  # share of the budget by which a plan may be off before there is another one
WARM_UP = 2  # steps that are slower than others
WINDOW = 0.02  # share of the budget over which steps are timed
WINDOWS = 3  # the last ones, whose mean is the pace
FEWEST = 3  # steps in a window
MOST_FIRST = 0.05  # share of the steps of the first plan, which is a guess, in the first window
LEAST_GUESS = 1000  # steps of that plan, lest it ends before there is another one

EVALUATION, PREVIEW, CHECKPOINT = "evaluation", "preview", "checkpoint"


def now() -> float:
    """Seconds, from some beginning."""
    return time.monotonic()


@dataclass
class Costs:
    """Seconds of what is no step.

    Attributes:
        seconds: That each kind took when it was last done, or is thought to take.
        total: Of all that was done in this process.
    """

    seconds: dict[str, float] = field(default_factory=dict)
    total: float = 0.0

    @contextmanager
    def measuring(self, kind: str) -> Iterator[None]:
        """Measure what is done meanwhile."""
        begun = now()
        try:
            yield
        finally:
            self.seconds[kind] = now() - begun
            self.total += self.seconds[kind]

    def between(self, step: int, steps: int, settings: TrainSettings) -> float:
        """Seconds of all that is done on a cadence after ``step`` in a training of ``steps``."""
        cadences = {
            EVALUATION: settings.evaluate_every,
            PREVIEW: settings.preview_every,
            CHECKPOINT: settings.checkpoint_every or steps,
        }
        return sum(
            times_due(every, step, steps) * self.seconds.get(kind, 0.0)
            for kind, every in cadences.items()
        )


def times_due(every: int, step: int, steps: int) -> int:
    """How often something on a cadence is done after ``step``; in any case after the last step."""
    if every == 0 or steps <= step:
        return 0
    return (steps - 1) // every - step // every + 1


class Budget:
    """Says how many steps a training should have, so that it ends when its time is over.

    Args:
        minutes: For all of it, everything included.
        settings: Its cadences.
        costs: What was and will be measured of what is no step.
        begun: When the run began, by ``now``.
        before: Seconds after which these minutes begin: what was trained before is not of them.

    Attributes:
        pace: Seconds a step takes; 0 before that is known.
    """

    def __init__(
        self,
        minutes: float,
        settings: TrainSettings,
        costs: Costs,
        begun: float | None = None,
        before: float = 0.0,
    ) -> None:
        self.minutes = minutes
        self.pace = 0.0
        self._settings = settings
        self._costs = costs
        self._begun = now() if begun is None else begun
        self._before = before
        self._first: int | None = None  # step of this process
        self._mark = (0, 0.0)
        self._windows: deque[tuple[int, float]] = deque(maxlen=WINDOWS)

    @property
    def spent(self) -> float:
        """Seconds of these minutes so far."""
        return self.elapsed - self._before

    @property
    def elapsed(self) -> float:
        """Seconds of the run so far."""
        return now() - self._begun

    def suggest(self, step: int, steps: int) -> int | None:
        """Another number of steps in all, where the one that is planned is off.

        Args:
            step: Steps done; after each of them, or every few, this is asked.
            steps: Planned in all.
        """
        begins = not self.pace
        if not self._time(step, steps):
            return None
        fitting = self.fitting(step)
        off = abs(self._end(step, steps) - self._end(step, fitting))
        wanted = begins or off > TOLERANCE * self._seconds
        return fitting if wanted and fitting != steps else None

    def fitting(self, step: int) -> int:
        """The most steps in all that are done in time; no fewer than are done already."""
        left = AIM * self._seconds - self.spent
        fewest, most = step, step + max(0, int(left / self.pace))
        while fewest < most:  # what is no step comes in lumps
            middle = (fewest + most + 1) // 2
            if self._end(step, middle) <= AIM * self._seconds:
                fewest = middle
            else:
                most = middle - 1
        return fewest

    @property
    def _seconds(self) -> float:
        return 60 * self.minutes

    def _end(self, step: int, steps: int) -> float:
        """Seconds that will have been spent at the end."""
        return (
            self.spent
            + (steps - step) * self.pace
            + self._costs.between(step, steps, self._settings)
        )

    def _time(self, step: int, steps: int) -> bool:
        """Take the time of the steps; whether a window has ended, and with it the pace is new."""
        working = now() - self._costs.total
        if self._first is None:
            self._first = step
        if step - self._first < WARM_UP or not self._mark[0]:
            self._mark = (step, working)
            return False
        done, taken = step - self._mark[0], working - self._mark[1]
        shown = taken >= WINDOW * self._seconds or (not self.pace and done >= MOST_FIRST * steps)
        if done < FEWEST or not shown:
            return False
        self._mark = (step, working)
        self._windows.append((done, taken))
        # Where a clock stands still, a step takes no time that could be divided by.
        self.pace = max(1e-6, sum(t for _, t in self._windows) / sum(n for n, _ in self._windows))
        return True
