"""What lies below a folder: samples, and what is passed over before anything is counted."""

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cyclekit.contract.codec import Codec
from cyclekit.data.kinds import head_of, is_recognised
from cyclekit.data.lazy import Lazy

MOST_SHOWN = 6  # suffixes
SYSTEMS_OWN = ("thumbs.db", "desktop.ini")  # hidden by their own systems

Kinds = Mapping[str, int]
"""How many files of each kind there are."""


@dataclass(frozen=True)
class Files(Lazy[Path]):
    """Many paths; what is kept of each is its text, a small part of what a path takes."""

    names: tuple[str, ...]

    def make(self, index: int) -> Path:
        """The path at ``index``."""
        return Path(self.names[index])

    def __len__(self) -> int:
        return len(self.names)


@dataclass(frozen=True)
class Listing:
    """What lies below a folder.

    Attributes:
        samples: Files that a codec takes, sorted.
        others: How many of each kind are none: by suffix, or in words.
    """

    samples: Files
    others: Kinds = field(default_factory=dict)


def list_samples(folder: Path, codec: Codec[Any] | None = None, sequences: bool = False) -> Listing:
    """Everything below ``folder`` that a codec takes; without one, every file.

    Links to folders are followed, each folder once. Hidden files and folders are passed over.

    Args:
        folder: Where.
        codec: Says what a sample is.
        sequences: Take files of many items as well.
    """
    takes = _taking(codec, sequences)
    samples, others = [], Counter[str]()
    for parent, names in _folders(folder, others):
        for name in names:
            file = f"{parent}/{name}"
            kind = takes(file)
            if kind:
                others[kind] += 1
            else:
                samples.append(file)
    # As paths sort: folder by folder, whatever characters their names end in.
    return Listing(Files(tuple(sorted(samples, key=lambda name: name.replace("/", "\0")))), others)


def counted_kinds(others: Kinds) -> str:
    """Kinds of files with their numbers, the most frequent first."""
    return ", ".join(f"{count} {kind}" for kind, count in Counter(others).most_common())


def nothing(folder: str | Path, others: Kinds, codec: Codec[Any] | None) -> str:
    """The sentence about a folder without a sample."""
    if not others or codec is None:
        return f"there are no files in {folder}."
    first = codec.usual_suffixes or sorted(codec.suffixes)[:MOST_SHOWN]
    more = len(codec.suffixes) - len(first)
    wanted = ", ".join(first) + (f" and {more} kinds more" if more > 0 else "")
    return f"{folder} holds no sample, but {counted_kinds(others)}. Expected are files of {wanted}."


def _folders(top: Path, others: Counter[str]) -> Iterator[tuple[str, list[str]]]:
    """Every folder with the names of its files, in an order that does not depend on the disk."""

    def unreadable(error: OSError) -> None:
        others["unreadable folder"] += 1

    seen: set[tuple[int, int]] = set()
    for parent, folders, names in os.walk(top, onerror=unreadable, followlinks=True):
        status = Path(parent).stat()
        here = (status.st_dev, status.st_ino)
        if here in seen and status.st_ino:  # a loop, or a second way to the same files
            folders.clear()
            continue
        seen.add(here)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield parent, sorted(name for name in names if not _is_hidden(name))


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name.lower() in SYSTEMS_OWN


def _taking(codec: Codec[Any] | None, sequences: bool) -> Callable[[str], str]:
    """Says of a file what kind of bystander it is; nothing of a sample."""
    if codec is None or not codec.suffixes:
        return lambda file: ""
    known = codec.suffixes | (codec.sequence_suffixes if sequences else frozenset())

    def kind(file: str) -> str:
        suffix = Path(file).suffix.lower()
        if suffix in known:
            return ""  # whatever is in it
        head = head_of(Path(file))
        taken = head is not None and is_recognised(codec, head, sequences)
        return "" if taken else suffix or "without suffix"

    return kind
