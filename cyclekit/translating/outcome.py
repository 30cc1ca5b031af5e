"""Files translated and written one after the other: what a process does of the many."""

import errno
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any

from cyclekit.contract.codec import Codec
from cyclekit.data.encoded import failure, guarded, load_file, require_file
from cyclekit.data.kinds import is_sequence
from cyclekit.engine.translator import Translator
from cyclekit.errors import BadSample, PluginError
from cyclekit.runs.open_run import OpenRun
from cyclekit.storage.folder import Aside, Storage
from cyclekit.storage.handle import Refused
from cyclekit.translating.job import Job, Track, made_of
from cyclekit.translating.sequence import SequenceTranslation
from cyclekit.warned import Told

EVERY_FILES = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO)
"""Faults of a disk or a folder rather than of one file's name."""


@dataclass(frozen=True)
class Outcome:
    """What became of a file.

    Attributes:
        file: It.
        written: Paths in the output folder: of the translation under ``""``, of what was written
            besides under its folder.
        seconds: Its share of the time that its batch took.
        fault: What was wrong with it.
    """

    file: Path
    written: Mapping[str, PurePath] = field(default_factory=dict)
    seconds: float = 0.0
    fault: BadSample | None = None


def translated(
    opened: OpenRun,
    job: Job,
    places: Mapping[Path, Path],
    told: Told,
    facts: list[Mapping[str, float]],
    track: Track = lambda things, *_: things,
) -> Iterator[Outcome]:
    """Translate files a batch at a time and write each as soon as it is there.

    Args:
        opened: The run.
        job: What is made of each.
        places: Where in the output folder each result goes.
        told: Is told what the codec warns of.
        facts: Takes what the codec noticed.
        track: Shows how far a sequence is.
    """
    seconds: dict[Path, float] = {}
    translator = opened.translator
    if job.like is not None:
        translator = translator.like_file(job.like, job.direction)
    sequences = [file for file in places if is_sequence(opened.model.codec, file)]
    singles = [file for file in places if file not in sequences]
    for file in sequences:
        yield _of_sequence(opened, translator, job, file, places[file], told, track)
    for file, outcome in translator.files(singles, job.direction, facts, seconds):
        if isinstance(outcome, BadSample):
            yield Outcome(file, fault=outcome.kept())
            continue
        written: dict[str, PurePath] = {}
        fault = None
        with told.passing_on():
            try:
                for folder, item in _items(opened, job, file, outcome):
                    place = Path(folder) / places[file]
                    written[folder] = write_item(opened.model.codec, item, file, job, place)
            except BadSample as error:
                fault = error.kept()
        yield Outcome(file, written, seconds.pop(file), fault)


def _items(opened: OpenRun, job: Job, file: Path, item: Any) -> Iterator[tuple[str, Any]]:
    """What is written of a file, each with its folder; the translation first."""
    sources = []
    if job.samples > 1 or job.side_by_side:
        sources.append(load_file(opened.model.codec, file, job.direction.source, to_learn=False))
    answers = [opened.translator.answering(number) for number in range(1, job.samples)]
    for folder, (made,) in made_of(opened, job, file, sources, [item], answers, opened.translator):
        yield folder, made


def _of_sequence(
    opened: OpenRun,
    translator: Translator,
    job: Job,
    file: Path,
    place: Path,
    told: Told,
    track: Track,
) -> Outcome:
    """What became of a file of many items, which are never all in memory."""
    begun = time.monotonic()
    try:
        with told.passing_on():
            written = _rewrite(opened, translator, job, file, place, track)
    except BadSample as error:
        return Outcome(file, fault=error.kept())
    return Outcome(file, written, time.monotonic() - begun)


def _rewrite(
    opened: OpenRun, translator: Translator, job: Job, file: Path, place: Path, track: Track
) -> dict[str, PurePath]:
    """Write what is made of a sequence; returns the paths in the output folder."""
    codec = opened.model.codec
    require_file(file)
    sequence = guarded(codec, "sequence", file, file, job.direction.source)
    storage, folders = Storage(job.output), ["", *job.folders]
    with ExitStack() as stack:
        asides = [
            stack.enter_context(storage.below(*(Path(folder) / place).parent.parts).aside())
            for folder in folders
        ]
        through = SequenceTranslation(opened, translator, job, file, sequence, track)
        paths = [aside.path / place.name for aside in asides]
        with _about(codec, "sequence", file):
            sequence.rewrite(through.translated, paths)
            return {
                folder: (Path(folder) / place).parent / _kept(codec, aside, file)
                for folder, aside in zip(folders, asides, strict=True)
            }


def write_item(codec: Codec[Any], item: Any, file: Path, job: Job, place: Path) -> PurePath:
    """Write an item; returns the path of the file in the output folder.

    Raises:
        BadSample: If that fails for a reason that is about this file alone.
    """
    storage = Storage(job.output).below(*place.parent.parts)
    with _about(codec, "save_as", file), storage.aside() as aside:
        codec.save_as(item, aside.path / place.name, job.format)
        return place.parent / _kept(codec, aside, file)


def _kept(codec: Codec[Any], aside: Aside, file: Path) -> str:
    """Move what was written to its place; returns the first name."""
    names = sorted(made.name for made in aside.path.iterdir())
    if not names:
        raise BadSample(file, f"{type(codec).__name__} wrote nothing")
    aside.keep_all()
    return names[0]


@contextmanager
def _about(codec: Codec[Any], method: str, file: Path) -> Iterator[None]:
    """Whatever goes wrong in writing is about this file alone, unless it concerns every file.

    Raises:
        BadSample: If it does not.
    """
    try:
        yield
    except PluginError:
        raise
    except Refused as error:
        raise BadSample(file, f"its result cannot be written: {error}") from error
    except OSError as error:
        if error.errno in EVERY_FILES:
            raise
        why = f"its result cannot be written: {error.strerror or error}"
        raise BadSample(file, why) from error
    except Exception as error:
        raise failure(codec, method, file, error) from error
