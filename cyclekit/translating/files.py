"""Translate many files into a folder, each under its own name."""

import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cyclekit.console import Console
from cyclekit.contract.codec import Codec
from cyclekit.contract.declarations import Direction
from cyclekit.data.encoded import remarks_on
from cyclekit.data.kinds import is_sequence
from cyclekit.data.listing import Kinds, list_samples, nothing
from cyclekit.errors import BadSample, DataError, UsageError, blame_plugin
from cyclekit.runs.open_run import OpenRun
from cyclekit.storage.folder import Storage
from cyclekit.translating.job import (
    Job,
    Track,
    require_apart,
)
from cyclekit.translating.outcome import Outcome, translated
from cyclekit.translating.record import Translations
from cyclekit.warned import Told

REPLACED = ".translation"  # for ``Codec.save`` to replace, where there is no suffix of a sample

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


@dataclass(frozen=True)
class Wishes:
    """What else is wanted of a translation.

    Attributes:
        format: What results are written as, one of the codec's; ``None``: as it does unasked.
        suffix: Ends the results' names, before what says of which kind they are.
        skip_existing: Leave out what ``translations.jsonl`` says was translated alike, and is still
            there.
        cycle: Write what comes back as well, into a folder of its own.
        side_by_side: Write source, translation and what comes back as one, likewise.
        samples: How many answers each file gets, where the direction takes codes.
        like: A file of the target, whose code is taken.
    """

    format: str | None = None
    suffix: str = ""
    skip_existing: bool = False
    cycle: bool = False
    side_by_side: bool = False
    samples: int = 1
    like: Path | None = None

    def job(self, opened: OpenRun, direction: Direction, output: Path) -> Job:
        """What that makes of every file of a run; raises as ``Job.of`` and ``format_of``."""
        written = format_of(opened.model.codec, self.format)
        more = (self.cycle, self.side_by_side, self.samples, self.like)
        return Job.of(opened, direction, output, written, *more)


def translate_files(
    opened: OpenRun,
    files: InputFiles,
    direction: Direction,
    output: Path,
    console: Console,
    wishes: Wishes = Wishes(),
    translate: Translate = translated,
) -> tuple[int, list[BadSample]]:
    """Translate and write every file.

    ``translations.jsonl`` in ``output`` gets a line for each as soon as it is written.

    Args:
        opened: The run.
        files: What to translate.
        direction: Which way.
        output: Folder for the results; of a single file of many items also the result itself.
        console: Is told what is going on.
        wishes: What else is wanted.
        translate: Does it: here, or in several processes.

    Returns:
        How many were written, and those that could not be read.

    Raises:
        UsageError: If ``output`` cannot be a folder, a result would replace an input, the codec
            does not know the format or shows nothing side by side, or there is no way back.
        PluginError: If the codec failed alike on each of several files.
    """
    codec = opened.model.codec
    folder, named = _destination(output, files, codec)
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file; -o names the folder for the results.")
    job = wishes.job(opened, direction, folder)
    places = named or _places(files, folder, codec, _usable(wishes.suffix))
    require_apart(job, list(places.values()), list(files.names))
    manifest = Translations(folder, opened, direction, wishes.like)
    wanted = dict(places)
    if wishes.skip_existing:
        missing = [file for file in places if not manifest.holds(file, places[file], job.folders)]
        wanted = {file: places[file] for file in missing}
        if skipped := len(places) - len(wanted):
            console.say(f"skipped {skipped} of {len(places)} files, translated before")
    _make_room(job, places.values())
    told, bad = Told(console.say), []
    facts: list[Mapping[str, float]] = []
    outcomes = translate(opened, job, wanted, told, facts, console.track)
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


def _usable(suffix: str) -> str:
    """What ends names, if it can.

    Raises:
        UsageError: If it leads into a folder.
    """
    if set(suffix) & {"/", "\0", os.sep}:
        raise UsageError(f"--suffix {suffix!r}: it ends names, and cannot lead into a folder.")
    return suffix


def _make_room(job: Job, places: Iterable[Path]) -> None:
    """Make the folder, and rid those in it of what a killed translation left."""
    Storage(job.output).make()
    for folder in {Path(kind) / at.parent for at in places for kind in ("", *job.folders)}:
        Storage(job.output, *folder.parts).clean(alone=False)


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
        raise UsageError(
            f"format: there is none called {asked!r}. There are: {', '.join(codec.formats)}."
        )
    return asked


def _destination(
    output: Path, files: InputFiles, codec: Codec[Any]
) -> tuple[Path, dict[Path, Path]]:
    """The folder for the results, and the place in it where ``output`` names the only result.

    Raises:
        UsageError: If it is named where there is something else than one file of many items, or is
            that file.
    """
    if output.is_dir() or output.suffix.lower() not in codec.sequence_suffixes:
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
