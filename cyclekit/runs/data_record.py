"""What a run learns from and is tested on: kept with it, and compared when it goes on."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cyclekit.names import heading
from cyclekit.runs.layout import RunLayout
from cyclekit.runs.records import json_lines

if TYPE_CHECKING:
    from cyclekit.data.encoded import EncodedDomain

Stamp = tuple[int, int] | None
"""Bytes, and nanoseconds of the last change; ``None`` where it is not known."""


Natural = Annotated[int, Field(ge=0, lt=2**63)]


class FileRecord(BaseModel):
    """A file.

    Attributes:
        file: Its path.
        domain: That it belongs to.
        windows: How many it gave to learn from.
        test: Whether it is a test file.
        bytes: Its size, where that was known.
        modified: When it was changed, in nanoseconds.
    """

    model_config = ConfigDict(strict=True, extra="ignore")

    file: str
    domain: Annotated[str, Field(max_length=50)]
    windows: Natural = 0
    test: bool = False
    bytes: Natural | None = None
    modified: int = 0


def record_files(
    run: RunLayout, encoded: "Mapping[str, EncodedDomain]", tests: Mapping[str, Sequence[Path]]
) -> None:
    """Write which files were skipped and why, and what is known about the others."""
    skipped = [error for domain in encoded.values() for error in domain.bad]
    if skipped:
        run.storage.write_text(run.skipped_file.name, "".join(f"{error}\n" for error in skipped))
    learned_from = (
        {"file": str(file), "domain": name, "windows": count, **_stamp(file), **facts}
        for name, domain in encoded.items()
        for file, count, facts in zip(domain.files, domain.counts, domain.facts, strict=True)
    )
    tested_on = (
        {"file": str(file), "domain": name, "test": True, **_stamp(file)}
        for name, files in tests.items()
        for file in files
    )
    lines = map(json.dumps, chain(learned_from, tested_on))
    run.storage.write_text(run.files_file.name, "".join(f"{line}\n" for line in lines))


def read_files(run: RunLayout) -> Iterator[FileRecord]:
    """What a run's files were; damaged lines are left out."""
    for _, told in json_lines(run.files_file):
        try:
            yield FileRecord.model_validate(told)
        except ValidationError:
            continue


def changes(
    run: RunLayout, encoded: "Mapping[str, EncodedDomain]", tests: Mapping[str, Sequence[Path]]
) -> str:
    """How the files differ from those of the last checkpoint; empty: not at all.

    Where the data lies elsewhere now, names and sizes are compared.
    """
    before = _recorded(run)
    said = []
    sets = {heading(name): domain.files for name, domain in encoded.items()}
    sets |= {f"{heading(name)}'s test files": files for name, files in tests.items()}
    for name, files in sets.items():
        held, now = before.get(name), {str(file): _known(file) for file in files}
        if held is None:
            continue
        if held and not held.keys() & now.keys():
            held, now = _moved(held), _moved(now)
        same = held.keys() & now.keys()
        counts = {
            "added": len(now.keys() - same),
            "gone": len(held.keys() - same),
            "changed": sum(1 for file in same if held[file] and held[file] != now[file]),
        }
        if any(counts.values()):
            told = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
            said.append(f"{name}: {told}")
    return "; ".join(said)


def _stamp(file: Path) -> dict[str, int]:
    known = _known(file)
    return {} if known is None else {"bytes": known[0], "modified": known[1]}


def _known(file: Path) -> Stamp:
    try:
        told = file.stat()
    except OSError:
        return None
    return told.st_size, told.st_mtime_ns


def _recorded(run: RunLayout) -> dict[str, dict[str, Stamp]]:
    """The files of each set; damaged lines are left out."""
    found: dict[str, dict[str, Stamp]] = {}
    for told in read_files(run):
        stamp = None if told.bytes is None else (told.bytes, told.modified)
        name = heading(told.domain) + ("'s test files" if told.test else "")
        found.setdefault(name, {})[told.file] = stamp
    return found


def _moved(files: Mapping[str, Stamp]) -> dict[str, Stamp]:
    """The files by their places below the folder that holds them all, with their sizes alone."""
    parents = [os.path.dirname(file) for file in files]  # noqa: PTH120 - many
    try:
        home = os.path.commonpath(parents)
    except ValueError:  # there are none, or they lie on several disks
        home = ""
    return {os.path.relpath(file, home): stamp and (stamp[0], 0) for file, stamp in files.items()}
