"""Translate many files into a folder, each under its own name."""

import errno
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cyclekit.data.folders import list_files
from cyclekit.engine.objective import Direction
from cyclekit.errors import BadSample, DataError, UsageError
from cyclekit.runs.opening import OpenRun
from cyclekit.runs.watcher import Watcher
from cyclekit.storage.folder import Storage

EVERY_FILES = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO)
"""Faults of a disk or a folder rather than of one file's name."""


@dataclass(frozen=True)
class InputFiles:
    """Files to translate.

    Attributes:
        names: Each file with the relative path it will have in the output folder.
    """

    names: dict[Path, Path]

    @classmethod
    def find(cls, inputs: Sequence[Path]) -> "InputFiles":
        """Files as they are named, folders with all that is in them.

        Raises:
            DataError: If there is no file at all.
        """
        names: dict[Path, Path] = {}
        for given in inputs:
            if given.is_dir():
                names |= {file: file.relative_to(given) for file in list_files(given)}
            else:
                names[given] = Path(given.name)
        if not names:
            raise DataError(f"There are no files in {', '.join(map(str, inputs))}.")
        return cls(names)


def translate_files(
    opened: OpenRun, files: InputFiles, direction: Direction, output: Path, watcher: Watcher
) -> tuple[int, list[BadSample]]:
    """Translate and write every file.

    Returns:
        How many were written, and those that could not be read.

    Raises:
        UsageError: If ``output`` cannot be a folder, or a result would replace an input.
    """
    if output.exists() and not output.is_dir():
        raise UsageError(f"{output} is a file; -o names the folder for the results.")
    places = _places(files, output)
    Storage(output).make()
    bad: list[BadSample] = []
    facts: list[Mapping[str, float]] = []
    outcomes = opened.translator.files(files.names, direction, facts)
    for file, outcome in watcher.track(outcomes, len(files.names), "translating"):
        if isinstance(outcome, BadSample):
            watcher.warn(str(outcome))
            bad.append(outcome)
            continue
        place = places[file]
        try:
            with Storage(output, *place.parent.parts).aside() as aside:
                opened.model.codec.save(outcome, aside.path / place.name)
                aside.keep_all()
        except OSError as error:
            if error.errno in EVERY_FILES:
                raise
            fault = BadSample(file, f"its result cannot be written: {error.strerror or error}")
            watcher.warn(str(fault))
            bad.append(fault)
    for remark in opened.model.codec.remarks({direction.source: facts}) if facts else ():
        watcher.warn(remark)
    return len(files.names) - len(bad), bad


def _real(path: Path) -> Path:
    """The path without symbolic links; one that only leads to itself stays as it is."""
    return Path(os.path.realpath(path))


def _places(files: InputFiles, output: Path) -> dict[Path, Path]:
    """Where in ``output`` each result goes: inputs with one stem are numbered.

    No input is ever written over. Stems count, since a codec chooses the suffix of what it writes.
    """
    inputs = {
        path.with_suffix("") for file in files.names for path in (file.absolute(), _real(file))
    }
    places: dict[Path, Path] = {}
    taken: set[Path] = set()
    for file, name in files.names.items():
        place, number = name, 1
        while place.with_suffix("") in taken:
            number += 1
            place = name.with_name(f"{name.stem}-{number}{name.suffix}")
        taken.add(place.with_suffix(""))
        there = output / place
        if {there.absolute().with_suffix(""), _real(there).with_suffix("")} & inputs:
            raise UsageError(
                f"The result of {file} would lie where an input lies: name another folder than "
                f"{output} with -o."
            )
        places[file] = place
    return places
