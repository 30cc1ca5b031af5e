"""Published weights, fetched from where their authors put them, and known again by their hash.

Nobody published checksums. So what comes first is trusted, its hash is remembered, and whatever
comes later from the same place has to be the same.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from cyclekit.console import Console
from cyclekit.datasets.download import fetch as fetch_file
from cyclekit.datasets.partial_file import Wanted
from cyclekit.errors import CyclekitError, DataError, UsageError, suggest
from cyclekit.importing.family import Published
from cyclekit.remembered import Remembered
from cyclekit.storage.folder import Storage
from cyclekit.storage.handle import open_file

PREFIX = "zoo:"
KNOWN = Remembered("weights.json")  # the hash of what came from each address
SURPLUS = 1.5  # times as large as it is said to be: it is something else


def find_published(name: str, published: Sequence[Published]) -> Published:
    """The file of weights that is called ``zoo:NAME``.

    Raises:
        UsageError: If there is none; suggests the nearest.
    """
    wanted = name.removeprefix(PREFIX)
    for one in published:
        if one.name == wanted:
            return one
    known = [one.name for one in published]
    raise UsageError(f"{name}: nothing of that name is published. {suggest(wanted, known)}")


def fetch(published: Published, folder: Path, console: Console) -> Path:
    """The file, downloaded if it is not there from before.

    Args:
        published: What, and from where.
        folder: To keep it in.
        console: Is told what is going on.

    Raises:
        CyclekitError: If it cannot be had, or is not what it was the first time.
    """
    name = f"{published.name.replace('/', '-')}{Path(urlsplit(published.url).path).suffix}"
    file, known = folder / name, KNOWN.read().get(published.url)
    if known and file.is_file() and _hash(file) == known:
        console.say(f"{file} is there from before")
        return file
    storage = Storage(folder)
    storage.make()
    console.say(f"{published.url} (about {published.size / 1e6:.0f} MB) is kept as {file}")
    most = int(SURPLUS * published.size)
    try:
        found = fetch_file(Wanted(published.name, name, [published.url], most), storage, console)
    except DataError as error:
        raise CyclekitError(
            f"{' '.join(str(error).partition('Give another')[0].split())} The server is down at "
            f"times: try later, or fetch the file in another way and import it."
        ) from error
    found.file.close()
    if known and found.sha256 != known:
        storage.remove(f"{name}.part")
        storage.remove(f"{name}.json")
        raise CyclekitError(
            f"{published.url} is not what it was the first time: its SHA-256 is {found.sha256}, it "
            f"was {known}. Nothing was kept. If you know that its authors replaced it, fetch it "
            f"yourself and import the file."
        )
    with storage.open() as handle:
        handle.require_replaceable(name)
        handle.replace(f"{name}.part", name)
    storage.remove(f"{name}.json")
    KNOWN.keep(published.url, found.sha256)
    return file


def _hash(file: Path) -> str:
    with open_file(file) as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
