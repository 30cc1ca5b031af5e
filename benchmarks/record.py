"""Minutes to a stated figure: how long a recipe trains until its translations are so good.

    python benchmarks/record.py --data flat-3d=FOLDER voices=FOLDER ... [--seed 0] [--json]

A recipe is trained to its end and measured every tenth of it on the whole test set; what counts
is the first time that the mean of both directions is as good as the target, evaluations before it
included. A row belongs to one commit on one machine, and goes into docs/performance/costs.md with
both.
"""

import argparse
import json
import platform
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tables import show

import cyclekit
from cyclekit.describe import describe_exception

COLUMNS = ("name", "figure", "target", "minutes", "step", "best", "commit", "machine")
LOOKS = 10


@dataclass(frozen=True)
class Task:
    """What is to be reached.

    Attributes:
        plugin: The modality.
        recipe: That is trained.
        steps: Its own.
        figure: Of ``evaluate``.
        target: Its value; with ``of_identity``, as a share of what doing nothing has.
        higher: Whether more is better.
        of_identity: See ``target``.
    """

    plugin: str
    recipe: str
    steps: int
    figure: str
    target: float
    higher: bool = False
    of_identity: bool = False


TASKS = {
    # Where `small` ended when it had 32 channels; pictures left alone have .0630.
    "flat-3d": Task("image", "small", 850, "l1", 0.0605),
    # A quarter better than nothing, as the audio demo promises.
    "voices": Task("audio", "slt2rms", 4_000, "mel_l1", 0.75, of_identity=True),
    "chorales": Task("music", "chorale2game", 2_000, "transfer_strength", 0.5, higher=True),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", nargs="+", required=True, metavar="NAME=FOLDER")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    folders = dict(given.partition("=")[::2] for given in asked.data)
    if unknown := folders.keys() - TASKS:
        parser.error(f"{', '.join(sorted(unknown))}: there are {', '.join(TASKS)}")
    show(COLUMNS, rows(folders, asked.seed), asked.json)


def rows(folders: Mapping[str, str], seed: int) -> Iterator[dict[str, object]]:
    """A row for each task that there is data for."""
    for name, folder in folders.items():
        task = TASKS[name]
        every = task.steps // LOOKS
        with tempfile.TemporaryDirectory() as home:
            run, begun = Path(home, "run"), time.time()
            cyclekit.train(
                task.plugin,
                task.recipe,
                data=folder,
                set={
                    "train.seed": seed,
                    "train.log_every": every,  # a time beside each figure
                    "train.evaluate_every": every,
                    "train.evaluate_items": 0,
                    "train.preview_every": 0,
                },
                run_dir=run,
                quiet=True,
            )
            yield {"name": name, **reached(task, run, begun), **stated()}


def reached(task: Task, run: Path, begun: float) -> dict[str, object]:
    """When a run was as good as its task asks for, and how good it became."""
    figures = {
        record["step"]: mean(record["evaluation"], task.figure)
        for record in lines(run / "metrics.jsonl")
        if "evaluation" in record
    }
    times = {record["step"]: record["time"] for record in lines(run / "timing.jsonl")}
    target = task.target
    if task.of_identity:
        (told,) = (run / "evaluations").glob("step-*.json")
        target *= json.loads(told.read_text())["baselines"]["identity"]["both"][task.figure]
    good = [
        step
        for step, value in figures.items()
        if (value >= target if task.higher else value <= target)
    ]
    best = max if task.higher else min
    return {
        "figure": task.figure,
        "target": round(target, 4),
        "minutes": round((times[good[0]] - begun) / 60, 1) if good else None,
        "step": good[0] if good else None,
        "best": round(best(figures.values()), 4),
    }


def mean(evaluation: Mapping[str, Mapping[str, float]], figure: str) -> float:
    """Of all directions."""
    values = [of[figure] for of in evaluation.values()]
    return sum(values) / len(values)


def lines(file: Path) -> Iterator[dict[str, Any]]:
    """What a file of JSON lines holds."""
    return map(json.loads, file.read_text().splitlines())


def stated() -> dict[str, object]:
    """Which commit, on what."""
    here = Path(__file__).parent
    asked = ["git", "-C", str(here), "rev-parse", "--short", "HEAD"]
    try:
        commit = subprocess.run(asked, check=True, capture_output=True, text=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError) as error:
        commit = describe_exception(error)
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else ""
    return {"commit": commit, "machine": gpu or f"{processor()}, {torch.get_num_threads()} threads"}


def processor() -> str:
    """What Linux calls it, or whatever Python knows."""
    told = Path("/proc/cpuinfo")
    named = told.read_text() if told.is_file() else ""
    models = [line.split(":")[1].strip() for line in named.splitlines() if "model name" in line]
    return models[0] if models else platform.processor()


if __name__ == "__main__":
    main()
