"""A file that is fetched: what is wanted, what has arrived of it, and from where."""

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any

from cyclekit.storage.folder import Storage
from cyclekit.storage.handle import open_file, read_text

LARGEST_ABOUT = 10_000  # bytes


@dataclass(frozen=True)
class Wanted:
    """A file to fetch.

    Attributes:
        name: For messages.
        kept_as: What it is called until it is used, before ``.part``.
        urls: Where, in order.
        most: Bytes that it may have at most.
        bytes: Its size, where it is known.
        sha256: Its checksum, where it is known.
    """

    name: str
    kept_as: str
    urls: Sequence[str]
    most: int
    bytes: int | None = None
    sha256: str | None = None


class PartialFile:
    """What has arrived of a file, with where it came from.

    Attributes:
        path: Where it is.
    """

    def __init__(self, storage: Storage, name: str) -> None:
        self._storage = storage
        self._name = f"{name}.part"
        self._about = f"{name}.json"
        self.path = storage.path / self._name

    @property
    def size(self) -> int:
        """Bytes."""
        try:
            with open_file(self.path) as file:
                return os.fstat(file.fileno()).st_size
        except OSError:
            return 0

    def is_whole(self, wanted: Wanted) -> bool:
        """Whether it is as long as the whole, by the catalogue or the server."""
        told = self._told().get("whole")
        return self.size > 0 and self.size == (wanted.bytes or told)

    def offset(self, url: str, wanted: Wanted) -> int:
        """From where ``url`` can go on; 0: nothing that is there is known to be of its file."""
        told = self._told()
        of_it = told.get("url") == url and (told.get("etag") or told.get("modified"))
        if not (of_it or wanted.sha256):
            return 0
        return self.size if self.size < (wanted.bytes or wanted.most) else 0

    def headers(self, url: str, offset: int) -> dict[str, str]:
        """What to ask ``url`` for."""
        if not offset:
            return {}
        told = self._told()
        asked = {"Range": f"bytes={offset}-"}
        known = told.get("etag") or told.get("modified")
        # Another file by now is sent whole.
        return asked | ({"If-Range": known} if told.get("url") == url and known else {})

    def describe(self, url: str, total: int | None, headers: Any) -> None:
        """Remember where it comes from."""
        etag = headers.get("ETag") or ""
        self._tell(
            url=url,
            etag="" if etag.startswith("W/") else etag,  # equal in meaning is not equal in bytes
            modified=headers.get("Last-Modified") or "",
            whole=total,
        )

    def complete(self, url: str, size: int) -> None:
        """Remember that it is whole, also where the server did not say how long it is."""
        self._tell(**(self._told() | {"url": url, "whole": size}))

    @contextmanager
    def open(self, begin: int) -> Iterator[IO[bytes]]:
        """To write on from a place; what was behind it is gone. Flushed, whatever happens."""
        with self._storage.open() as handle:
            number = handle.open(self._name, os.O_WRONLY | os.O_CREAT)
        with os.fdopen(number, "wb") as file:
            file.truncate(begin)
            file.seek(begin)
            try:
                yield file
            finally:
                file.flush()
                os.fsync(file.fileno())

    def discard(self) -> None:
        """Remove it."""
        self._storage.remove(self._name)
        self._storage.remove(self._about)

    def _told(self) -> dict[str, Any]:
        try:
            told = json.loads(read_text(self._storage.path / self._about, LARGEST_ABOUT))
        except (OSError, ValueError, RecursionError):
            return {}
        return told if isinstance(told, dict) else {}

    def _tell(self, **about: Any) -> None:
        self._storage.write_text(self._about, json.dumps(about))
