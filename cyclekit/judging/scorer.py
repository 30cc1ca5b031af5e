"""Calls metrics: fits each once, passes on what it warns of, and survives its failures."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from cyclekit.contract.metrics import Estimate, Metric, Translations
from cyclekit.describe import describe_exception, duration
from cyclekit.errors import CyclekitError
from cyclekit.judging.evidence import Evidence
from cyclekit.judging.figures import Figures, Scores
from cyclekit.names import heading
from cyclekit.storage.folder import Storage
from cyclekit.warned import Told


class Scorer:
    """Measures translations with some metrics.

    Args:
        metrics: Called where their needs are met.
        evidence: Training items to fit on.
        seed: For fitting.
        cache: Folder in which metrics keep what they learned.
        warn: Told, once each, of failures and of what metrics warn of.
        say: Told which metric is at work, and how long all that is expected still takes.

    Attributes:
        metrics: The ones that were given.
        to_come: How many times ``measure`` will still be called, as far as known.
        protocol: How the figures were computed that have been so far: a line by metric.
    """

    def __init__(
        self,
        metrics: Sequence[Metric],
        evidence: Evidence,
        seed: int,
        cache: Storage,
        warn: Callable[[str], None],
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.metrics = metrics
        self._evidence = evidence
        self._seed = seed
        self._cache = cache
        self._say = say
        self._told = Told(warn)
        self._fitted: dict[str, Any] = {}
        self._unfit: set[str] = set()
        self._took: dict[str, float] = {}  # seconds of each metric's last call, fitting aside
        self.to_come = 0
        self.protocol: dict[str, str] = {}

    def measure(self, translations: Translations[Any], names: Sequence[str] = ()) -> Scores:
        """Every figure that can be had of these translations, of files with these names."""
        scores = Scores(names=names)
        self.to_come = max(self.to_come - 1, 0)
        called = [metric for metric in self.metrics if self._applies(metric, translations)]
        for place, metric in enumerate(called):
            self._say(f"measuring {metric.name}{self._left(called[place:])}")
            try:
                with self._told.passing_on():
                    fitted = self._fit(metric)
                    begun = time.monotonic()
                    scored = metric.score(translations, fitted)
                    self._took[metric.name] = time.monotonic() - begun
                values = _by_item(scored, len(translations.outputs))
                numbers = {name: _number(value) for name, value in scored.items()}
                figures = self._finite(numbers, metric, translations)
            except CyclekitError:
                raise
            except Exception as error:
                self._told.once(f"metric {metric.name!r} failed: {describe_exception(error)}")
                continue
            scores.figures.update(figures)
            scores.intervals.update(_intervals(scored, figures))
            scores.values.update({n: each for n, each in values.items() if n in figures})
            if numbers and metric.protocol:
                self.protocol[metric.name] = metric.protocol
        return scores

    def _applies(self, metric: Metric, translations: Translations[Any]) -> bool:
        return not (
            not translations.inputs
            or (metric.needs_pairs and not translations.truths)
            or (metric.needs_cycle and not translations.cycled)
            or metric.name in self._unfit
        )

    def _left(self, called: Sequence[Metric]) -> str:
        """Says how long these metrics, and those of the translations to come, still take."""
        if not all(metric.name in self._took for metric in called):
            return ""
        here = sum(self._took[metric.name] for metric in called)
        left = here + self.to_come * sum(self._took.values())
        return f", about {duration(left)} left"

    def _fit(self, metric: Metric) -> Any:
        """What the metric learns, which is tried once."""
        if metric.fit is not None and metric.name not in self._fitted:
            cache = self._cache.below(metric.name).make()
            self._unfit.add(metric.name)
            self._fitted[metric.name] = metric.fit(self._evidence.train_items, self._seed, cache)
            self._unfit.remove(metric.name)
        return self._fitted.get(metric.name)

    def _finite(self, figures: Figures, metric: Metric, judged: Translations[Any]) -> Figures:
        """Leave out, with a warning, what is no number."""
        way = f"{heading(judged.source)} to {heading(judged.target)}"
        for name, value in figures.items():
            if not math.isfinite(value):
                self._told.once(f"metric {metric.name!r}, {way}: {name} is {value}; left out")
        return {name: value for name, value in figures.items() if math.isfinite(value)}


def _by_item(
    scored: Mapping[str, float | Sequence[float] | Estimate], count: int
) -> dict[str, list[float]]:
    """The figures that are means over items, with each item's value."""
    found = {}
    for name, value in scored.items():
        if not isinstance(value, Sequence):
            continue
        if len(value) != count:
            raise ValueError(f"{name} has {len(value)} values for {count} items")
        found[name] = [float(each) for each in value]
    return found


def _intervals(
    scored: Mapping[str, float | Sequence[float] | Estimate], figures: Figures
) -> dict[str, tuple[float, float]]:
    """Of figures that were kept and say how sure they are; ends that are no numbers say nothing."""
    sure = {name: value for name, value in scored.items() if isinstance(value, Estimate)}
    return {
        name: (float(found.low), float(found.high))
        for name, found in sure.items()
        if name in figures and math.isfinite(found.low) and math.isfinite(found.high)
    }


def _number(value: float | Sequence[float] | Estimate) -> float:
    """A figure; of a value for each item the mean of those that are there."""
    if not isinstance(value, Sequence):
        return float(value)
    there = [float(each) for each in value if not math.isnan(each)]
    return sum(there) / len(there) if there else math.nan
