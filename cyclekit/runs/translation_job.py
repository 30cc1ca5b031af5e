"""Files translated and written one after the other: what a process does of the many."""

import errno
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any

from cyclekit.contract.codec import Codec
from cyclekit.data.encoded import failure, guarded, load_file
from cyclekit.engine.declarations import Direction
from cyclekit.errors import BadSample, PluginError, UsageError
from cyclekit.memory import is_out_of_memory
from cyclekit.runs.open_run import OpenRun
from cyclekit.storage.folder import Storage
from cyclekit.storage.handle import Refused
from cyclekit.warned import Told

BACK, BESIDE, ANSWER = "back", "side-by-side", "answer-{}"
"""Folders beside the translations: what comes back, all of it to be seen together, and what other
codes make of the same files."""

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
) -> Iterator[Outcome]:
    """Translate files a batch at a time and write each as soon as it is there.

    Args:
        opened: The run.
        job: What is made of each.
        places: Where in the output folder each result goes.
        told: Is told what the codec warns of.
        facts: Takes what the codec noticed.
    """
    seconds: dict[Path, float] = {}
    translator = opened.translator
    if job.like is not None:
        translator = translator.like_file(job.like, job.direction)
    for file, outcome in translator.files(list(places), job.direction, facts, seconds):
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


def _items(opened: OpenRun, job: Job, file: Path, item: Any) -> Iterator[tuple[str, Any]]:
    """What is written of a file, each with its folder; the translation first."""
    yield "", item
    codec, shown = opened.model.codec, [item]
    source = None
    if job.samples > 1 or job.side_by_side:
        source = load_file(codec, file, job.direction.source, to_learn=False)
    for number in range(2, job.samples + 1):
        another = opened.translator.answering(number - 1)
        (answer,) = another.items([source], job.direction, [file])
        yield ANSWER.format(number), answer
        shown.append(answer)
    if job.back is not None:
        returned = _returned(opened, job.back, file, item)
        yield BACK, returned
        shown.append(returned)
    if job.side_by_side:
        together = guarded(codec, "side_by_side", file, [source, *shown])
        if together is None:
            raise PluginError(f"{type(codec).__name__}.side_by_side returned nothing for {file}.")
        yield BESIDE, together


def _returned(opened: OpenRun, back: Direction, file: Path, item: Any) -> Any:
    """What comes back of a translation.

    Raises:
        BadSample: If it cannot be encoded, or takes more memory than there is.
    """
    try:
        (returned,) = opened.translator.items([item], back, [file])
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise BadSample(file, "the way back needs more memory than there is") from error
    return returned


def _write(codec: Codec[Any], item: Any, file: Path, job: Job, place: Path) -> PurePath:
    """Write an item; returns the path of the file in the output folder.

    Raises:
        BadSample: If that fails for a reason that is about this file alone.
    """
    try:
        with Storage(job.output).below(*place.parent.parts).aside() as aside:
            codec.save_as(item, aside.path / place.name, job.format)
            names = sorted(made.name for made in aside.path.iterdir())
            aside.keep_all()
    except Refused as error:
        raise BadSample(file, f"its result cannot be written: {error}") from error
    except OSError as error:
        if error.errno in EVERY_FILES:
            raise
        why = f"its result cannot be written: {error.strerror or error}"
        raise BadSample(file, why) from error
    except Exception as error:
        raise failure(codec, "save_as", file, error) from error
    if not names:
        raise BadSample(file, f"{type(codec).__name__}.save_as wrote nothing")
    return place.parent / names[0]


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
