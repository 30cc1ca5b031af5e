"""The demos as a user would run them, shortened."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

COMMAND = Path(sys.executable).with_name("cyclekit")
# There is no time for the whole of the demos: part of their steps, evaluated once, at the end.
SHORTENED = ("--set=train.evaluate_every=0", "--set=train.checkpoint_every=0")
STEPS = {("music", "demo"): 200, ("audio", "demo"): 400, ("image", "demo"): 500,
         ("image", "pix2pix-demo"): 200}  # fmt: skip


@dataclass(frozen=True)
class Demo:
    """A trained demo: its folder, and what ``evaluate`` says of it."""

    folder: Path
    report: dict[str, Any]


def train_demo(plugin: str, folder: Path, recipe: str = "demo") -> Demo:
    """Train part of one of a plugin's demos on one core, and evaluate it."""
    command = ["train", f"--plugin={plugin}", f"--recipe={recipe}", "--accelerator=cpu", *SHORTENED]
    printed = run(folder, *command, f"--steps={STEPS[plugin, recipe]}")
    (samples,) = [line for line in printed.splitlines() if line.startswith("samples: ")]
    assert (folder / samples.removeprefix("samples: ")).exists()
    report = run(folder, "evaluate", f"runs/00001-{plugin}-{recipe}", "--quick", "--json")
    return Demo(folder, json.loads(report))


def run(folder: Path, *arguments: str) -> str:
    """A command's output; it must succeed."""
    done = subprocess.run(
        [str(COMMAND), *arguments],
        capture_output=True,
        text=True,
        cwd=folder,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
