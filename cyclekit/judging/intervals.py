"""How far chance among the test items goes: bootstrap intervals of means (Efron 1979), seeded.

Nothing here knows by what chance a training came to its weights: another seed is another run.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 2000
COVERED = 0.95
BLOCK = 2**22  # numbers that are drawn at once

Values = Sequence[float]
"""A figure's value of each item; NaN where an item has none."""


class Interval(NamedTuple):
    """Ends of a 95 % interval."""

    low: float
    high: float


class Difference(NamedTuple):
    """Between two means: what it is, and its interval."""

    value: float
    interval: Interval

    @property
    def is_clear(self) -> bool:
        """Whether it is more than chance among the items: the interval leaves out 0."""
        return self.interval.low > 0 or self.interval.high < 0


def interval_of(directions: Sequence[Values], seed: int) -> Interval | None:
    """Of a figure's mean over directions, each of which is the mean of its items' values.

    Directions with as many items are resampled alike, since their items may be counterparts.

    Args:
        directions: Values of each.
        seed: Of the resampling.

    Returns:
        ``None`` where a direction has fewer than two values.
    """
    if not directions or any(np.isfinite(values).sum() < 2 for values in directions):
        return None
    means = np.mean([_resampled(values, seed) for values in directions], axis=0)
    return _ends(means)


def difference_of(
    first: Sequence[Values], second: Sequence[Values], paired: bool, seed: int
) -> Difference | None:
    """Of two figures' means: the second less the first.

    Args:
        first: Values by direction.
        second: Likewise.
        paired: Whether both have the same items in the same order, which are then resampled alike.
        seed: Of the resampling.

    Returns:
        ``None`` where a direction has fewer than two values.
    """
    if any(np.isfinite(values).sum() < 2 for values in (*first, *second)):
        return None
    one, other = (np.mean([_mean(v) for v in side]) for side in (first, second))
    apart = np.mean([_resampled(v, seed + (not paired)) for v in second], axis=0)
    apart -= np.mean([_resampled(v, seed) for v in first], axis=0)
    return Difference(float(other - one), _ends(apart))


def _mean(values: Values) -> float:
    return float(np.nanmean(np.asarray(values, dtype=np.float64)))


def _resampled(values: Values, seed: int) -> NDArray[np.float64]:
    """``(RESAMPLES,)`` means of as many values drawn with replacement."""
    own = np.asarray(values, dtype=np.float64)
    there = np.isfinite(own)
    filled = np.where(there, own, 0.0)
    rng = np.random.default_rng([seed, len(own)])
    means, at_once = [], max(BLOCK // len(own), 1)
    for start in range(0, RESAMPLES, at_once):
        count = min(at_once, RESAMPLES - start)
        drawn = rng.integers(len(own), size=(count, len(own)))
        counts = there[drawn].sum(axis=1)
        sums = np.where(counts > 0, filled[drawn].sum(axis=1), np.nan)  # none that has a value
        means.append(sums / np.maximum(counts, 1))
    return np.concatenate(means)


def _ends(means: NDArray[np.float64]) -> Interval:
    beyond = (1 - COVERED) / 2
    low, high = np.nanquantile(means, [beyond, 1 - beyond])
    return Interval(float(low), float(high))
