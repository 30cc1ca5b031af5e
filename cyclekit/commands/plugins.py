"""``cyclekit plugins``."""

import json
import os
import sys
import traceback
from pathlib import Path

import click

from cyclekit.commands.options import PATH
from cyclekit.errors import CyclekitError, ExtensionAlone, IncompatiblePlugin


@click.group()
def plugins() -> None:
    """See which modalities are installed, check one, begin one."""


@plugins.command("list")
@click.option("--check", is_flag=True, help="Import each one and say whether it works.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list.")
def list_plugins(check: bool, as_json: bool) -> None:
    """List installed plugins, from package metadata alone.

    \b
    Examples:
      cyclekit plugins list
      cyclekit plugins list --check
    """
    from cyclekit.plugins.discovery import installed_plugins

    rows = []
    for info in installed_plugins():
        row = {"name": info.name, "distribution": info.distribution, "version": info.version}
        if check:
            from cyclekit.plugins.host import load_plugin  # which takes torch

            try:
                row |= {"state": "ok", "detail": load_plugin(info.name).modality.summary}
            except ExtensionAlone as error:
                row |= {"state": "extension", "detail": str(error)}
            except IncompatiblePlugin as error:
                row |= {"state": "incompatible", "detail": str(error)}
            except CyclekitError as error:
                row |= {"state": "broken", "detail": str(error)}
        rows.append(row)
    if as_json:
        click.echo(json.dumps(rows))
        return
    for row in rows:
        state = f"  {row['state']}: {row['detail']}" if check else ""
        click.echo(f"{row['name']:<12} {row['distribution']} {row['version']}{state}")
    if not rows:
        click.echo("No plugins are installed.")


@plugins.command("check")
@click.argument("plugin", metavar="NAME|FILE.py")
@click.option("--data", type=PATH, help="Folder with trainA and so on; default: built-in data.")
@click.option("--objective", metavar="NAME", help="The objective to try; default: the recipe's.")
@click.option(
    "--extension",
    "extensions",
    metavar="NAME|FILE.py",
    multiple=True,
    help="Another plugin to load, such as one that brings an objective; may be repeated.",
)
def check_plugin(
    plugin: str, data: Path | None, objective: str | None, extensions: tuple[str, ...]
) -> None:
    """Hold a plugin against the contract, rule by rule.

    \b
    Examples:
      cyclekit plugins check image
      cyclekit plugins check ./my_plugin.py --data some_of_my_data
      cyclekit plugins check image --extension ./my_objective.py --objective mine
    """
    from cyclekit.testing import run_checks

    outcomes = []
    for result in run_checks(plugin, data, objective, extensions):
        outcomes.append(result.outcome)
        said = f": {result.message}" if result.outcome == "failed" else ""
        click.echo(f"{result.outcome:<8} {result.name}{said}")
        if result.error and os.environ.get("CYCLEKIT_DEBUG"):
            traceback.print_exception(result.error)
    if "failed" in outcomes:
        sys.exit(1)


@plugins.command("new")
@click.argument("name")
@click.option("--dims", type=click.IntRange(1, 3), default=1, show_default=True,
              help="Axes of a sample: 1 for series, 2 for pictures, 3 for volumes.")  # fmt: skip
@click.option("--objective", is_flag=True,
              help="An objective for anybody's modality, in place of a modality.")  # fmt: skip
@click.option("-o", "--out", type=PATH, default=Path(), help="Where; default: this folder.")
def new_plugin(name: str, dims: int, objective: bool, out: Path) -> None:
    """Write a plugin package that works as it is, for you to change.

    \b
    Examples:
      cyclekit plugins new eeg
      cyclekit plugins new depth_maps --dims 2 -o ~/code
      cyclekit plugins new one_way --objective
    """
    from cyclekit.scaffold import write_plugin

    folder = write_plugin(name, dims, out, objective)
    click.echo(f"{folder}\n")
    click.echo(f"  pip install -e {folder}")
    if objective:
        chosen = f"--set \"extensions=['{name}']\" --set objective.name={name}"
        click.echo(f"  cyclekit train --plugin image --recipe demo {chosen}")
        click.echo(f"  cyclekit plugins check image --extension {name} --objective {name}")
        return
    click.echo(f"  cyclekit train --plugin {name} --recipe demo")
    click.echo(f"  cyclekit plugins check {name}")
