"""``cyclekit plugins``."""

import json
import sys
from pathlib import Path

import click

from cyclekit.commands.options import PATH
from cyclekit.errors import CyclekitError, IncompatiblePlugin


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
    from cyclekit.plugins import installed_plugins, load_plugin

    rows = []
    for info in installed_plugins():
        row = {"name": info.name, "distribution": info.distribution, "version": info.version}
        if check:
            try:
                row |= {"state": "ok", "detail": load_plugin(info.name).modality.summary}
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
@click.option("--data", type=PATH, help="Folder with trainA and trainB; default: built-in data.")
def check_plugin(plugin: str, data: Path | None) -> None:
    """Hold a plugin against the contract, rule by rule.

    \b
    Examples:
      cyclekit plugins check image
      cyclekit plugins check ./my_plugin.py --data some_of_my_data
    """
    from cyclekit.testing import run_checks

    outcomes = []
    for result in run_checks(plugin, data):
        outcomes.append(result.outcome)
        said = f": {result.message}" if result.outcome == "failed" else ""
        click.echo(f"{result.outcome:<8} {result.name}{said}")
    if "failed" in outcomes:
        sys.exit(1)
