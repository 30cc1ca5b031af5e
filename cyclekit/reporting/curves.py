"""Curves from the lines of a log: which belong together, fewer points, a smooth course."""

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cyclekit.names import DIRECTION, DIRECTION_APART, heading

PHASES, RATES = "Sum by phase", "Learning rate"  # titles of charts
MOST_POINTS = 400
SMOOTHED_FROM = 40  # points; fewer are shown as they are

Point = tuple[float, float]
"""Step and value."""

Sides = Mapping[str, str]
"""Domains and directions, each with how it is shown."""


@dataclass(frozen=True)
class Curve:
    """One quantity over the steps of a run.

    Attributes:
        label: What it is called beside the other curves of its chart.
        points: Steps and values; a value that is not finite is a gap.
        raw: The points from which ``points`` were smoothed; empty where they were not.
    """

    label: str
    points: Sequence[Point]
    raw: Sequence[Point] = ()

    @property
    def values(self) -> list[float]:
        """The finite values that are drawn."""
        return [value for _, value in (*self.points, *self.raw) if math.isfinite(value)]


def number(value: Any) -> float | None:
    """A JSON value as a number, or ``None`` if it is anything else."""
    if type(value) not in (int, float):
        return None
    try:
        return float(value)
    except OverflowError:
        return math.inf


def collect(records: Iterable[Mapping[str, Any]]) -> dict[str, list[Point]]:
    """Every number in a log over the steps."""
    found: dict[str, list[Point]] = {}
    for record in records:
        for name, content in record.items():
            value = number(content)
            if name != "step" and value is not None:
                found.setdefault(name, []).append((record["step"], value))
    return found


def binned(points: Sequence[Point], most: int = MOST_POINTS) -> list[Point]:
    """At most ``most`` points: the means of equally many neighbours, where there are more."""
    if len(points) <= most:
        return list(points)
    edges = [round(index * len(points) / most) for index in range(most + 1)]
    return [_mean(points[a:b]) for a, b in itertools.pairwise(edges)]


def smoothed(label: str, points: Sequence[Point]) -> Curve:
    """A curve of few enough points, with a running mean over a twentieth of them."""
    raw = binned(points)
    if len(raw) < SMOOTHED_FROM:
        return Curve(label, raw)
    reach = len(raw) // 40
    course = [
        (step, _mean(raw[max(0, index - reach) : index + reach + 1])[1])
        for index, (step, _) in enumerate(raw)
    ]
    return Curve(label, course, raw)


def group(names: Iterable[str], sides: Sides) -> dict[str, dict[str, str]]:
    """Which quantities share a chart: title -> name -> label.

    The sums of the phases share one, the others with a domain or direction at the end of their
    names share one with their counterparts, and learning rates come last.
    """
    names = list(names)
    rates = [name for name in names if name.startswith("learning_rate_")]
    phases = [phase for name in rates if (phase := name.removeprefix("learning_rate_")) in names]
    groups: dict[str, dict[str, str]] = {PHASES: {name: worded(name) for name in phases}}
    for name in names:
        if name in phases or name in rates:
            continue
        stem, side = split_name(name, sides)
        groups.setdefault(capitalised(stem), {})[name] = sides.get(side) or worded(name)
    groups[RATES] = {name: worded(name.removeprefix("learning_rate_")) for name in rates}
    # By label, so that a domain has one colour wherever it is drawn.
    return {
        title: dict(sorted(members.items(), key=lambda member: member[1]))
        if title not in (PHASES, RATES)
        else members
        for title, members in groups.items()
        if members
    }


def split_name(name: str, sides: Sides) -> tuple[str, str]:
    """A quantity and the domain or direction that it is about, where its name ends in one."""
    for side in sides:
        if name.endswith(f"_{side}"):
            return name.removesuffix(f"_{side}"), side
    return name, ""


def sides_of(domains: Iterable[str]) -> dict[str, str]:
    """Domains and directions as headings show them: an arrow between two domains, say."""
    domains = list(domains)
    ways = _ways(domains)
    return {
        way: f"{heading(source)} → {heading(target)}" for way, (source, target) in ways.items()
    } | {domain: heading(domain) for domain in domains}


def ends_of(sides: Sides) -> dict[str, tuple[str, str]]:
    """Source and target of each direction among the sides."""
    ways = _ways([side for side, shown in sides.items() if shown == heading(side)])
    return {way: ends for way, ends in ways.items() if way in sides}


def _ways(domains: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Directions by the names that they may have."""
    pairs = list(itertools.permutations(domains, 2))
    names = (DIRECTION, DIRECTION_APART)
    return {name.format(*pair): pair for name in names for pair in pairs}


def worded(name: str) -> str:
    """A key as words."""
    return name.replace("_", " ")


def capitalised(name: str) -> str:
    """A key as words that open a line."""
    words = worded(name)
    return words[:1].upper() + words[1:]


def _mean(points: Sequence[Point]) -> Point:
    """The mean of what is finite; the gap remains where nothing is."""
    finite = [value for _, value in points if math.isfinite(value)]
    middle = points[len(points) // 2][0]
    return middle, sum(finite) / len(finite) if finite else math.nan
