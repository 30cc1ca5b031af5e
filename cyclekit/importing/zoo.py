"""Published weights, fetched from where their authors put them, and known again by their hash.

Nobody published checksums. So what comes first is trusted, its hash is remembered, and whatever
comes later from the same place has to be the same.
"""

import contextlib
import hashlib
import json
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cyclekit.errors import CyclekitError, UsageError, suggest
from cyclekit.importing.family import Published
from cyclekit.runs.watcher import Watcher
from cyclekit.storage.folder import Storage
from cyclekit.storage.handle import Refused, open_file, read_text
from cyclekit.trust import state_folder

PREFIX = "zoo:"
KNOWN = "downloads.json"
PIECE = 2**20  # bytes
PATIENCE = 30  # seconds without a byte
SURPLUS = 1.5  # times as large as it is said to be: it is something else
SCHEMES = ("http", "https")


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


def fetch(published: Published, folder: Path, watcher: Watcher) -> Path:
    """The file, downloaded if it is not there from before.

    Args:
        published: What, and from where.
        folder: To keep it in.
        watcher: Is told what is going on.

    Raises:
        CyclekitError: If it cannot be had, or is not what it was the first time.
    """
    name = f"{published.name.replace('/', '-')}{Path(urlsplit(published.url).path).suffix}"
    file = folder / name
    known = _known().get(published.url)
    if known and file.is_file() and _hash(file) == known:
        watcher.say(f"{file} is there from before")
        return file
    watcher.say(f"downloading {published.url} (about {published.size / 1e6:.0f} MB) to {file}")
    storage = Storage(folder)
    storage.clean(alone=False)  # of a download that was killed
    with _explaining(published), storage.aside() as aside:
        digest = hashlib.sha256()
        with (aside.path / name).open("wb") as written:
            pieces = _pieces(published)
            for piece in watcher.track(pieces, -(-published.size // PIECE), published.name):
                digest.update(piece)
                written.write(piece)
        found = digest.hexdigest()
        if known and found != known:
            raise CyclekitError(
                f"{published.url} is not what it was the first time it was downloaded (SHA-256 "
                f"{found[:12]}... instead of {known[:12]}...). Nothing was kept. If its authors "
                f"replaced it, remove its line from {KNOWN} in {state_folder()}."
            )
        _remember(published.url, found)
        return aside.keep(name)


def _pieces(published: Published) -> Iterator[bytes]:
    """What the server sends, as long as it is about as much as it should be."""
    if urlsplit(published.url).scheme not in SCHEMES:
        raise CyclekitError(f"{published.url} is no address of the web.")
    opener = urllib.request.build_opener(_OnTheWeb)
    most, count = int(SURPLUS * published.size), 0
    with opener.open(published.url, timeout=PATIENCE) as response:
        while piece := response.read(PIECE):
            count += len(piece)
            if count > most:
                raise CyclekitError(
                    f"{published.url} sends more than the {published.size:,} bytes that it should "
                    f"have: it is something else. Nothing was kept."
                )
            yield piece
        promised = response.headers.get("Content-Length", "")
        if promised.isdecimal() and count != int(promised):
            raise CyclekitError(
                f"{published.url} broke off after {count:,} of {int(promised):,} bytes. Nothing "
                f"was kept; try again."
            )


class _OnTheWeb(urllib.request.HTTPRedirectHandler):
    """Follows redirections within the web alone."""

    def redirect_request(
        self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> Any:
        if urlsplit(newurl).scheme not in SCHEMES:
            raise urllib.error.URLError(f"it leads to {newurl}")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


@contextlib.contextmanager
def _explaining(published: Published) -> Iterator[None]:
    """Turn failures of networks into what a person can do."""
    try:
        yield
    except (urllib.error.URLError, HTTPException, TimeoutError, ConnectionError) as error:
        raise CyclekitError(
            f"{published.url} cannot be downloaded ({str(error)[:200]}). Its server is down at "
            f"times: try later, or fetch it in another way and import the file."
        ) from error


def _hash(file: Path) -> str:
    with open_file(file) as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _known() -> dict[str, str]:
    """The hash of each address from which something came."""
    folder = state_folder()
    try:
        told = json.loads(read_text(folder / KNOWN)) if folder else {}
    except (OSError, ValueError, RecursionError):
        return {}
    return {k: v for k, v in told.items() if isinstance(v, str)} if isinstance(told, dict) else {}


def _remember(url: str, digest: str) -> None:
    folder = state_folder()
    if folder is None:
        return
    with contextlib.suppress(OSError, Refused):  # a disk that is full or read-only: this time only
        told = json.dumps(_known() | {url: digest}, indent=2)
        Storage(folder).write_text(KNOWN, told + "\n")
