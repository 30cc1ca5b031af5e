"""What training costs besides its steps: waiting for data, and everything else between steps.

    python benchmarks/loop.py [--only NAME ...] [--json]

Real runs of recipes on data they make themselves, without checkpoints and evaluations: every step
is drawn, augmented, collated, logged and recorded. Shares are of the time in the same steps.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import wraps
from itertools import pairwise
from pathlib import Path
from typing import Any
from unittest.mock import patch

from made import MADE
from tables import show

import cyclekit
from cyclekit.data.sampling import Batches
from cyclekit.engine.trainer import Trainer

QUIET = {f"train.{what}_every": 0 for what in ("checkpoint", "evaluate", "preview")}
RECIPES: dict[str, tuple[str, str, int, dict[str, object]]] = {
    "image demo": ("image", "demo", 60, {}),
    "image small": ("image", "small", 20, {}),
    "image paper 128": ("image", "horse2zebra", 10, {"codec.resize": 143, "codec.crop": 128}),
    "audio demo": ("audio", "demo", 60, {}),
    "audio slt2rms": ("audio", "slt2rms", 20, {}),
    "music demo": ("music", "demo", 60, {}),
    "music chorale2game": ("music", "chorale2game", 40, {}),
}
COLUMNS = ("name", "step_ms", "data_ms", "data_percent", "rest_ms", "rest_percent")
WARM_UP = 3  # steps


@dataclass
class Clock:
    """When each step began and ended, and how long it waited for data meanwhile."""

    steps: list[tuple[float, float]] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)

    def step(self, work: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(work)
        def timed(*arguments: Any) -> Any:
            self.waits.append(0.0)
            start = time.perf_counter()
            out = work(*arguments)
            self.steps.append((start, time.perf_counter()))
            return out

        return timed

    def wait(self, work: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(work)
        def timed(*arguments: Any) -> Any:
            start = time.perf_counter()
            out = work(*arguments)
            if self.waits:  # else before the first step
                self.waits[-1] += time.perf_counter() - start
            return out

        return timed


def rows(names: list[str]) -> Iterator[dict[str, object]]:
    for name in names:
        plugin, recipe, steps, settings = RECIPES[name]
        clock = Clock()
        with (
            tempfile.TemporaryDirectory() as folder,
            patch.object(Trainer, "train_step", clock.step(Trainer.train_step)),
            patch.object(Batches, "batch", clock.wait(Batches.batch)),
        ):
            cyclekit.train(
                plugin,
                recipe,
                data=MADE[plugin],
                set={"train.steps": steps, **QUIET, **settings},
                run_dir=Path(folder, "run"),
                hardware=cyclekit.Hardware(accelerator="cpu"),
                quiet=True,
            )
        waits = clock.waits[WARM_UP:]
        steps_taken = clock.steps[WARM_UP:]
        bare = statistics.median(
            end - start - wait for (start, end), wait in zip(steps_taken, waits, strict=True)
        )
        between = [after[0] - before[1] for before, after in pairwise(steps_taken)]
        data, rest = statistics.mean(waits), statistics.mean(between)  # rare ones count, too
        yield {
            "name": name,
            "step_ms": round(1000 * bare, 1),
            "data_ms": round(1000 * data, 2),
            "data_percent": round(100 * data / bare, 2),
            "rest_ms": round(1000 * rest, 2),
            "rest_percent": round(100 * rest / bare, 2),
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=RECIPES, metavar="NAME")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    show(COLUMNS, rows(asked.only or list(RECIPES)), asked.json)


if __name__ == "__main__":
    main()
