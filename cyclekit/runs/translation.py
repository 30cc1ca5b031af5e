"""Translate many files into a folder, each under its own name."""

import hashlib
import json
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from cyclekit.console import Console
from cyclekit.contract.codec import Codec
from cyclekit.data.encoded import remarks_on
from cyclekit.data.listing import Kinds, list_samples, nothing
from cyclekit.engine.declarations import Direction
from cyclekit.errors import BadSample, DataError, UsageError, blame_plugin, suggest
from cyclekit.runs.open_run import OpenRun
from cyclekit.runs.translation_job import (
    ANSWER,
    BACK,
    BESIDE,
    Job,
    Track,
    is_sequence,
    require_apart,
)
from cyclekit.runs.translation_outcome import Outcome, translated
from cyclekit.storage.folder import Storage
from cyclekit.storage.handle import open_file, read_text
from cyclekit.warned import Told

REPLACED = ".translation"  # for ``Codec.save`` to replace, where there is no suffix of a sample
ANSWERS = ANSWER.format(r"\d+")
OUTPUT = "output"  # of ``translations.jsonl``: a translation's path

Translate = Callable[
    [OpenRun, Job, Mapping[Path, Path], Told, list[Mapping[str, float]], Track], Iterable[Outcome]
]
"""As ``translated``."""


@dataclass(frozen=True)
class InputFiles:
    """Files to translate.

    Attributes:
        names: Each file with its path relative to the folder that was named.
        others: How many of each kind were passed over in folders, since they are no samples.
    """

    names: dict[Path, Path]
    others: Kinds = field(default_factory=dict)

    @classmethod
    def find(cls, inputs: Sequence[Path], codec: Codec[Any] | None = None) -> "InputFiles":
        """Files as they are named, folders with all samples that are in them.

        Args:
            inputs: Files and folders.
            codec: Says what a sample is.

        Raises:
            DataError: If there is no file at all.
        """
        names: dict[Path, Path] = {}
        others = Counter[str]()
        for given in inputs:
            if given.is_dir():
                found = list_samples(given, codec, sequences=True)
                names |= {file: file.relative_to(given) for file in found.samples}
                others.update(found.others)
            else:
                names[given] = Path(given.name)
        if not names:
            raise DataError(f"Nothing to do: {nothing(_listed(inputs), others, codec)}")
        return cls(names, others)


def translate_files(
    opened: OpenRun,
    files: InputFiles,
    direction: Direction,
    output: Path,
    console: Console,
    format: str | None = None,
    suffix: str = "",
    skip_existing: bool = False,
    cycle: bool = False,
    side_by_side: bool = False,
    samples: int = 1,
    like: Path | None = None,
    translate: Translate = translated,
) -> tuple[int, list[BadSample]]:
    """Translate and write every file, in ``format`` or as the codec does unasked.

    ``translations.jsonl`` in ``output`` gets a line for each as soon as it is written.

    Args:
        opened: The run.
        files: What to translate.
        direction: Which way.
        output: Folder for the results; of a single file of many items also the result itself.
        console: Is told what is going on.
        format: One of the codec's.
        suffix: Ends the results' names, before what says of which kind they are.
        skip_existing: Leave out what that file says was translated alike, and is still there.
        cycle: Write what comes back as well, into a folder of its own.
        side_by_side: Write source, translation and what comes back as one, likewise.
        samples: How many answers each file gets, where the direction takes codes.
        like: A file of the target, whose code is taken.
        translate: Does it: here, or in several processes.

    Returns:
        How many were written, and those that could not be read.

    Raises:
        UsageError: If ``output`` cannot be a folder, a result would replace an input, the codec
            does not know ``format`` or shows nothing side by side, or there is no way back.
        PluginError: If the codec failed alike on each of several files.
    """
    codec = opened.model.codec
    format = format_of(codec, format)
    output, named = _destination(output, files, codec)
    job = Job.of(opened, direction, output, format, cycle, side_by_side, samples, like)
    if output.exists() and not output.is_dir():
        raise UsageError(f"{output} is a file; -o names the folder for the results.")
    if set(suffix) & {"/", "\0", os.sep}:
        raise UsageError(f"--suffix {suffix!r}: it ends names, and cannot lead into a folder.")
    places = named or _places(files, output, codec, suffix)
    require_apart(job, list(places.values()), list(files.names))
    manifest = Translations(output, opened, direction, like)
    wanted = list(files.names)
    if skip_existing:
        wanted = [file for file in wanted if not manifest.holds(file, places[file], job.folders)]
        if skipped := len(files.names) - len(wanted):
            console.say(f"skipped {skipped} of {len(files.names)} files, translated before")
    Storage(output).make()
    for folder in {Path(kind) / at.parent for at in places.values() for kind in ("", *job.folders)}:
        Storage(output, *folder.parts).clean(alone=False)  # of one that was killed
    told, bad = Told(console.say), []
    facts: list[Mapping[str, float]] = []
    placed = {file: places[file] for file in wanted}
    outcomes = translate(opened, job, placed, told, facts, console.track)
    for outcome in console.track(outcomes, len(wanted), "translating"):
        if outcome.fault is None:
            manifest.add(outcome)
            continue
        console.warn(str(outcome.fault))
        bad.append(outcome.fault)
    for remark in remarks_on(codec, {direction.source: facts}) if facts else ():
        console.say(f"note: {remark}")
    if len(bad) > 1:
        blame_plugin(bad, len(wanted))
    return len(wanted) - len(bad), bad


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


