"""What the files of a run say, ready to be shown; needs neither the run's plugin nor torch."""

import math
import os
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from cyclekit.errors import CheckpointError
from cyclekit.links import pointed_at
from cyclekit.names import EXTRA
from cyclekit.recipe.moved import renamed
from cyclekit.recipe.reading import LARGEST_RECIPE, parse_toml
from cyclekit.reporting.curves import number, sides_of
from cyclekit.runs.data_record import read_files
from cyclekit.runs.layout import MANIFEST, TRIES, RunLayout, step_folders
from cyclekit.runs.looks import read_looks
from cyclekit.runs.records import lines_by_step, read_json
from cyclekit.storage.handle import read_text

MOST_DOMAINS = 100  # that are told apart

Figures = dict[str, float]
Directions = dict[str, Figures]
"""Figures by direction."""

Intervals = dict[str, dict[str, dict[str, tuple[float, float]]]]
"""Ends of intervals by way of translating, direction and figure."""


@dataclass(frozen=True)
class Evaluation:
    """A file in ``evaluations/``.

    Attributes:
        file: It.
        other: The name of the test set where that is not the run's own.
        step: Of the checkpoint that was scored.
        translated: Figures of what the networks made, by direction.
        best: The best checkpoint's, where that is another one and was measured too.
        baselines: Figures of other ways to translate, by their names.
        real: Those of real test items, where they were measured.
        higher_is_better: Which way figures improve, where that is known.
        items: How many test items of each domain were used.
        intervals: Ends of figures' 95 % intervals, by way of translating.
        names: Of the items that were judged, by direction.
        values: Each item's values, by way of translating, direction and figure.
    """

    file: Path
    other: str
    step: int
    translated: Directions
    best: Directions
    baselines: dict[str, Directions]
    real: Directions
    higher_is_better: dict[str, bool]
    items: dict[str, int]
    intervals: Intervals
    names: dict[str, list[str]]
    values: dict[str, dict[str, dict[str, list[float]]]]


