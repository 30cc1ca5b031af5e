"""Encoded windows on disk, found again at the next start by what they were made from."""

import hashlib
import json
import math
import os
import zlib
from array import array
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Annotated

import torch
from pydantic import BaseModel, Field
from safetensors import SafetensorError
from safetensors.torch import load, save_file
from torch import Tensor

from cyclekit.data.listing import Files
from cyclekit.data.stored import Kind, OnDisk
from cyclekit.errors import BadSample
from cyclekit.locks import locked
from cyclekit.storage.folder import Storage
from cyclekit.storage.handle import open_file, read_text

FORMAT = 3
CHUNK = 2**24  # bytes that are read at once
LARGEST_ABOUT = 2**28  # bytes; it has a line for each bad file
DTYPES = {
    name: dtype for name in dir(torch) if isinstance(dtype := getattr(torch, name), torch.dtype)
}
TAG = "CACHEDIR.TAG"
TAGGED = """Signature: 8a477f597d28d172789f06886806bc55
# Encoded windows of cyclekit, which makes them anew if they are gone. See https://bford.info/cachedir/
"""
ABOUT, INDEX, BYTES = "about.json", "index.safetensors", "windows.bin"


@dataclass(frozen=True)
class Cached:
    """A domain's files as they were encoded.

    Attributes:
        tensors: The windows of the usable files, in order.
        counts: How many each usable file gave: ``(files,)`` int32.
        facts: Of each usable file: ``(files, names)`` float64, NaN where it lacks one.
        fact_names: What the columns are.
        bad: Files that cannot be used.
    """

    tensors: OnDisk
    counts: Tensor
    facts: Tensor
    fact_names: Sequence[str]
    bad: list[BadSample]


class Cache:
    """A folder of encoded domains.

    Args:
        storage: Made when something is put there.
        maker: All besides the files that decides what they encode to: plugin, codec, settings.
    """

    def __init__(self, storage: Storage, maker: Sequence[str]) -> None:
        self.folder = storage.path
        self._storage = storage
        self._maker = maker

    def key(self, domain: str, files: Sequence[Path]) -> str:
        """A name for what ``files`` are now, by their paths, sizes and times of change."""
        digest = hashlib.sha256(json.dumps([FORMAT, domain, *self._maker]).encode())
        for name in files.names if isinstance(files, Files) else map(str, files):
            digest.update(f"{name}\0{_stat(name)}\0".encode(errors="surrogateescape"))
        return digest.hexdigest()[:40]

    def find(self, key: str, files: Sequence[Path]) -> Cached | None:
        """What was put under ``key``, if it is there and whole."""
        folder = self.folder / key
        about = self._read(folder)
        if about is None or len(about[1]["counts"]) + len(about[0].bad) != len(files):
            return None
        told, index = about
        tensors = OnDisk(folder / BYTES, told.shapes, index["kinds"], index["places"])
        return Cached(
            tensors=tensors,
            counts=index["counts"],
            facts=index["facts"],
            fact_names=told.facts,
            bad=[BadSample(files[number], why) for number, why in told.bad],
        )

    @contextmanager
    def writing(self, key: str) -> Iterator["Writer | None"]:
        """Write what belongs under ``key``; ``None`` if another process did so in the meantime.

        One process writes at a time, the others wait for it.
        """
        storage = self._storage
        storage.make()
        storage.write_text(TAG, TAGGED)
        storage.require_file(f"{key}.lock")
        with locked(self.folder / f"{key}.lock", wait=True):
            if self._read(self.folder / key):
                yield None
                return
            storage.clean(alone=False)
            storage.remove(key)
            with storage.aside() as aside:
                made = aside.make(key)
                with (made / BYTES).open("wb") as file:
                    writer = Writer(file)
                    yield writer
                writer.describe(made)
                aside.keep(key)

    def _read(self, folder: Path) -> tuple["About", dict[str, Tensor]] | None:
        """What is said about a cached domain, if it is there and is what was written.

        All of it is read once, which a disk's cache remembers. What is damaged is made again.
        """
        try:
            with open_file(folder / ABOUT) as file:
                about = About.model_validate_json(file.read(LARGEST_ABOUT))
            with open_file(folder / INDEX) as file:
                content = file.read()
            if about.own != about.checked or about.index != zlib.crc32(content):
                return None
            index = load(content)
            _require_sound(about, index)
            return (about, index) if _summed(folder / BYTES) == about.sum else None
        except (OSError, ValueError, LookupError, TypeError, RuntimeError, SafetensorError):
            return None


