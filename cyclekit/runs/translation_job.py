"""Files translated and written one after the other: what a process does of the many."""

import errno
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from pathlib import Path, PurePath
from typing import Any

from cyclekit.contract.codec import Codec
from cyclekit.contract.sequence import ItemSequence
from cyclekit.data.encoded import failure, guarded, load_file, require_file
from cyclekit.engine.declarations import Direction
from cyclekit.engine.survey import ITEMS
from cyclekit.engine.translator import Translator
from cyclekit.errors import BadSample, PluginError, UsageError
from cyclekit.memory import is_out_of_memory
from cyclekit.runs.open_run import OpenRun
from cyclekit.storage.folder import Aside, Storage
from cyclekit.storage.handle import Refused
from cyclekit.warned import Told

BACK, BESIDE, ANSWER = "back", "side-by-side", "answer-{}"
"""Folders beside the translations: what comes back, all of it to be seen together, and what other
codes make of the same files."""

Track = Callable[[Iterable[Any], int, str], Iterable[Any]]
"""``(things, total, what) -> things`` that shows progress."""

EVERY_FILES = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO)
"""Faults of a disk or a folder rather than of one file's name."""


@dataclass(frozen=True)
class Job:
    """What is made of every file.

    Attributes:
        direction: Which way.
        output: Folder for the results.
        format: What the codec writes them as.
        back: The way back, where what comes back is written as well.
        side_by_side: Whether source, translation and what comes back are written as one.
        samples: How many answers are written of each file, each with another code.
        like: A file of the target, whose code all results get.
    """

    direction: Direction
    output: Path
    format: str
    back: Direction | None = None
    side_by_side: bool = False
    samples: int = 1
    like: Path | None = None

    @classmethod
    def of(
        cls,
        opened: OpenRun,
        direction: Direction,
        output: Path,
        format: str = "",
        cycle: bool = False,
        side_by_side: bool = False,
        samples: int = 1,
        like: Path | None = None,
    ) -> "Job":
        """That of a run.

        Raises:
            UsageError: If there is no way back, the codec shows nothing side by side, or there are
                no codes to choose from.
        """
        objective = opened.model.objective
        if samples > 1 and (objective.code(direction) is None or objective.attributes):
            raise UsageError(
                f"--samples {samples}: {direction.name} has one answer for each input, since its "
                f"objective, {opened.model.objective.name!r}, has no codes there."
            )
        if samples > 1 and like is not None:
            raise UsageError("--like chooses a code, --samples takes several: leave out one.")
        back = opened.model.reverse(direction) if cycle else None
        if cycle and back is None:
            raise UsageError(f"--cycle: this run has no way back from {direction.name}.")
        codec = type(opened.model.codec)
        if side_by_side and codec.side_by_side is Codec.side_by_side:
            raise UsageError(
                f"--side-by-side: plugin {opened.model.modality.name!r} shows nothing side by side "
                f"({codec.__name__}.side_by_side)."
            )
        return cls(direction, output, format, back, side_by_side, samples, like)

    @property
    def folders(self) -> list[str]:
        """Of what is written besides the translations."""
        wanted = ((BACK, self.back is not None), (BESIDE, self.side_by_side))
        answers = [ANSWER.format(number) for number in range(2, self.samples + 1)]
        return [*answers, *(folder for folder, there in wanted if there)]


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
                    written[folder] = _write(opened.model.codec, item, file, job, place)
            except BadSample as error:
                fault = error.kept()
        yield Outcome(file, written, seconds.pop(file), fault)


def is_sequence(codec: Codec[Any], file: Path) -> bool:
    """Whether a file holds many items, by its name."""
    return file.suffix.lower() in codec.sequence_suffixes


def _items(opened: OpenRun, job: Job, file: Path, item: Any) -> Iterator[tuple[str, Any]]:
    """What is written of a file, each with its folder; the translation first."""
    sources = []
    if job.samples > 1 or job.side_by_side:
        sources.append(load_file(opened.model.codec, file, job.direction.source, to_learn=False))
    answers = [opened.translator.answering(number) for number in range(1, job.samples)]
    for folder, (made,) in made_of(opened, job, file, sources, [item], answers, opened.translator):
        yield folder, made


