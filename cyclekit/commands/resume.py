"""``cyclekit resume``."""

from pathlib import Path
from typing import Any

import click

from cyclekit.commands.options import hardware, hardware_options, run_argument


@click.command()
@run_argument
@click.option("--steps", type=click.IntRange(min=1), help="Steps in all, those done included.")
@hardware_options
def resume(run: Path, steps: int | None, **machine: Any) -> None:
    """Go on with a run from its latest checkpoint.

    \b
    Examples:
      cyclekit resume runs/00003-image-horse2zebra
      cyclekit resume runs/00003-image-horse2zebra --steps 400000
    """
    from cyclekit.runs.launch import resume_training
    from cyclekit.runs.watcher import Watcher

    changes = [("train.steps", steps, "--steps")] if steps is not None else []
    resume_training(run, changes, hardware(**machine), Watcher())