class About(BaseModel):
    """What is known about a domain besides its tensors.

    Attributes:
        bytes: Of all windows.
        sum: Their CRC-32.
        kinds: Each shape and type that occurs.
        facts: The names of what the codec noticed.
        bad: Files that cannot be used, by their number among all, with the reason.
        index: The CRC-32 of the index.
        own: That of all the rest here.
    """

    bytes: Annotated[int, Field(ge=0)]
    sum: int
    kinds: list[tuple[list[Annotated[int, Field(ge=0)]], str]]
    facts: list[str]
    bad: list[tuple[Annotated[int, Field(ge=0)], str]]
    index: int
    own: int = 0

    @property
    def checked(self) -> int:
        """What ``own`` should be."""
        return zlib.crc32(self.model_dump_json(exclude={"own"}).encode())

    @property
    def shapes(self) -> list[Kind]:
        """The kinds as torch has them."""
        return [(torch.Size(shape), DTYPES[name]) for shape, name in self.kinds]


def _require_sound(about: About, index: Mapping[str, Tensor]) -> None:
    """Refuse an index that leads out of the file.

    Raises:
        ValueError: If it does.
        LookupError: If something is missing.
    """
    sizes = [math.prod(shape) * dtype.itemsize for shape, dtype in about.shapes]
    kinds, places, counts = index["kinds"], index["places"], index["counts"]
    if kinds.shape != places.shape or places.dtype != torch.int64 or kinds.dtype != torch.int32:
        raise ValueError("places and kinds do not go together")
    if len(kinds) and not 0 <= int(kinds.min()) <= int(kinds.max()) < len(sizes):
        raise ValueError("a kind is missing")
    ends = places + torch.tensor(sizes, dtype=torch.int64)[kinds.long()]
    if len(places) and (int(places.min()) < 0 or int(ends.max()) > about.bytes):
        raise ValueError("a window lies outside of the file")
    if int(counts.sum()) != len(places) or index["facts"].shape != (len(counts), len(about.facts)):
        raise ValueError("files and windows do not go together")
    if any(number >= len(counts) + len(about.bad) for number, _ in about.bad):
        raise ValueError("a file is missing")


def _summed(file: Path) -> int:
    """The CRC-32 of a file."""
    total = 0
    with open_file(file) as stream:
        while chunk := stream.read(CHUNK):
            total = zlib.crc32(chunk, total)
    return total


class Writer:
    """Takes one file's windows after the other.

    Attributes:
        bytes: How many were written.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.bytes = 0
        self._sum = 0
        self._places, self._kind_of, self._counts = array("q"), array("i"), array("i")
        self._kinds: dict[Kind, int] = {}
        self._facts: list[Mapping[str, float]] = []
        self._bad: list[tuple[int, str]] = []

    def add(self, tensors: Sequence[Tensor], facts: Mapping[str, float]) -> None:
        """The windows of a usable file."""
        for tensor in tensors:
            kind = (tensor.shape, tensor.dtype)
            self._kind_of.append(self._kinds.setdefault(kind, len(self._kinds)))
            self._places.append(self.bytes)
            raw = tensor.contiguous().flatten().view(torch.uint8).numpy()
            self._file.write(raw.data)
            self._sum = zlib.crc32(raw.data, self._sum)
            self.bytes += len(raw)
        self._counts.append(len(tensors))
        self._facts.append(facts)

    def add_bad(self, number: int, why: str) -> None:
        """A file that cannot be used, by its number among all."""
        self._bad.append((number, why))

    def describe(self, folder: Path) -> None:
        """Write all that is needed to find the windows again."""
        names = sorted({name for facts in self._facts for name in facts})
        rows = [[facts.get(name, math.nan) for name in names] for facts in self._facts]
        index = {
            "places": torch.tensor(self._places, dtype=torch.int64),
            "kinds": torch.tensor(self._kind_of, dtype=torch.int32),
            "counts": torch.tensor(self._counts, dtype=torch.int32),
            "facts": torch.tensor(rows, dtype=torch.float64).reshape(len(rows), len(names)),
        }
        save_file(index, folder / INDEX)
        kinds = [(list(shape), str(dtype).removeprefix("torch.")) for shape, dtype in self._kinds]
        about = About(
            bytes=self.bytes,
            sum=self._sum,
            kinds=kinds,
            facts=names,
            bad=self._bad,
            index=_summed(folder / INDEX),
        )
        about = about.model_copy(update={"own": about.checked})
        (folder / ABOUT).write_text(about.model_dump_json(), encoding="utf-8")


def default_folder() -> Path | None:
    """``$XDG_CACHE_HOME/cyclekit``, or ``~/.cache/cyclekit``, where there is or can be such."""
    try:
        folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cyclekit"
    except RuntimeError:  # a user without a name and a home, as containers have it
        return None
    there = next((place for place in (folder, *folder.parents) if place.exists()), folder)
    return folder if there.is_dir() and os.access(there, os.W_OK) else None


def is_cache(folder: Path) -> bool:
    """Whether cyclekit has kept encoded windows in a folder before."""
    try:
        return read_text(folder / TAG, len(TAGGED)) == TAGGED
    except OSError:
        return False


def _stat(name: str) -> tuple[int, int] | None:
    try:
        told = os.stat(name)  # noqa: PTH116 - a path object for each would take ten times as long
    except OSError:
        return None  # whoever reads it will say so
    return told.st_size, told.st_mtime_ns
