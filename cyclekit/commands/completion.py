"""What the shell offers after the Tab key: plugins, recipes, runs, directions, published sets."""

from collections.abc import Iterable
from pathlib import Path

import click
from click.shell_completion import CompletionItem

from cyclekit.errors import CyclekitError


def complete_plugins(_: click.Context, __: click.Parameter, begun: str) -> list[CompletionItem]:
    """Installed plugins; a Python file, too, is one."""
    from cyclekit.plugins.discovery import installed_plugins

    named = _beginning(begun, (info.name for info in installed_plugins()))
    return named or [CompletionItem(begun, type="file")]


def complete_recipes(
    context: click.Context, _: click.Parameter, begun: str
) -> list[CompletionItem]:
    """Recipes of the plugin that the command names, or of all; a file, too, is one."""
    from cyclekit.plugins.discovery import find_plugin, installed_plugins
    from cyclekit.recipe.finding import find_recipes

    plugin = context.params.get("plugin")
    try:
        infos = [find_plugin(plugin)] if plugin else installed_plugins()
    except CyclekitError:
        infos = []
    named = _beginning(begun, {name for info in infos for name in find_recipes(info)})
    return named or [CompletionItem(begun, type="file")]


def complete_runs(_: click.Context, __: click.Parameter, begun: str) -> list[CompletionItem]:
    """Runs below ``runs/``; elsewhere folders."""
    from cyclekit.runs.layout import RunLayout

    folders = Path("runs").iterdir() if Path("runs").is_dir() else ()
    runs = [str(folder) for folder in folders if RunLayout(folder).recipe_file.is_file()]
    return _beginning(begun, runs) or [CompletionItem(begun, type="dir")]


def complete_directions(
    context: click.Context, _: click.Parameter, begun: str
) -> list[CompletionItem]:
    """Those in which the run that the command names was evaluated."""
    from cyclekit.reporting.listing import directions_of

    # An option without its value yet ends click's parsing: then the run is among what is left.
    run = context.params.get("run") or next(iter(context.args), None)
    try:
        return _beginning(begun, directions_of(Path(run)) if run else ())
    except CyclekitError:
        return []


def complete_sets(_: click.Context, __: click.Parameter, begun: str) -> list[CompletionItem]:
    """Published sets."""
    from cyclekit.datasets.catalogue import Offer, offers

    return _beginning(begun, (offer.name for offer in offers() if isinstance(offer, Offer)))


def _beginning(begun: str, names: Iterable[str]) -> list[CompletionItem]:
    return [CompletionItem(name) for name in sorted(names) if name.startswith(begun)]
