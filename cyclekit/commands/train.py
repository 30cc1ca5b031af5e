"""``cyclekit train``."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cyclekit.commands.completion import complete_plugins, complete_recipes
from cyclekit.commands.options import (
    COUNT,
    MINUTES,
    PATH,
    WholeNumber,
    data_option,
    extension_option,
    hardware,
    hardware_options,
    precision_option,
    require_one,
    settings_option,
    trust_option,
)
from cyclekit.errors import UsageError

if TYPE_CHECKING:
    from cyclekit.console import Console
    from cyclekit.preparing.planning import Plan
    from cyclekit.recipe.reading import Setting


@click.command()
@trust_option
@click.option("--plugin", metavar="NAME|FILE.py", shell_complete=complete_plugins,
              help="The modality; default: the recipe's, or what the data looks like.",
              )  # fmt: skip
@extension_option
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
    type=MINUTES,
    help="Train for so long, everything included, in place of the recipe's steps.",
)
@click.option("--run-dir", type=PATH, help="A new folder for the run; default: the next in runs/.")
@click.option("--seed", type=WholeNumber(min=0), help="Sets train.seed.")
@click.option("--dry-run", is_flag=True, help="Do everything but train; write nothing.")
@hardware_options
@precision_option
def train(
    plugin: str | None,
    extensions: tuple[str, ...],
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
      cyclekit train --recipe my_recipe.toml
      cyclekit train --plugin image --recipe horse2zebra --data datasets/horse2zebra
      cyclekit train --plugin image --recipe horse2zebra \\
          --set data.domains.a=cats --set data.domains.b=dogs --set codec.crop=128
      cyclekit train --plugin image --recipe small --data few_pictures --init runs/00007-image-small
      cyclekit train --data my_pictures --minutes 15
      cyclekit train --plugin image --recipe small --data my_pictures --minutes 30
      cyclekit train --plugin ./my_plugin.py --recipe my_recipe.toml --steps 100
    """
    _require_names(plugin, recipe)
    if recipe is None and minutes is None:
        raise _missing_recipe(click.get_current_context())
    require_one(steps, minutes)
    from cyclekit.console import Console
    from cyclekit.preparing.planning import data_settings, plan_training
    from cyclekit.recipe.reading import parse_setting
    from cyclekit.training.launch import start_training

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
    console = Console()
    if recipe is None:
        plan = _open(plugin, data, changes, extensions, console)
    else:
        plan = plan_training(plugin, recipe, changes, extensions)
    start_training(plan, run_dir, hardware(**machine), console, dry_run, minutes)


def _open(
    plugin: str | None,
    data: Path | None,
    changes: "Sequence[Setting]",
    extensions: Sequence[str],
    console: "Console",
) -> "Plan":
    """What is still to be planned, by the plugin that is named or that knows the data."""
    from cyclekit.datasets.plugin_detection import detected
    from cyclekit.preparing.planning import plan_open

    if plugin is None and data is None:
        raise UsageError("Neither --plugin nor --data: name the folder, as in --data my_pictures.")
    return plan_open(plugin or detected(data or Path(), console), changes, extensions)


def _require_names(plugin: str | None, recipe: str | None) -> None:
    """Raise for a name that there is not, before torch is imported, which takes seconds."""
    from cyclekit.plugins.discovery import find_plugin
    from cyclekit.recipe.finding import locate

    if recipe is not None:
        locate(recipe, plugin)
    elif plugin is not None:
        find_plugin(plugin)


def _missing_recipe(context: click.Context) -> click.MissingParameter:
    option = next(param for param in context.command.params if param.name == "recipe")
    return click.MissingParameter(ctx=context, param=option)
