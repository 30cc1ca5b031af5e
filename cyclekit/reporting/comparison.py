"""Runs beside each other: figures with the intervals of their differences, and what they differ in.

Needs neither torch nor the runs' plugins.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from cyclekit.contract.deciding import deciding
from cyclekit.errors import UsageError
from cyclekit.judging.intervals import Difference, difference_of
from cyclekit.reporting.reading import Evaluation, RunStory
from cyclekit.runs.layout import RunLayout

MEAN = "both"  # the directions' mean
LEARNED = "translated"
SEED = 0  # of the resampling
FEWEST = 10  # items, with fewer of which a resampling says nothing
CHANCE = (
    "Chance is that of the test items: with other ones of the same kind figures would be others. "
    "That another seed gives other weights is not in it: compare several runs of each recipe."
)


@dataclass(frozen=True)
class Verdict:
    """The best run beside another one, in the figure that decides.

    Attributes:
        better: The name of the best.
        other: Of the other.
        figure: What it is better in.
        values: Of both, in this order.
        difference: The better one's less the other's; ``None`` where items' values are not there.
        items: How many there are.
    """

    better: str
    other: str
    figure: str
    values: tuple[float, float]
    difference: Difference | None
    items: int

    @property
    def is_clear(self) -> bool:
        """Whether that is more than chance among the test items."""
        return self.items >= FEWEST and self.difference is not None and self.difference.is_clear

    def __str__(self) -> str:
        one, other = self.values
        if one == other:
            return f"{self.better} and {self.other} have the same {self.figure}, {one:.4f}."
        said = f"{self.better} has the better {self.figure}, {one:.4f} against {other:.4f} of "
        said += self.other
        if self.difference is None:
            return f"{said}. Whether that is more than chance cannot be told from this figure."
        if self.items < FEWEST:
            return f"{said}. With {self.items} test items nobody can tell whether that is chance."
        low, high = self.difference.interval
        apart = f"the difference is {self.difference.value:.4f} [{low:.4f}, {high:.4f}]"
        verdict = "more than chance" if self.is_clear else "it may be chance"
        return f"{said}: {verdict} among {self.items} test items ({apart})."


class Comparison:
    """Runs that were evaluated, beside each other.

    Args:
        folders: The runs, two at least; the first is what others are compared with.

    Raises:
        CheckpointError: If one is no run, or is damaged.
        UsageError: If one was never evaluated, or they have no figure in common.
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        if len(folders) < 2:
            raise UsageError(
                "Name two runs at least, as in `cyclekit compare RUN RUN`; `cyclekit runs list` "
                "shows yours."
            )
        self.stories = [RunStory(RunLayout.open(folder)) for folder in folders]
        names = [story.name for story in self.stories]
        unique = len(set(names)) == len(names)
        self.names = names if unique else [str(folder) for folder in folders]
        if len(set(self.names)) < len(names):
            raise UsageError("A run is named twice: name each once.")
        self.evaluations = list(map(_own, self.stories))
        if not self.figures:
            raise UsageError("The runs have no figure in common: they are of different kinds.")

    @cached_property
    def figures(self) -> dict[str, list[str]]:
        """By direction, and for their mean, the figures that all runs have."""
        first, *others = (evaluation.translated for evaluation in self.evaluations)
        shared = {
            way: [name for name in of if all(name in other.get(way, {}) for other in others)]
            for way, of in first.items()
        }
        return {way: names for way, names in shared.items() if names}

    @property
    def higher_is_better(self) -> dict[str, bool]:
        """Which way figures improve, where that is known."""
        return self.evaluations[0].higher_is_better

    @property
    def same_items(self) -> bool:
        """Whether all were judged on the same items, by their names."""
        first, *others = (evaluation.names for evaluation in self.evaluations)
        return bool(first) and all(other == first for other in others)

    @property
    def counts(self) -> list[dict[str, int]]:
        """How many test items of each domain each run was judged on."""
        return [evaluation.items for evaluation in self.evaluations]

    def difference(self, first: int, second: int, way: str, figure: str) -> Difference | None:
        """The second run's figure less the first's, where items' values are there."""
        one, other = (self._values(number, way, figure) for number in (first, second))
        if not one or not other:
            return None
        paired = self.same_items and list(map(len, one)) == list(map(len, other))
        return difference_of(one, other, paired, SEED)

    @cached_property
    def deciding(self) -> tuple[str, str] | None:
        """Direction and figure that decide; ``None`` where none says which way is better.

        Where recipes leave it open, it is one whose chance can be told, as far as there is one.
        """
        asked = self.stories[0].setting("train", "best")
        best: Mapping[str, Any] = asked if isinstance(asked, dict) else {}
        way = str(best.get("direction", MEAN))
        way = way if way in self.figures else next(reversed(self.figures))
        there = [name for name in self.figures[way] if name in self.higher_is_better]
        metric = str(best.get("metric", ""))
        first = [name for name in deciding(metric, self.higher_is_better) if name in there]
        runs = range(len(self.evaluations))
        told = [f for f in (*first, *there) if all(self._values(run, way, f) for run in runs)]
        chosen = [*first, *there] if metric else [*told, *first, *there]
        return (way, chosen[0]) if chosen else None

    @cached_property
    def verdicts(self) -> list[Verdict]:
        """The best run beside each other one."""
        if self.deciding is None:
            return []
        way, figure = self.deciding
        values = [evaluation.translated[way][figure] for evaluation in self.evaluations]
        choose = max if self.higher_is_better[figure] else min
        best = values.index(choose(values))
        named = figure if way == MEAN else f"{figure} ({way})"
        return [
            Verdict(
                self.names[best],
                self.names[number],
                named,
                (values[best], values[number]),
                self.difference(number, best, way, figure),
                sum(map(len, self._values(best, way, figure))),
            )
            for number in range(len(values))
            if number != best
        ]

    @cached_property
    def recipes(self) -> dict[str, list[str]]:
        """What differs in the recipes: by key what each says, empty where it says nothing."""
        flat = [
            _flat(story.recipe) | ({"train.steps": str(story.steps)} if story.plans else {})
            for story in self.stories
        ]
        keys = dict.fromkeys(key for recipe in flat for key in recipe)
        said = {key: [recipe.get(key, "") for recipe in flat] for key in keys}
        return {key: each for key, each in said.items() if len(set(each)) > 1}

    def as_json(self) -> dict[str, Any]:
        """All of it as JSON values; differences are to the first run."""
        return {
            "runs": self.names,
            "steps": [evaluation.step for evaluation in self.evaluations],
            "test_items": self.counts,
            "same_items": self.same_items,
            "figures": {
                way: {name: self._row(way, name) for name in names}
                for way, names in self.figures.items()
            },
            "higher_is_better": self.higher_is_better,
            "verdicts": [
                {
                    "better": verdict.better,
                    "than": verdict.other,
                    "figure": verdict.figure,
                    "more_than_chance": verdict.is_clear,
                    "said": str(verdict),
                }
                for verdict in self.verdicts
            ],
            "recipes": self.recipes,
        }

    def _row(self, way: str, name: str) -> dict[str, Any]:
        apart = [self.difference(0, number, way, name) for number in range(1, len(self.names))]
        return {
            "values": [evaluation.translated[way][name] for evaluation in self.evaluations],
            "differences": [
                {"value": one.value, "interval": list(one.interval)} if one else None
                for one in apart
            ],
        }

    def _values(self, number: int, way: str, figure: str) -> list[list[float]]:
        """A run's items' values, of each direction that a figure is of; none if one lacks them."""
        of_ways = self.evaluations[number].values.get(LEARNED, {})
        ways = [name for name in self.evaluations[number].translated if name != MEAN]
        asked = ways if way == MEAN else [way]
        found = [of_ways.get(each, {}).get(figure, []) for each in asked]
        return found if all(found) else []


def _own(story: RunStory) -> Evaluation:
    """The newest evaluation on a run's own test set."""
    for evaluation in story.evaluations:
        if not evaluation.other:
            return evaluation
    raise UsageError(
        f"{story.run} was never evaluated on its test set: cyclekit evaluate {story.run}"
    )


def _flat(table: Mapping[str, Any], before: str = "") -> dict[str, str]:
    """A recipe's keys with dots, and what each says."""
    found: dict[str, str] = {}
    for key, value in table.items():
        name = f"{before}{key}"
        if isinstance(value, Mapping):
            found |= _flat(value, f"{name}.")
        else:
            found[name] = str(value)
    return found
