"""What is made of every file, and of items of one."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cyclekit.contract.codec import Codec
from cyclekit.contract.declarations import Direction
from cyclekit.data.encoded import guarded
from cyclekit.engine.translator import Translator
from cyclekit.errors import BadSample, PluginError, UsageError
from cyclekit.memory import is_out_of_memory
from cyclekit.runs.open_run import OpenRun

BACK, BESIDE, ANSWER = "back", "side-by-side", "answer-{}"
"""Folders beside the translations: what comes back, all of it to be seen together, and what other
codes make of the same files."""

Track = Callable[[Iterable[Any], int, str], Iterable[Any]]
"""``(things, total, what) -> things`` that shows progress."""


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
