"""Files fetched over HTTP: mirror by mirror, from where it stopped, compared before it is used."""

import hashlib
import http.client
import os
import re
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from cyclekit.console import Console
from cyclekit.data.beginnings import beginning
from cyclekit.datasets.partial_file import PartialFile, Wanted
from cyclekit.describe import duration
from cyclekit.errors import DataError
from cyclekit.storage.folder import Storage
from cyclekit.storage.handle import open_file
from cyclekit.version import package_version

CHUNK = 2**18  # bytes
PATIENCE = 30.0  # seconds in which a server must say something
ATTEMPTS = 5  # without a byte in between, at one mirror
UNANSWERED = 2  # the same, at one from which nothing has come at all
WAIT = 1.0  # seconds before the second attempt; doubles
GIVEN_UP = {400, 401, 403, 404, 405, 410, 451}  # no use in asking again


class _Unusable(Exception):  # noqa: N818 - the next mirror is asked
    """A mirror has not what is wanted."""


class _Cut(Exception):  # noqa: N818 - it is asked again
    """A connection failed or ended too early."""


class _NoAnswer(_Cut):
    """Nobody was reached."""


class _NoRange(_Cut):
    """There is nothing behind what has arrived."""


def fetch(wanted: Wanted, storage: Storage, console: Console) -> "Checked":
    """Fetch a file, or what is missing of it; all of it is compared with its checksum.

    Args:
        wanted: The file.
        storage: Where it is kept, under a name that ends in ``.part``, also when it is whole: who
            uses it removes it. What has arrived when this ends early is there for the next time.
        console: Sees the progress.

    Returns:
        The open file.

    Raises:
        DataError: If no mirror has it; says of each what it did.
        OSError: If the disk refuses.
    """
    part = PartialFile(storage, wanted.kept_as)
    if part.is_whole(wanted) and (found := _found(wanted, part, console)):
        return found
    failures = []
    for url in wanted.urls:
        try:
            for _ in range(2 if part.size else 1):  # what was there may have come from elsewhere
                _fetch_from(url, wanted, part, console)
                if found := _found(wanted, part, console):
                    return found
            raise _Unusable("sent other bytes than were published: the SHA-256 differs")
        except _Unusable as error:
            failures.append(f"{url} {error}")
            console.warn(failures[-1])
    told = "".join(f"\n  {failure}" for failure in failures)
    raise DataError(
        f"{wanted.name} could not be fetched:{told or ' nobody says where it is.'}\nGive another "
        f"place with --mirror URL, or a copy that you have with --archive FILE."
    )


def check(file: Path, name: str, console: Console, follow: bool = False) -> "Checked":
    """Open a file and read all of it for its checksum.

    Args:
        file: The file.
        name: What the person who watches knows it as.
        console: Sees the progress.
        follow: Whether it may be a link.
    """
    opened = open_file(file, follow)
    digest, size = hashlib.sha256(), os.fstat(opened.fileno()).st_size
    try:
        with console.transfer(f"checking {name}", size) as progress:
            while chunk := opened.read(CHUNK):
                digest.update(chunk)
                progress.advance(len(chunk))
        opened.seek(0)
    except BaseException:
        opened.close()
        raise
    return Checked(opened, digest.hexdigest(), size)


@dataclass(frozen=True)
class Checked:
    """An open file, at its beginning: what is read from it is what was checked.

    Attributes:
        file: Open.
        sha256: Of all of it.
        bytes: Its size.
    """

    file: IO[bytes]
    sha256: str
    bytes: int


def _found(wanted: Wanted, part: PartialFile, console: Console) -> Checked | None:
    """What has arrived, if it is what was published; else it is removed."""
    checked = check(part.path, wanted.name, console)
    if wanted.sha256 in (None, checked.sha256):
        return checked
    checked.file.close()
    part.discard()
    return None


def _fetch_from(url: str, wanted: Wanted, part: PartialFile, console: Console) -> None:
    """Ask one mirror until the file is whole, or nothing comes any more."""
    failed, at_first = 0, part.size
    while True:
        before = part.size
        try:
            _receive(url, wanted, part, console)
            return
        except _Cut as error:
            if isinstance(error, _NoRange):
                part.discard()
            failed = 1 if part.size > before else failed + 1
            dead = isinstance(error, _NoAnswer) and part.size == at_first
            if failed >= (UNANSWERED if dead else ATTEMPTS):
                raise _Unusable(f"{error}, {failed} times without a byte in between") from error
            wait = WAIT * 2 ** (failed - 1)
            console.say(f"{url}: {error}; going on in {duration(wait)}")
            time.sleep(wait)


