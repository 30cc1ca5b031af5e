"""``cyclekit plugins``."""

import json
import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

import click

from cyclekit.commands.completion import complete_plugins
from cyclekit.commands.options import PATH, WholeNumber, extension_option
from cyclekit.errors import CyclekitError, ExtensionAlone, IncompatiblePlugin, UsageError, suggest

UNUSABLE = ("broken", "incompatible")  # states of plugins


@click.group()
def plugins() -> None:
    """See which modalities are installed, check one, begin one."""


@plugins.command("list")
@click.option("--check", is_flag=True, help="Import each one and say whether it works.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list.")
def list_plugins(check: bool, as_json: bool) -> None:
    """List installed plugins, from package metadata alone.

    With --check the exit code is 1 if one of them cannot be used.

    \b
    Examples:
      cyclekit plugins list
      cyclekit plugins list --check
    """
    from cyclekit.plugins.discovery import installed_plugins

    rows = []
    for info in installed_plugins():
        row = {"name": info.name, "distribution": info.distribution, "version": info.version}
        rows.append(row | (_checked(info.name) if check else {}))
    if as_json:
        click.echo(json.dumps(rows))
    for row in () if as_json else rows:
        state = f"  {row['state']}: {row['detail']}" if check else ""
        click.echo(f"{row['name']:<12} {row['distribution']} {row['version']}{state}")
    if not rows and not as_json:
        click.echo("No plugins are installed.")
    if any(row.get("state") in UNUSABLE for row in rows):
        sys.exit(1)


def _checked(name: str) -> dict[str, str]:
    """What is found when a plugin is imported: its state, and a sentence about it."""
    from cyclekit.plugins.host import load_plugin  # which takes torch

    try:
        return {"state": "ok", "detail": load_plugin(name).modality.summary}
    except ExtensionAlone as error:
        fault = _fault_of_extension(name)
        return {"state": "broken" if fault else "extension", "detail": fault or str(error)}
    except IncompatiblePlugin as error:
        return {"state": "incompatible", "detail": str(error)}
    except CyclekitError as error:
        return {"state": "broken", "detail": str(error)}


def _fault_of_extension(name: str) -> str:
    """What goes wrong when an extension adds to the plugins that are installed; empty: nothing."""
    from cyclekit.plugins.discovery import installed_plugins
    from cyclekit.plugins.host import load_plugin

    for info in installed_plugins():
        try:
            load_plugin(info.name)
        except CyclekitError:
            continue  # which has a row of its own
        try:
            load_plugin(info.name, [name])
        except CyclekitError as error:
            return str(error)
    return ""


@plugins.command("show")
@click.argument("plugin", metavar="NAME|FILE.py", shell_complete=complete_plugins)
@click.argument("thing", required=False, metavar="[THING]")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
@extension_option
def show_plugin(plugin: str, thing: str | None, as_json: bool, extensions: tuple[str, ...]) -> None:
    """Show what a plugin brings: networks, objectives, metrics, corruptions, data sets.

    With the name of one of these, its settings with what they mean.

    \b
    Examples:
      cyclekit plugins show image
      cyclekit plugins show image unet_256
      cyclekit plugins show music --json
    """
    from dataclasses import asdict

    from cyclekit.console import Console
    from cyclekit.plugins.contents import contents
    from cyclekit.plugins.host import load_plugin

    host = load_plugin(plugin, extensions)
    found = contents(host)
    if thing is not None:
        known = {each.name for things in found.values() for each in things}
        found = {kind: [t for t in things if t.name == thing] for kind, things in found.items()}
        if thing not in known:
            raise UsageError(f"{plugin!r} brings no {thing!r}. {suggest(thing, known)}")
    found = {kind: things for kind, things in found.items() if things}
    if as_json:
        click.echo(json.dumps({k: [asdict(each) for each in of] for k, of in found.items()}))
        return
    console = Console()
    if thing is None:
        console.result(f"{host.modality.name}: {host.modality.summary}")
    for kind, things in found.items():
        console.result(f"\n{kind}")
        for each in things:
            console.result(f"  {each.name:<20} {each.summary}".rstrip())
            for key, said in each.options.items() if thing else ():
                console.result(f"    {key:<28} {said}")
            if each.options and not thing:
                console.result(f"  {'':<20} settings: {', '.join(each.options)}")
    if thing is None:
        console.say(f"\nWhat a setting means: cyclekit plugins show {plugin} NAME")


@plugins.command("check")
@click.argument("plugin", metavar="NAME|FILE.py", shell_complete=complete_plugins)
@click.option("--data", type=PATH, help="Folder with trainA and so on; default: built-in data.")
@click.option(
    "--objective",
    metavar="NAME",
    help="The objective to try; default: an extension's, or the recipe's.",
)
@extension_option
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

    if objective is None and extensions:
        objective = _brought_objective(plugin, extensions)
    outcomes = []
    for result in run_checks(plugin, data, objective, extensions):
        if isinstance(result.error, UsageError):  # there is no such plugin
            raise result.error
        outcomes.append(result.outcome)
        if result.outcome == "not run":
            continue
        said = f": {result.message}" if result.outcome == "failed" else ""
        click.echo(f"{result.outcome:<8} {result.name}{said}")
        if result.error and os.environ.get("CYCLEKIT_DEBUG"):
            traceback.print_exception(result.error)
    if "failed" in outcomes:
        waiting = outcomes.count("not run")
        if waiting:
            click.echo(f"not run  {waiting}, each of which needs one that failed")
        sys.exit(1)


def _brought_objective(plugin: str, extensions: Sequence[str]) -> str | None:
    """The objective that extensions bring, where it is one."""
    from cyclekit.plugins.host import load_plugin

    try:
        own, all_of_them = (
            {each.name for each in load_plugin(plugin, beside).modality.objectives}
            for beside in ((), extensions)
        )
    except CyclekitError:
        return None  # which the checks say
    brought = sorted(all_of_them - own)
    if len(brought) > 1:
        raise UsageError(
            f"Several objectives come with that: {', '.join(brought)}. Say which one "
            f"to try with --objective."
        )
    for name in brought:
        click.echo(f"the objective is {name}; another one is tried with --objective")
    return brought[0] if brought else None


@plugins.command("new")
@click.argument("name")
@click.option("--dims", type=WholeNumber(1, 3), default=1, show_default=True,
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
        chosen = f"--extension {name} --set objective.name={name}"
        click.echo(f"  cyclekit train --plugin image --recipe demo {chosen}")
        click.echo(f"  cyclekit plugins check image --extension {name}")
        return
    click.echo(f"  cyclekit train --plugin {name} --recipe demo")
    click.echo(f"  cyclekit plugins check {name}")
