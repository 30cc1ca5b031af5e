"""The items of one file, translated as they come."""

from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

from cyclekit.contract.sequence import ItemSequence
from cyclekit.engine.survey import ITEMS
from cyclekit.engine.translator import Translator
from cyclekit.runs.open_run import OpenRun
from cyclekit.translating.job import Job, Track, made_of


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