def _receive(url: str, wanted: Wanted, part: PartialFile, console: Console) -> None:
    """One request, for what is missing."""
    offset = part.offset(url, wanted)
    with _asked(url, part.headers(url, offset), wanted.sha256 is not None) as response:
        begin, total = _promised(response, offset, part)
        _require_fitting(total, response, wanted)
        with (
            part.open(begin) as file,
            console.transfer(f"fetching {wanted.name}", total or wanted.bytes, begin) as progress,
        ):
            part.describe(url, total, response.headers)
            size = begin
            for chunk in _chunks(response):
                if not size and beginning(chunk).startswith("it begins like a web page"):
                    raise _Unusable("sent a web page instead of the file")
                size += len(chunk)
                if size > (total or wanted.bytes or wanted.most):
                    raise _Unusable(f"sent more than {size - len(chunk):,} bytes")
                file.write(chunk)
                progress.advance(len(chunk))
    if total is not None and size < total:
        raise _Cut(f"the connection ended after {size:,} of {total:,} bytes")
    if total is None and size < (wanted.bytes or 0):
        raise _Cut(f"the connection ended after {size:,} of {wanted.bytes:,} bytes")
    part.complete(url, size)


@contextmanager
def _asked(url: str, headers: Mapping[str, str], compared: bool) -> Iterator[Any]:
    """The open answer to a request."""
    said = {"User-Agent": f"cyclekit/{package_version()}", "Accept-Encoding": "identity", **headers}
    request = urllib.request.Request(url, headers=said)
    try:
        response = _opener(compared).open(request, timeout=PATIENCE)
    except urllib.error.HTTPError as error:
        if error.code == 416:  # what is there is none of it
            raise _NoRange("the server has no such range") from error
        if error.code in GIVEN_UP or error.code < 400:  # redirected in circles
            raise _Unusable(f"answered {error.code} {error.reason}") from error
        raise _Cut(f"it answered {error.code} {error.reason}") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise _NoAnswer(_reason(error)) from error
    with response:
        yield response


def _opener(compared: bool) -> urllib.request.OpenerDirector:
    """HTTP and nothing else, however an address or a redirection may begin."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        _Redirections(compared),
    ):
        opener.add_handler(handler)
    return opener


class _Redirections(urllib.request.HTTPRedirectHandler):
    """Follows to HTTP and HTTPS; not back to HTTP where nothing is compared with a checksum."""

    def __init__(self, compared: bool) -> None:
        self._compared = compared

    def redirect_request(
        self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> Any:
        """As urllib does it, unless the new address is refused."""
        scheme = urlsplit(newurl).scheme
        if scheme not in ("http", "https"):
            raise _Unusable(f"sends on to {newurl}, which is no HTTP")
        if scheme == "http" and req.type == "https" and not self._compared:
            raise _Unusable("sends on from https to http, and there is no checksum to compare")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _promised(response: Any, offset: int, part: PartialFile) -> tuple[int, int | None]:
    """Where the bytes that come belong, and how many the whole has, as far as it is said."""
    if response.status == 206:
        told = re.fullmatch(
            r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", "").strip()
        )
        if told is None or int(told[1]) != offset:
            part.discard()  # else the same would be asked again
            raise _Cut("the server sent another range than it was asked for")
        return offset, None if told[2] == "*" else int(told[2])
    if response.status != 200:
        raise _Cut(f"it answered {response.status}")
    return 0, response.length  # from the beginning: it knows no ranges, or the file has changed


def _require_fitting(total: int | None, response: Any, wanted: Wanted) -> None:
    if response.headers.get_content_type() == "text/html":
        raise _Unusable("sent a web page instead of the file")
    if total is not None and wanted.bytes not in (None, total):
        raise _Unusable(f"has a file of {total:,} bytes; {wanted.bytes:,} were published")
    if total is not None and total > wanted.most:
        raise _Unusable(f"has a file of {total:,} bytes; at most {wanted.most:,} were expected")


def _chunks(response: Any) -> Iterator[bytes]:
    """What comes, as it comes."""
    while True:
        try:
            chunk: bytes = response.read1(CHUNK)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise _Cut(_reason(error)) from error
        if not chunk:
            return
        yield chunk


def _reason(error: Exception) -> str:
    """Why a request failed, in words."""
    inner = getattr(error, "reason", error)
    if isinstance(inner, TimeoutError):
        return f"nothing came for {duration(PATIENCE)}"
    if isinstance(error, http.client.IncompleteRead):
        return "the connection ended too early"
    return str(getattr(inner, "strerror", None) or inner or type(error).__name__)
