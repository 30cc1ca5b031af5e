"""``translations.jsonl``: what each file of a folder was translated from, and how."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from cyclekit.contract.declarations import Direction
from cyclekit.errors import DataError
from cyclekit.runs.open_run import OpenRun
from cyclekit.storage.folder import Storage
from cyclekit.storage.handle import open_file, read_text
from cyclekit.translating.job import ANSWER, BACK, BESIDE
from cyclekit.translating.outcome import Outcome

ANSWERS = ANSWER.format(r"\d+")
OUTPUT = "output"  # a translation's path


class Translations:
    """``translations.jsonl`` of a folder: what each of its files was translated from, and how.

    Args:
        folder: Where results lie.
        opened: The run that translates.
        direction: Which way.
        like: The example whose code all results have, if one.

    Raises:
        DataError: If the example cannot be read.
    """

    NAME = "translations.jsonl"

    def __init__(
        self, folder: Path, opened: OpenRun, direction: Direction, like: Path | None = None
    ) -> None:
        self._folder = folder
        self._how: dict[str, Any] = {
            "run": str(Path(str(opened.run)).absolute()),
            "checkpoint": opened.checkpoint.step,
            "direction": direction.name,
        }
        if like is not None:
            self._how["like"] = _checksum(like)  # whatever it is called
        elif opened.model.objective.attributes:
            self._how["sets"] = dict(direction.sets)
        elif opened.model.objective.code(direction) is not None:
            self._how["seed"] = opened.translator.codes.seed
        self._table = opened.model.table if opened.model.objective.attributes else None

    def add(self, outcome: Outcome) -> None:
        """A file whose results were just written."""
        about = {"source": str(outcome.file.absolute())}
        about |= {kind or OUTPUT: path.as_posix() for kind, path in outcome.written.items()}
        about |= self._own(outcome.file)
        line = json.dumps({**about, "seconds": round(outcome.seconds, 4), **self._how})
        Storage(self._folder).append_text(self.NAME, line + "\n")

    def holds(self, source: Path, place: Path, besides: Sequence[str] = ()) -> bool:
        """Whether a source was translated alike to this place, no later than it was changed.

        Args:
            source: The source.
            place: Where its translation goes, whatever its suffix is.
            besides: Folders of what must have been written as well.
        """
        made = self._made.get(str(source.absolute()))
        if made is None or any(made.get(key) != own for key, own in self._own(source).items()):
            return False
        if not all(isinstance(made.get(kind), str) for kind in (OUTPUT, *besides)):
            return False
        output = Path(made[OUTPUT])
        if (output.parent, output.stem) != (place.parent, place.stem):
            return False
        try:
            origin = source.stat().st_mtime
            written = [(self._folder / made[kind]).lstat() for kind in (OUTPUT, *besides)]
        except OSError:
            return False
        return all(result.st_mtime >= origin for result in written)

    def _own(self, source: Path) -> dict[str, Any]:
        """The attributes that a source has, of an objective that knows some."""
        if self._table is None:
            return {}
        own = self._table.of(source)
        return {"attributes": None if own is None else [int(value) for value in own]}

    @cached_property
    def _made(self) -> dict[str, dict[str, Any]]:
        """Entries by their sources: those of the same run, checkpoint, direction and code, none of
        whose files were written over since."""
        try:
            text = read_text(self._folder / self.NAME)
        except FileNotFoundError:
            return {}
        found: dict[str, tuple[dict[str, Any], str]] = {}
        last: dict[str, str] = {}
        for line in text.splitlines():
            try:
                entry = json.loads(line)
            except ValueError:
                continue  # of a process that was killed while it wrote
            if not isinstance(entry, dict):
                continue
            last |= dict.fromkeys(_written(entry), line)
            if all(entry.get(key) == value for key, value in self._how.items()):
                found[str(entry.get("source"))] = entry, line
        return {
            source: entry
            for source, (entry, line) in found.items()
            if all(last[path] == line for path in _written(entry))
        }


def _checksum(example: Path) -> str:
    """SHA-256 of a file that codes are taken from.

    Raises:
        DataError: If it cannot be read.
    """
    try:
        with open_file(example, follow=True) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"--like {example}: {error.strerror or error}.") from error


def _written(entry: Mapping[str, Any]) -> list[str]:
    """The files that a line of ``translations.jsonl`` says were written."""
    kinds = (OUTPUT, BACK, BESIDE, *(kind for kind in entry if re.fullmatch(ANSWERS, kind)))
    return [str(entry[kind]) for kind in kinds if kind in entry]
