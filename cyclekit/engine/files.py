"""Translate many files into a folder, each under its own name."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cyclekit.data.folders import list_files
from cyclekit.engine.console import Watcher
from cyclekit.engine.objective import Direction
from cyclekit.engine.opening import OpenRun
from cyclekit.errors import BadSample, DataError, UsageError


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
    output.mkdir(parents=True, exist_ok=True)
    sources = {file.resolve() for file in files.names}
    taken: set[Path] = set()
    bad: list[BadSample] = []
    outcomes = opened.translator.files(files.names, direction)
    for file, outcome in watcher.track(outcomes, len(files.names), "translating"):
        if isinstance(outcome, BadSample):
            watcher.warn(str(outcome))
            bad.append(outcome)
            continue
        path = _free(output / files.names[file], taken)
        if path.with_suffix("").resolve() in {s.with_suffix("") for s in sources}:
            raise UsageError(
                f"The result of {file} would lie where an input lies: name another folder than "
                f"{output} with -o."
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        opened.model.codec.save(outcome, path)
    return len(files.names) - len(bad), bad


def _free(path: Path, taken: set[Path]) -> Path:
    """``path``, or a numbered neighbour where another input has already taken its stem."""
    candidate, number = path, 1
    while candidate.with_suffix("") in taken:
        number += 1
        candidate = path.with_name(f"{path.stem}-{number}{path.suffix}")
    taken.add(candidate.with_suffix(""))
    return candidate
