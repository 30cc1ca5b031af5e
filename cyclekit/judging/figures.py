"""Figures by direction: their mean, and the one that decides which checkpoint is best."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from cyclekit.contract.deciding import deciding
from cyclekit.contract.metrics import Metric
from cyclekit.recipe.settings import BestSettings

Figures = dict[str, float]


@dataclass(frozen=True)
class Scores:
    """What metrics say of one direction.

    Attributes:
        figures: All of them.
        values: Of those that are means over items, each item's value, NaN where it has none.
        intervals: Of those of all items together that say how sure they are, the ends of theirs.
        names: Of the items' files.
    """

    figures: Figures = field(default_factory=dict)
    values: dict[str, list[float]] = field(default_factory=dict)
    intervals: dict[str, tuple[float, float]] = field(default_factory=dict)
    names: Sequence[str] = ()


def figures_of(scored: Mapping[str, Scores]) -> dict[str, Figures]:
    """The figures alone, by direction."""
    return {name: scores.figures for name, scores in scored.items()}


def best_figure(
    report: Mapping[str, Figures], best: BestSettings, metrics: Sequence[Metric]
) -> tuple[str, float, bool] | None:
    """The figure that decides which checkpoint is best: name, value, whether higher is better.

    Returns ``None`` where the report has no such figure.
    """
    ways = ways_to_improve(metrics)
    directions = list(report) if best.direction == "both" else [best.direction]
    first = deciding(best.metric, ways)
    there = [name for name in first if all(name in report.get(way, {}) for way in directions)]
    name = next(iter(there), "")
    values = [report[d][name] for d in directions if name in report.get(d, {})]
    if not values or name not in ways:
        return None
    return name, sum(values) / len(values), ways[name]


def ways_to_improve(metrics: Sequence[Metric]) -> dict[str, bool]:
    """Whether each figure is better higher; those that say neither are missing."""
    return {name: higher for metric in metrics for name, higher in metric.higher_is_better.items()}


def both_ways(report: Mapping[str, Figures]) -> Figures:
    """Each figure that all directions have, averaged over them."""
    first, *others = report.values() or ({},)
    shared = [name for name in first if all(name in figures for figures in others)]
    return {name: sum(f[name] for f in report.values()) / len(report) for name in shared}


def with_both(report: Mapping[str, Figures]) -> dict[str, Figures]:
    """The figures by direction, and under ``both`` their means."""
    return {**report, "both": both_ways(report)}
