"""What the folders of runs say about themselves, from their files alone."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cyclekit.errors import CheckpointError, DataError
from cyclekit.reporting.reading import Directions, Evaluation, RunStory
from cyclekit.runs.layout import RunLayout

DEEPEST = 4  # folders below the one that is asked about
MEAN = "both"  # the mean of all directions


@dataclass(frozen=True)
class RunSummary:
    """A run in one line.

    Attributes:
        folder: Where it is.
        plugin: That it was made with.
        recipe: Its name; of a run that does not know it what the recipe says of itself, or empty.
        step: The last step that anything is known about.
        steps: How many are planned, ``None`` where the recipe does not say.
        best: The step of the best checkpoint, ``None`` where there is none.
        figures: The best checkpoint's, or the latest evaluation's, means over directions.
        size: Bytes on disk.
    """

    folder: Path
    plugin: str
    recipe: str
    step: int
    steps: int | None
    best: int | None
    figures: Mapping[str, float]
    size: int

    def as_json(self) -> dict[str, Any]:
        """Everything, for scripts."""
        return {
            "run": str(self.folder),
            "plugin": self.plugin,
            "recipe": self.recipe,
            "step": self.step,
            "steps": self.steps,
            "best": self.best,
            "figures": dict(self.figures),
            "bytes": self.size,
        }


def find_runs(folder: Path) -> Iterator[Path]:
    """The folders of runs in a folder and below it, in order; what lies in a run is none.

    Raises:
        DataError: If there is no such folder.
    """
    if not folder.is_dir():
        raise DataError(
            f"There is no folder {folder} here, and so no run. `cyclekit train` makes it where it "
            f"is started: change to that place, name a folder, as in `cyclekit runs list FOLDER`, "
            f"or train: cyclekit train --plugin image --recipe demo"
        )
    yield from _below(folder, DEEPEST)


def _below(folder: Path, deeper: int) -> Iterator[Path]:
    layout = RunLayout(folder)
    if layout.info_file.is_file() and layout.recipe_file.is_file():
        yield folder
    elif deeper:
        for inner in sorted(path for path in _entries(folder) if not path.is_symlink()):
            if inner.is_dir() and not inner.name.startswith("."):
                yield from _below(inner, deeper - 1)


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except PermissionError:
        return []  # somebody else's


def summarise(folder: Path) -> RunSummary:
    """What one run says about itself.

    Raises:
        CheckpointError: If it is none, or a file of it is damaged.
    """
    story = RunStory(RunLayout.open(folder))
    best = story.checkpoint_step("best")
    return RunSummary(
        folder=folder,
        plugin=story.plugin["name"],
        recipe=str(story.info.get("recipe") or story.recipe.get("summary", "")),
        step=story.step,
        steps=story.steps,
        best=best,
        figures=best_figures(story, best),
        size=size_on_disk(folder),
    )


def best_figures(story: RunStory, best: int | None) -> dict[str, float]:
    """Means over directions of the figures that say which way is better, at the best checkpoint.

    Where there is no best one they are those of the latest evaluation.
    """
    evaluated: dict[int, Directions] = dict(story.evaluated)
    ranked: dict[str, bool] = {}
    for evaluation in story.evaluations[:1]:
        ranked = evaluation.higher_is_better
        evaluated.setdefault(evaluation.step, evaluation.translated)
    step = best if best in evaluated else max(evaluated, default=None)
    if step is None:
        return {}
    means = mean_of_directions(evaluated[step])
    return {name: value for name, value in means.items() if not ranked or name in ranked}


def mean_of_directions(directions: Directions) -> dict[str, float]:
    """Each figure's mean; as it is written down, where it is."""
    if MEAN in directions:
        return directions[MEAN]
    names = dict.fromkeys(name for figures in directions.values() for name in figures)
    found = {name: [of[name] for of in directions.values() if name in of] for name in names}
    return {name: sum(values) / len(values) for name, values in found.items()}


def directions_of(folder: Path) -> list[str]:
    """The directions in which a run was evaluated, in its order.

    Raises:
        CheckpointError: If it is no run, or a file of it is damaged.
    """
    evaluated = RunStory(RunLayout.open(folder)).evaluated
    names = dict.fromkeys(name for of in evaluated.values() for name in of)
    return [name for name in names if name != MEAN]


def size_on_disk(folder: Path) -> int:
    """Bytes of all files below a folder; links are not followed, nor is what vanishes counted."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(place, name)).st_size  # noqa: PTH118 - of many files
            except FileNotFoundError:
                continue  # a training removed it meanwhile
    return total


def details(folder: Path) -> dict[str, str]:
    """What ``cyclekit runs show`` prints, by heading.

    Raises:
        CheckpointError: If it is no run, or a file of it is damaged.
    """
    summary = summarise(folder)
    story = RunStory(RunLayout.open(folder))
    told = {
        "run": str(folder),
        "plugin": " ".join((summary.plugin, story.plugin["version"])),
        "recipe": summary.recipe,
        "step": progress(summary),
        "best": "none" if summary.best is None else f"step {summary.best:,}",
        "data": ", ".join(_domains(story)),
        "objective": str(story.setting("objective", "name") or ""),
        "precision": str(story.setting("train", "precision") or ""),
        "device": str(story.info.get("device", "")),
        "checkpoints": ", ".join(f"{step:,}" for step in story.checkpoints),
        "imported": "; ".join(story.imported()),
        "changed": "; ".join(story.changes()),
        "skipped files": str(len(story.skipped()) or ""),
    }
    told |= {f"figure {name}": f"{value:.4f}" for name, value in summary.figures.items()}
    for evaluation in story.evaluations:
        told[_evaluated(evaluation)] = str(evaluation.file)
    return {name: value for name, value in told.items() if value}


def progress(summary: RunSummary) -> str:
    """How far a run is."""
    return f"{summary.step:,}" + (f" of {summary.steps:,}" if summary.steps else "")


def _domains(story: RunStory) -> Iterator[str]:
    for domain, (files, windows) in story.training_files().items():
        yield f"{domain}: {files:,} files, {windows:,} windows"


def _evaluated(evaluation: Evaluation) -> str:
    other = f" on {evaluation.other}" if evaluation.other else ""
    return f"evaluated{other}, step {evaluation.step:,}"


def readable(folder: Path) -> RunSummary | str:
    """A run's summary, or one sentence about why it has none."""
    try:
        return summarise(folder)
    except CheckpointError as error:
        return str(error)
