"""``cyclekit train``."""

from pathlib import Path
from typing import Any

import click

from cyclekit.commands.completion import complete_plugins, complete_recipes
from cyclekit.commands.options import (
    COUNT,
    PATH,
    data_option,
    hardware,
    hardware_options,
    precision_option,
    settings_option,
    trust_option,
)
from cyclekit.errors import UsageError


@click.command()
@trust_option
@click.option("--plugin", required=True, metavar="NAME|FILE.py", help="The modality.",
              shell_complete=complete_plugins)  # fmt: skip
@click.option("--recipe", metavar="NAME|FILE.toml", shell_complete=complete_recipes,
              help="What to train, and how. Planned, where there are --minutes and none is named.",
              )  # fmt: skip
@data_option
@settings_option
@click.option(
    "--init",
    metavar="RUN|FILE[,FILE]",
    help="Begin with the networks of a run, or with weights that `import` reads (sets train.init).",
)
@click.option("--steps", type=COUNT, help="Steps in all (sets train.steps).")
@click.option(
    "--minutes",
    type=click.FloatRange(min=0, min_open=True),
    help="Train for so long, everything included, in place of the recipe's steps.",
)
@click.option("--run-dir", type=PATH, help="A new folder for the run; default: the next in runs/.")
@click.option("--seed", type=click.IntRange(min=0), help="Sets train.seed.")
@click.option("--dry-run", is_flag=True, help="Do everything but train; write nothing.")
@hardware_options
@precision_option
def train(
    plugin: str,
    recipe: str | None,
    data: Path | None,
    settings: tuple[str, ...],
    init: str | None,
    steps: int | None,
    minutes: float | None,
    run_dir: Path | None,
    seed: int | None,
    dry_run: bool,
    precision: str | None,
    **machine: Any,
) -> None:
    """Train from a recipe, or from a plan that is made for data, machine and minutes.

    \b
    Examples:
      cyclekit train --plugin image --recipe demo
      cyclekit train --plugin image --recipe horse2zebra --data datasets/horse2zebra
      cyclekit train --plugin image --recipe horse2zebra \\
          --set data.domains.a=cats --set data.domains.b=dogs --set codec.crop=128
      cyclekit train --plugin image --recipe small --data few_pictures --init runs/00007-image-small
      cyclekit train --plugin image --data my_pictures --minutes 15
      cyclekit train --plugin image --recipe small --data my_pictures --minutes 30
      cyclekit train --plugin ./my_plugin.py --recipe my_recipe.toml --steps 100
    """
    from cyclekit.console import Console
    from cyclekit.recipe.sources import parse_setting
    from cyclekit.runs.launch import start_training
    from cyclekit.runs.planning import data_settings, plan_open, plan_training

    if recipe is None and minutes is None:
        raise _missing_recipe(click.get_current_context())
    if minutes is not None and steps is not None:
        raise UsageError("--steps and --minutes both say how long to train. Give one of them.")
    changes = data_settings(data) if data is not None else []
    changes += [parse_setting(text) for text in settings]
    for option, key, value in (
        ("--init", "train.init", init),
        ("--steps", "train.steps", steps),
        ("--seed", "train.seed", seed),
        ("--precision", "train.precision", precision),
    ):
        if value is not None:
            changes.append((key, value, option))
    plan = plan_open(plugin, changes) if recipe is None else plan_training(plugin, recipe, changes)
    start_training(plan, run_dir, hardware(**machine), Console(), dry_run, minutes)


def _missing_recipe(context: click.Context) -> click.MissingParameter:
    option = next(param for param in context.command.params if param.name == "recipe")
    return click.MissingParameter(ctx=context, param=option)