class RunStory:
    """Everything that the page tells about a run.

    Args:
        run: The run.

    Raises:
        CheckpointError: If a file that cyclekit writes as a whole is damaged.
    """

    def __init__(self, run: RunLayout) -> None:
        _require_inside(run)
        self.run = run
        self.name = run.folder.resolve().name
        self.plugin = run.plugin()
        self.info = read_json(run.info_file)
        self.recipe_text = without_homes(read_text(run.recipe_file, LARGEST_RECIPE))
        try:
            self.recipe: dict[str, Any] = renamed(parse_toml(self.recipe_text))[0]
        except ValueError as error:
            raise CheckpointError(f"{run.recipe_file} cannot be read: {error}.") from error
        records = [record for _, record in lines_by_step(run.metrics_file)]
        self.losses = [record for record in records if "evaluation" not in record]
        self.timing = [record for _, record in lines_by_step(run.timing_file)]
        self.evaluated = {
            record["step"]: directions(record["evaluation"])
            for record in records
            if "evaluation" in record
        }
        self.looks = read_looks(run)
        self.plans: list[tuple[int, int]] = [
            (record["step"], record["steps"])
            for _, record in lines_by_step(run.plans_file)
            if type(record.get("steps")) is int and record["steps"] > 0
        ]
        self.samples = step_folders(run.samples)
        self.checkpoints = step_folders(run.checkpoints_folder)

    def setting(self, table: str, key: str) -> Any:
        """A value of the recipe, ``None`` where it is not there."""
        settings = self.recipe.get(table)
        return settings.get(key) if isinstance(settings, dict) else None

    @property
    def steps(self) -> int | None:
        """How many steps are planned: by the recipe, or by minutes and what the clock said."""
        if self.plans:
            return self.plans[-1][1]
        steps = self.setting("train", "steps")
        return steps if type(steps) is int and steps > 0 else None

    @cached_property
    def step(self) -> int:
        """The last step that anything is known about."""
        logged = [record["step"] for record in (*self.losses, *self.timing)]
        return max((*logged, *self.evaluated, *self.checkpoints, *self.samples), default=0)

    @cached_property
    def evaluations(self) -> list[Evaluation]:
        """The newest evaluation of each test set, the run's own first."""
        newest: dict[str, Evaluation] = {}
        folder = self.run.evaluations
        for file in sorted(folder.glob("step-*.json")) if folder.is_dir() else ():
            found = _evaluation(file)
            held = newest.get(found.other)
            if held is None or found.step >= held.step:
                newest[found.other] = found
        return [newest[other] for other in sorted(newest)]

    @cached_property
    def checkpoint(self) -> dict[str, Any]:
        """What the newest checkpoint says about itself, empty where there is none."""
        for _ in range(TRIES):
            there = step_folders(self.run.checkpoints_folder)
            if not there:
                return {}
            newest = there[max(there)]
            try:
                return read_json(newest / MANIFEST)
            except CheckpointError:
                if newest.is_dir():
                    raise  # else a training removed it meanwhile
        return {}

    def checkpoint_step(self, name: str) -> int | None:
        """The step of the checkpoint that ``best`` or ``latest`` names."""
        folder = pointed_at(self.run.checkpoints_folder / name)
        if folder is None:
            return None
        told = folder.name.removeprefix("step-")
        if told.isdecimal() and len(told) < 16:
            return int(told)
        step = read_json(folder / MANIFEST).get("step")  # links were followed in copying
        return step if type(step) is int else None

    def shown_items(self) -> dict[str, list[str]]:
        """The names of the previews' items, by domain."""
        file = self.run.preview_file
        given = read_json(file) if file.is_file() else {}
        return {
            domain: [Path(name).name for name in names if isinstance(name, str)]
            for domain, names in given.items()
            if isinstance(names, list)
        }

    def imported(self) -> list[str]:
        """Where imported networks came from and what they are, a sentence each."""
        file = self.run.import_file
        told = read_json(file).get("networks") if file.is_file() else {}
        return [
            f"{name}: {network.get('file')}, {network.get('described')}"
            for name, network in (told.items() if isinstance(told, dict) else ())
            if isinstance(network, dict)
        ]

    @cached_property
    def sides(self) -> dict[str, str]:
        """Domains and directions as headings show them, the domains in their order."""
        items = (name for evaluation in self.evaluations for name in evaluation.items)
        domains = [*self.training_files(), *self.shown_items(), *items]
        known = {name: None for name in domains if name != EXTRA}
        return sides_of(list(known)[:MOST_DOMAINS])

    def changes(self) -> list[str]:
        """What was changed of the recipe when the run was gone on with, and from which step; and
        what was planned anew."""
        return [
            f"{steps:,} steps in all were planned at step {step:,}"
            for step, steps in self.plans[1:]
        ] + [
            f"{change['key']} = {_value(change['after'])} instead of {_value(change['before'])} "
            f"from step {change['step']:,}"
            for _, change in lines_by_step(self.run.changes_file)
            if {"key", "before", "after"} <= change.keys()
        ]

    def skipped(self) -> list[str]:
        """Which files could not be used, with the reasons."""
        file = self.run.skipped_file
        lines = read_text(file).splitlines() if file.is_file() else []
        return [without_home(line) for line in lines]

    def training_files(self) -> dict[str, tuple[int, int]]:
        """How many files and windows of each domain there are."""
        found: dict[str, tuple[int, int]] = {}
        for told in read_files(self.run):
            if not told.test:
                files, total = found.get(told.domain, (0, 0))
                found[told.domain] = files + 1, total + told.windows
        return found


def without_home(line: str) -> str:
    """``/home/me/x.png: truncated`` with the file's name alone."""
    file, colon, why = line.partition(": ")
    return re.sub(r"^.*[/\\]", "", file) + colon + why