def made_of(
    opened: OpenRun,
    job: Job,
    file: Path,
    sources: Sequence[Any],
    items: Sequence[Any],
    answers: Sequence[Translator],
    returning: Translator,
) -> Iterator[tuple[str, Sequence[Any]]]:
    """What a job makes of some items of a file, each kind with its folder.

    Args:
        opened: The run.
        job: What is wanted.
        file: Where the items are from.
        sources: They, where answers or all side by side are wanted.
        items: Their translations, which are given first.
        answers: Translate with further codes.
        returning: Translates back.
    """
    yield "", items
    codec, shown, named = opened.model.codec, [items], [file] * len(items)
    for number, another in enumerate(answers, 2):
        shown.append(another.items(sources, job.direction, named))
        yield ANSWER.format(number), shown[-1]
    if job.back is not None:
        try:
            shown.append(returning.items(items, job.back, named))
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            raise BadSample(file, "the way back needs more memory than there is") from error
        yield BACK, shown[-1]
    if job.side_by_side:
        yield BESIDE, [_together(codec, file, each) for each in zip(sources, *shown, strict=True)]


def _together(codec: Codec[Any], file: Path, items: Sequence[Any]) -> Any:
    """Items as one."""
    together = guarded(codec, "side_by_side", file, list(items))
    if together is None:
        raise PluginError(f"{type(codec).__name__}.side_by_side returned nothing for {file}.")
    return together


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


def _write(codec: Codec[Any], item: Any, file: Path, job: Job, place: Path) -> PurePath:
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


class SequenceTranslation:
    """Translates the items of one file as they come, all by one set of statistics.

    Args:
        opened: The run.
        translator: The one for translations.
        job: What is made of each item.
        file: The file.
        sequence: What it holds.
        track: Shows how far it is.
    """

    def __init__(
        self,
        opened: OpenRun,
        translator: Translator,
        job: Job,
        file: Path,
        sequence: ItemSequence[Any],
        track: Track,
    ) -> None:
        self._opened = opened
        self._job = job
        self._file = file
        self._sequence = sequence
        self._track = track
        self._translator = translator

    def translated(self, items: Iterator[Any]) -> Iterator[Sequence[Any]]:
        """Of each item what is made of it, one thing for each folder of the job."""
        tracked = self._track(items, self._sequence.count, self._file.name)
        job, file, direction = self._job, self._file, self._job.direction
        for batch in self._batches(iter(tracked)):
            made = self._held.items(batch, direction, [file] * len(batch))
            about = (batch, made, self._answers, self._returning)
            columns = [column for _, column in made_of(self._opened, job, file, *about)]
            yield from zip(*columns, strict=True)

    def _batches(self, items: Iterator[Any]) -> Iterator[list[Any]]:
        """As many items at a time as go through the networks together."""
        for first in items:
            together = self._translator.together(first, self._job.direction, self._file)
            yield [first, *islice(items, together - 1)]

    @cached_property
    def _sample(self) -> Sequence[Any]:
        """Items that statistics are taken from."""
        found: Sequence[Any] = self._sequence.sample(ITEMS)
        return found

    @cached_property
    def _held(self) -> Translator:
        return self._translator.held(self._sample, self._job.direction, self._file)

    @cached_property
    def _answers(self) -> list[Translator]:
        each = (self._opened.translator.answering(number) for number in range(1, self._job.samples))
        return [one.held(self._sample, self._job.direction, self._file) for one in each]

    @cached_property
    def _returning(self) -> Translator:
        """Translates back, by the statistics of translations."""
        if self._job.back is None:
            return self._opened.translator
        named = [self._file] * len(self._sample)
        there = self._held.items(self._sample, self._job.direction, named)
        return self._opened.translator.held(there, self._job.back, self._file)


def require_apart(job: Job, places: Sequence[Path], inputs: Sequence[Path]) -> None:
    """Refuse folders of results in which translations or inputs lie.

    Raises:
        UsageError: Naming one.
    """
    for folder in job.folders:
        if any(place.parts[0] == folder for place in places if len(place.parts) > 1):
            raise UsageError(
                f"A translation would lie in {job.output / folder}, which is for other results: "
                f"translate that folder by itself."
            )
        there = (job.output / folder).resolve()
        taken = next((file for file in inputs if file.resolve().is_relative_to(there)), None)
        if taken is not None:
            raise UsageError(
                f"Results would lie where the input {taken} lies: name another folder than "
                f"{job.output} with -o."
            )
