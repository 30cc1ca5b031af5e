"""What it costs to start: the commands that need no torch, and training up to its first step.

    python benchmarks/startup.py

Commands are compared with importing click alone; the way to the end of the first step with
importing torch. The demos' data is made before that, and timed by itself.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

COMMAND = str(Path(sys.executable).with_name("cyclekit"))
BASELINE = [sys.executable, "-c", "import click"]
STARTS = (["--help"], ["train", "--help"], ["plugins", "list"], ["recipes", "list"])
ROUNDS = 15
TRAININGS = 3
PLUGINS = ("image", "audio", "music")
PARTS = ("python", "torch", "engine", "plugin, data, networks", "first step")
MAKING = """
import json, pathlib, sys, time
from cyclekit.plugins.host import load_plugin
[make] = load_plugin(sys.argv[1]).modality.datasets.values()
start = time.monotonic()
make(pathlib.Path(sys.argv[2]), 0)
print(json.dumps(time.monotonic() - start))
"""
TRAINING = """
import json, sys, time
stamps = [time.monotonic()]
import torch
stamps.append(time.monotonic())
import cyclekit.python_api
from cyclekit.engine.trainer import Trainer
stamps.append(time.monotonic())
step = Trainer.train_step
def stamped(trainer):
    stamps.append(time.monotonic())
    step(trainer)
    stamps.append(time.monotonic())
Trainer.train_step = stamped
never = {f"train.{what}_every": 0 for what in ("checkpoint", "evaluate", "preview")}
settings = {"train.steps": 1, **never}
cyclekit.train(sys.argv[1], "demo", data=sys.argv[2], set=settings, run_dir=sys.argv[3], quiet=True)
print(json.dumps(stamps))
"""


def seconds(command: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def parts(plugin: str, data: str) -> list[float]:
    """Seconds that a training spends on each of ``PARTS``."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.monotonic()
        stamps = [start, *printed(TRAINING, plugin, data, f"{folder}/run")]
    return [after - before for before, after in pairwise(stamps)]


def printed(script: str, *arguments: str) -> Any:
    """What a script writes in its last line."""
    command = [sys.executable, "-c", script, *arguments]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    print(f"{'command':<24}{'seconds':>10}{'times click':>14}")
    for arguments in STARTS:
        pairs = [(seconds(BASELINE), seconds([COMMAND, *arguments])) for _ in range(ROUNDS)]
        base, own = (statistics.median(column) for column in zip(*pairs, strict=True))
        print(f"{'cyclekit ' + ' '.join(arguments):<24}{own:>10.3f}{own / base:>14.2f}")
    columns = (*PARTS, "all", "times torch", "demo's data")
    print(f"\n{'demo':<12}" + "".join(f"{column:>24}" for column in columns))
    for plugin in PLUGINS:
        with tempfile.TemporaryDirectory() as data:
            made = printed(MAKING, plugin, data)
            runs = [parts(plugin, data) for _ in range(TRAININGS)]
        taken = [statistics.median(column) for column in zip(*runs, strict=True)]
        figures = (*taken, sum(taken), sum(taken) / sum(taken[:2]), made)
        print(f"{plugin:<12}" + "".join(f"{figure:>24.2f}" for figure in figures))


if __name__ == "__main__":
    main()