def without_homes(text: str) -> str:
    """Text whose quoted full paths are names: the page may be passed on."""
    return re.sub(r'(["\'])(?:/|[A-Za-z]:[/\\\\])[^"\'\n]*?([^/\\\\"\'\n]+)\1', r"\1.../\2\1", text)


def _value(value: Any) -> str:
    return without_homes(f'"{value}"').strip('"') if isinstance(value, str) else str(value)


def directions(content: Any) -> Directions:
    """Figures by direction; anything that is none is left out."""
    found = {}
    for name, figures in content.items() if isinstance(content, dict) else ():
        if isinstance(figures, dict):
            numbers = {figure: number(value) for figure, value in figures.items()}
            found[name] = {figure: value for figure, value in numbers.items() if value is not None}
    return found


def _evaluation(file: Path) -> Evaluation:
    content = read_json(file)
    step, baselines = content.get("step"), content.get("baselines")
    _, _, other = file.stem.removeprefix("step-").partition("-")
    known = (
        "best", "baselines", "real", "higher_is_better", "test_items", "protocol", "intervals",
        "items", "values",
    )  # fmt: skip
    return Evaluation(
        file=file,
        other=other,
        step=step if type(step) is int else 0,
        translated=directions({k: v for k, v in content.items() if k not in known}),
        best=directions(content.get("best")),
        baselines={
            name: directions(of)
            for name, of in (baselines.items() if isinstance(baselines, dict) else ())
        },
        real=directions(content.get("real")),
        higher_is_better=_of_type(content.get("higher_is_better"), bool),
        items=_of_type(content.get("test_items"), int),
        intervals=_intervals(content.get("intervals")),
        names=_lists(content.get("items"), str),
        values={way: _values(of) for way, of in _tables(content.get("values")).items()},
    )


def _intervals(content: Any) -> Intervals:
    """Ends by way, direction and figure; anything that is none is left out."""
    return {
        way: {
            direction: {name: (ends[0], ends[1]) for name, ends in of.items() if len(ends) == 2}
            for direction, of in _values(directions).items()
        }
        for way, directions in _tables(content).items()
    }


def _values(content: Any) -> dict[str, dict[str, list[float]]]:
    """Items' values by direction and figure; NaN where an item has none."""
    found: dict[str, dict[str, list[float]]] = {}
    for direction, of in _tables(content).items():
        read = {name: _numbers(values) for name, values in of.items() if isinstance(values, list)}
        found[direction] = {name: values for name, values in read.items() if values}
    return found


def _numbers(values: list[Any]) -> list[float]:
    read = [math.nan if value is None else number(value) for value in values]
    return [value for value in read if value is not None]


def _lists(content: Any, kind: type) -> dict[str, list[Any]]:
    entries = content.items() if isinstance(content, dict) else ()
    return {
        name: [value for value in values if type(value) is kind]
        for name, values in entries
        if isinstance(values, list)
    }


def _tables(content: Any) -> dict[str, dict[str, Any]]:
    entries = content.items() if isinstance(content, dict) else ()
    return {name: of for name, of in entries if isinstance(of, dict)}


def _of_type(content: Any, kind: type) -> dict[str, Any]:
    entries = content.items() if isinstance(content, dict) else ()
    return {name: value for name, value in entries if type(value) is kind}


def _require_inside(run: RunLayout) -> None:
    """Raise ``CheckpointError`` if something that a report shows lies elsewhere.

    Whoever made the run may have let links point anywhere, and a report is meant to be passed on.
    """
    home = Path(os.path.realpath(run.folder))
    shown = [
        *(place for place in vars(run).values() if isinstance(place, Path)),
        *run.samples.glob("*"),
        *run.evaluations.glob("*"),
    ]
    for place in shown:
        if not Path(os.path.realpath(place)).is_relative_to(home):
            raise CheckpointError(
                f"{place} is a link that leads out of the run: a report shows only what is the "
                f"run's own. Replace it by what it points to, or remove it."
            )
