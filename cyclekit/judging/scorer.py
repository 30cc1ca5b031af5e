"""Calls metrics: fits each once, passes on what it warns of, and survives its failures."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from cyclekit.contract.metrics import Metric, Translations
from cyclekit.describe import describe_exception
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
        say: Told which metric is at work.

    Attributes:
        metrics: The ones that were given.
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
        self.protocol: dict[str, str] = {}

    def measure(self, translations: Translations[Any], names: Sequence[str] = ()) -> Scores:
        """Every figure that can be had of these translations, of files with these names."""
        scores = Scores(names=names)
        for metric in self.metrics if translations.inputs else ():
            if (
                (metric.needs_pairs and not translations.truths)
                or (metric.needs_cycle and not translations.cycled)
                or metric.name in self._unfit
            ):
                continue
            self._say(f"measuring {metric.name}")
            try:
                with self._told.passing_on():
                    scored = metric.score(translations, self._fit(metric))
                values = _by_item(scored, len(translations.outputs))
                numbers = {name: _number(value) for name, value in scored.items()}
                figures = self._finite(numbers, metric, translations)
            except CyclekitError:
                raise
            except Exception as error:
                self._told.once(f"metric {metric.name!r} failed: {describe_exception(error)}")
                continue
            scores.figures.update(figures)
            scores.values.update({n: each for n, each in values.items() if n in figures})
            if numbers and metric.protocol:
                self.protocol[metric.name] = metric.protocol
        return scores

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


def _by_item(scored: Mapping[str, float | Sequence[float]], count: int) -> dict[str, list[float]]:
    """The figures that are means over items, with each item's value."""
    found = {}
    for name, value in scored.items():
        if not isinstance(value, Sequence):
            continue
        if len(value) != count:
            raise ValueError(f"{name} has {len(value)} values for {count} items")
        found[name] = [float(each) for each in value]
    return found


def _number(value: float | Sequence[float]) -> float:
    """A figure; of a value for each item the mean of those that are there."""
    if not isinstance(value, Sequence):
        return float(value)
    there = [float(each) for each in value if not math.isnan(each)]
    return sum(there) / len(there) if there else math.nan
