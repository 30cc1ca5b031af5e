"""``cyclekit data``."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cyclekit.commands.options import PATH
from cyclekit.describe import shown
from cyclekit.errors import PluginError, UsageError

if TYPE_CHECKING:
    from cyclekit.datasets.catalogue import Offer

plugin_option = click.option("--plugin", metavar="NAME|FILE.py", help="The modality.")


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
@click.argument("name")
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
    from cyclekit.datasets.catalogue import find_offer
    from cyclekit.datasets.getting import Request, get
    from cyclekit.runs.watcher import Watcher

    offer = find_offer(name, plugin)
    watcher = Watcher()
    about = offer.set
    watcher.say(f"{name}: {about.summary}")
    watcher.say(f"licence: {about.licence}")
    watcher.say(f"to cite: {about.citation}")
    if about.notes:
        watcher.say(f"note: {about.notes}")
    given = dict(_setting(text) for text in settings)
    request = Request(out, mirrors, archives, _checksum(sha256), given, keep)
    try:
        folder = get(offer, request, watcher)
    except KeyboardInterrupt:
        watcher.say("What has arrived is kept: the same command goes on from there.")
        raise
    watcher.result(str(folder))
    for line in _next(offer, folder):
        watcher.say(line)


def _next(offer: "Offer", folder: Path) -> list[str]:
    """The commands that one may want now."""
    from cyclekit.datasets.using import check_command, training_command

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
