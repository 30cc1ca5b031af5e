"""``cyclekit data``."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cyclekit.commands.completion import complete_sets
from cyclekit.commands.options import PATH, plugin_option, settings_option, trust_option
from cyclekit.describe import shown
from cyclekit.errors import PluginError, UsageError

if TYPE_CHECKING:
    from cyclekit.console import Console
    from cyclekit.datasets.catalogue import Offer
    from cyclekit.preparing.planning import Plan


@click.group()
def data() -> None:
    """Get published data sets, and see what a folder of data holds."""


@data.command("list")
@click.argument("name", metavar="[PLUGIN]", required=False)
@plugin_option
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list, with everything known.")
def list_sets(name: str | None, plugin: str | None, as_json: bool) -> None:
    """List the published sets that `cyclekit data get` brings.

    \b
    Examples:
      cyclekit data list
      cyclekit data list audio
    """
    from cyclekit.datasets.catalogue import offers

    found = list(offers(plugin or name))
    known = [offer for offer in found if not isinstance(offer, PluginError)]
    if as_json:
        rows = [_described(offer) for offer in known]
        click.echo(json.dumps(rows))
        return
    for offer in known:
        about = offer.set
        size = "withheld" if about.withheld else _size(about.bytes)
        row = f"{offer.plugin.name:<8} {offer.name:<24} {size:>9}  {about.summary}"
        click.echo(shown(row))
    for broken in found:
        if isinstance(broken, PluginError):
            click.echo(f"warning: {shown(str(broken))}", err=True)


@data.command("get")
@click.argument("name", shell_complete=complete_sets)
@plugin_option
@click.option("-o", "--out", type=PATH, default=Path("datasets"), show_default=True,
              help="The folder in which the set's own folder is made.")  # fmt: skip
@click.option("--mirror", "mirrors", multiple=True, metavar="URL",
              help="Another place to try first: a file's address, or its folder's.")  # fmt: skip
@click.option("--archive", "archives", multiple=True, type=PATH, metavar="FILE",
              help="A copy that you have, instead of downloading it.")  # fmt: skip
@click.option("--sha256", metavar="HEX", help="What the archive's checksum is to be, instead of "
              "what is published or was seen before.")  # fmt: skip
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE",
              help="Something that the set can be told, such as genres=FILE.")  # fmt: skip
@click.option("--keep", is_flag=True, help="Keep the downloaded archives, in .downloads.")
def get_set(
    name: str,
    plugin: str | None,
    out: Path,
    mirrors: tuple[str, ...],
    archives: tuple[Path, ...],
    sha256: str | None,
    settings: tuple[str, ...],
    keep: bool,
) -> None:
    """Bring a published set: download, check, unpack, lay out as its recipe expects it.

    What was interrupted goes on where it stopped. The set is there whole or not at all.

    \b
    Examples:
      cyclekit data get horse2zebra
      cyclekit data get horse2zebra --archive Downloads/horse2zebra.zip
      cyclekit data get maps --mirror https://mirror.example.org/cyclegan/
      cyclekit data get classical2jazz --set genres=my_genres.csv
    """
    from cyclekit.console import Console
    from cyclekit.datasets.catalogue import find_offer
    from cyclekit.datasets.getting import Request, get

    offer = find_offer(name, plugin)
    console = Console()
    about = offer.set
    console.say(f"{name}: {about.summary}")
    console.say(f"licence: {about.licence}")
    console.say(f"to cite: {about.citation}")
    if about.notes:
        console.say(f"note: {about.notes}")
    given = dict(_setting(text) for text in settings)
    request = Request(out, mirrors, archives, _checksum(sha256), given, keep)
    try:
        folder = get(offer, request, console)
    except KeyboardInterrupt:
        console.say("What has arrived is kept: the same command goes on from there.")
        raise
    console.result(str(folder))
    for line in _next(offer, folder):
        console.say(line)


@data.command("check")
@trust_option
@click.argument("folder", type=PATH, required=False, metavar="[DIR]")
@plugin_option
@click.option("--recipe", metavar="NAME|FILE.toml",
              help="Read data as this recipe does; without DIR, the data it names.")  # fmt: skip
@settings_option
@click.option("--all", "everything", is_flag=True, help="Look into every file, however many.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def check_folder(
    folder: Path | None,
    plugin: str | None,
    recipe: str | None,
    settings: tuple[str, ...],
    everything: bool,
    as_json: bool,
) -> None:
    """Say what a training would find in a folder.

    How many files, which of them cannot be used and why, which are there twice, within a domain,
    in both, or to train on and to test with; whether domains are empty or unbalanced; pairs. The
    exit code is 1 where a training would not start.

    \b
    Examples:
      cyclekit data check my_pictures
      cyclekit data check my_pictures --plugin image --recipe small --all
      cyclekit data check --plugin audio --recipe arctic
    """
    from cyclekit.console import Console
    from cyclekit.datasets.inspection import inspect
    from cyclekit.datasets.inspection_text import inspection_lines

    console = Console(quiet=as_json)
    plan = _plan(folder, plugin, recipe, settings, console)
    found = inspect(plan.host.modality, plan.recipe, console, everything)
    if as_json:
        click.echo(json.dumps(found.as_json()))
    else:
        for line in inspection_lines(found):
            console.result(line)
    if found.refusals:
        sys.exit(1)


def _plan(
    folder: Path | None,
    plugin: str | None,
    recipe: str | None,
    settings: tuple[str, ...],
    console: "Console",
) -> "Plan":
    """How the folder is read."""
    from cyclekit.datasets.plugin_detection import detected
    from cyclekit.preparing.planning import data_settings, plan_defaults, plan_training
    from cyclekit.recipe.reading import parse_setting

    changes = [] if folder is None else data_settings(folder)
    changes += [parse_setting(text) for text in settings]
    if recipe is not None:
        return plan_training(plugin, recipe, changes)
    if folder is None and not changes:
        raise UsageError("Nothing to look at: name a folder, or a recipe with --recipe.")
    return plan_defaults(plugin or detected(folder or Path(), console), changes)


def _next(offer: "Offer", folder: Path) -> list[str]:
    """The commands that one may want now."""
    from cyclekit.datasets.next_commands import check_command, training_command

    return [training_command(offer, folder), check_command(offer, folder)]


def _described(offer: "Offer") -> dict[str, Any]:
    return {
        "plugin": offer.plugin.name,
        "name": offer.name,
        "bytes": offer.set.bytes,
        **offer.set.model_dump(mode="json"),
    }


def _size(size: int | None) -> str:
    from rich.filesize import decimal

    return "?" if size is None else decimal(size)


def _setting(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise UsageError(f"--set needs key=value, as in --set genres=FILE; got {text[:80]!r}.")
    return key, value


def _checksum(given: str | None) -> str | None:
    if given is None:
        return None
    digest = given.strip().lower()
    if len(digest) != 64 or set(digest) - set("0123456789abcdef"):
        raise UsageError(f"--sha256 {given[:80]}: expected 64 hexadecimal digits.")
    return digest
