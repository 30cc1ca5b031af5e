"""Encoded windows on disk, found again at the next start by what they were made from."""

import hashlib
import json
import math
import os
import tempfile
from array import array
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from cyclekit.data.folders import Files
from cyclekit.data.windows import Kind, OnDisk
from cyclekit.errors import BadSample
from cyclekit.locks import locked
from cyclekit.storage.folder import Storage

FORMAT = 1
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
        folder: Made when something is put there.
        maker: All besides the files that decides what they encode to: plugin, codec, settings.
    """

    def __init__(self, folder: Path, maker: Sequence[str]) -> None:
        self.folder = folder
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
        if about is None:
            return None
        index = about["index"]
        kinds = [(torch.Size(shape), getattr(torch, dtype)) for shape, dtype in about["kinds"]]
        tensors = OnDisk(folder / BYTES, kinds, index["kinds"], index["places"])
        return Cached(
            tensors=tensors,
            counts=index["counts"],
            facts=index["facts"],
            fact_names=about["facts"],
            bad=[BadSample(files[number], why) for number, why in about["bad"]],
        )

    @contextmanager
    def writing(self, key: str) -> Iterator["Writer | None"]:
        """Write what belongs under ``key``; ``None`` if another process did so in the meantime.

        One process writes at a time, the others wait for it.
        """
        storage = Storage(self.folder)
        storage.make()
        with locked(self.folder / f"{key}.lock", wait=True):
            if self._read(self.folder / key):
                yield None
                return
            storage.remove(key)
            with storage.aside() as aside:
                made = aside.make(key)
                with (made / BYTES).open("wb") as file:
                    writer = Writer(file)
                    yield writer
                writer.describe(made)
                aside.keep(key)

    def _read(self, folder: Path) -> dict[str, Any] | None:
        """What is said about a cached domain, if it is there and was not cut short."""
        try:
            about: dict[str, Any] = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
            whole = (folder / BYTES).stat().st_size == about["bytes"]
            about["index"] = load_file(folder / INDEX)
        except (OSError, ValueError, KeyError, SafetensorError):
            return None  # not there, or not whole after a power cut: it is made again
        return about if whole else None


class Writer:
    """Takes one file's windows after the other.

    Attributes:
        bytes: How many were written.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.bytes = 0
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
        about: dict[str, Any] = {
            "bytes": self.bytes,
            "kinds": [
                (list(shape), str(dtype).removeprefix("torch.")) for shape, dtype in self._kinds
            ],
            "facts": names,
            "bad": self._bad,
        }
        (folder / ABOUT).write_text(json.dumps(about), encoding="utf-8")


def default_folder() -> Path:
    """``$XDG_CACHE_HOME/cyclekit``, or ``~/.cache/cyclekit``; without a home, for a while."""
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cyclekit"
    except RuntimeError:  # a user without a name and a home, as containers have it
        return Path(tempfile.gettempdir()) / f"cyclekit-cache-{os.getuid()}"


def _stat(name: str) -> tuple[int, int] | None:
    try:
        told = os.stat(name)  # noqa: PTH116 - a path object for each would take ten times as long
    except OSError:
        return None  # whoever reads it will say so
    return told.st_size, told.st_mtime_ns
