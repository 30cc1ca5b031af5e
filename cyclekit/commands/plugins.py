"""``cyclekit plugins``."""

import json

import click

from cyclekit.errors import CyclekitError, IncompatiblePlugin


@click.group()
def plugins() -> None:
    """See which modalities are installed."""


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
