"""``cyclekit resume``."""

from pathlib import Path
from typing import Any

import click

from cyclekit.commands.options import (
    COUNT,
    MINUTES,
    data_option,
    hardware,
    hardware_options,
    precision_option,
    require_one,
    run_argument,
    settings_option,
    trust_option,
)


@click.command()
@trust_option
@run_argument
@click.option("--steps", type=COUNT, help="Steps in all, those done included.")
@click.option("--minutes", type=MINUTES, help="So long from now, in place of a number of steps.")
@data_option
@settings_option
@click.option("--strict-data", is_flag=True, help="Refuse training files that have changed.")
@hardware_options
@precision_option
def resume(
    run: Path,
    steps: int | None,
    minutes: float | None,
    data: Path | None,
    settings: tuple[str, ...],
    strict_data: bool,
    precision: str | None,
    **machine: Any,
) -> None:
    """Go on with a run from its latest checkpoint.

    What is changed here is written into the run's changes.jsonl, with the step from which it holds.
    Everything may be changed but what the networks, as they are, cannot take.

    \b
    Examples:
      cyclekit resume runs/00003-image-horse2zebra
      cyclekit resume runs/00003-image-horse2zebra --steps 400000
      cyclekit resume runs/00003-image-horse2zebra --minutes 30
      cyclekit resume runs/00003-image-horse2zebra --set train.batch_size=1 --precision 32-true
      cyclekit resume runs/00003-image-horse2zebra --data /mnt/moved/horse2zebra
    """
    from cyclekit.console import Console
    from cyclekit.preparing.planning import data_settings
    from cyclekit.recipe.reading import parse_setting
    from cyclekit.training.resuming import resume_training

    require_one(steps, minutes)
    changes = data_settings(data) if data is not None else []
    changes += [parse_setting(text) for text in settings]
    if steps is not None:
        changes.append(("train.steps", steps, "--steps"))
    if precision is not None:
        changes.append(("train.precision", precision, "--precision"))
    resume_training(run, changes, hardware(**machine), Console(), strict_data, minutes)
