"""``cyclekit resume``."""

from pathlib import Path
from typing import Any

import click

from cyclekit.commands.options import (
    hardware,
    hardware_options,
    precision_option,
    run_argument,
    trust_option,
)


@click.command()
@trust_option
@run_argument
@click.option("--steps", type=click.IntRange(min=1), help="Steps in all, those done included.")
@click.option("--strict-data", is_flag=True, help="Refuse training files that have changed.")
@hardware_options
@precision_option
def resume(
    run: Path, steps: int | None, strict_data: bool, precision: str | None, **machine: Any
) -> None:
    """Go on with a run from its latest checkpoint.

    What is changed here is written into the run's changes.jsonl, with the step from which it holds.

    \b
    Examples:
      cyclekit resume runs/00003-image-horse2zebra
      cyclekit resume runs/00003-image-horse2zebra --steps 400000
      cyclekit resume runs/00003-image-horse2zebra --precision 32-true
    """
    from cyclekit.recipe.sources import Setting
    from cyclekit.runs.resuming import resume_training
    from cyclekit.runs.watcher import Watcher

    changes: list[Setting] = [("train.steps", steps, "--steps")] if steps is not None else []
    if precision is not None:
        changes.append(("train.precision", precision, "--precision"))
    resume_training(run, changes, hardware(**machine), Watcher(), strict_data)