def _listed(inputs: Sequence[Path]) -> str:
    return ", ".join(map(str, inputs))


def format_of(codec: Codec[Any], asked: str | None) -> str:
    """What ``Codec.save_as`` is to write.

    Raises:
        UsageError: If the codec does not know it.
    """
    if asked is None:
        return codec.formats[0] if codec.formats else ""
    if asked not in codec.formats:
        if not codec.formats:
            raise UsageError("format: this plugin writes one format alone; leave it out.")
        raise UsageError(f"format: there is none called {asked!r}. {suggest(asked, codec.formats)}")
    return asked


def _destination(
    output: Path, files: InputFiles, codec: Codec[Any]
) -> tuple[Path, dict[Path, Path]]:
    """The folder for the results, and the place in it where ``output`` names the only result.

    Raises:
        UsageError: If it is named where there is something else than one file of many items, or is
            that file.
    """
    if output.is_dir() or not is_sequence(codec, output):
        return output, {}
    file, *others = files.names
    if others or not is_sequence(codec, file):
        raise UsageError(
            f"{output} names a single result, of an input of its kind: name a folder with -o."
        )
    if _real(output) == _real(file):
        raise UsageError(f"{output} is the input itself: name another file with -o.")
    return output.parent, {file: Path(output.name)}


def _real(path: Path) -> Path:
    """The path without symbolic links; one that only leads to itself stays as it is."""
    return Path(os.path.realpath(path))


def _places(
    files: InputFiles, output: Path, codec: Codec[Any], ended: str = ""
) -> dict[Path, Path]:
    """Where in ``output`` each result goes, with a suffix that a codec replaces by its own.

    Inputs that differ in their suffix alone keep it, and those with one name lie below the names
    of their folders, so that results tell whose they are. No input is ever written over.

    Raises:
        UsageError: If a result would lie where an input lies.
    """
    suffixes = codec.suffixes and codec.suffixes | codec.sequence_suffixes
    inputs = {
        path.with_suffix("") for file in files.names for path in (file.absolute(), _real(file))
    }
    stems = {file: _without_suffix(name, suffixes) for file, name in files.names.items()}
    sharing = Counter(_folded(stem) for stem in stems.values())
    places: dict[Path, Path] = {}
    taken: set[str] = set()
    named_alike = Counter(files.names.values())
    for file, name in files.names.items():
        if named_alike[name] > 1:  # from several folders
            name = Path(_real(file).parent.name) / name
            stems[file] = _without_suffix(name, suffixes)
        stem = stems[file] if sharing[_folded(stems[file])] <= 1 else name
        stem = stem.with_name(stem.name + ended)
        place, number = stem, 1
        while _folded(place) in taken:
            number += 1
            place = stem.with_name(f"{stem.stem}-{number}{stem.suffix}")
        taken.add(_folded(place))
        there = output / place
        if {there.absolute(), _real(there)} & inputs:
            raise UsageError(
                f"The result of {file} would lie where an input lies: name another folder than "
                f"{output} with -o."
            )
        ending = name.suffix if stems[file] != name else REPLACED if suffixes else ""
        places[file] = place.with_name(place.name + ending)
    return places


def _without_suffix(name: Path, suffixes: frozenset[str]) -> Path:
    """A file's name without what says of which kind it is; other endings, as of a number, stay."""
    known = name.suffix.lower() in suffixes if suffixes else name.suffix
    return name.with_suffix("") if known else name


def _folded(place: Path) -> str:
    """Alike for names that some file systems hold to be one."""
    return str(place).casefold()
