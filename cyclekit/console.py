"""What a person sees in a terminal: messages and progress on stderr, results on stdout."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

from rich.console import Console as RichConsole
from rich.console import RenderableType
from rich.filesize import decimal
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TransferSpeedColumn,
)
from rich.table import Table
from rich.text import Text

from cyclekit.describe import duration, shown

PLAIN_EVERY = 5.0  # seconds between progress lines where there is no terminal
WAITED = 20.0  # seconds without a line of the log, after which a step is told
TRACKED_EVERY = 10.0  # the same, of what is not training
WIDE = 160  # columns of a table where there is no terminal


class Console:
    """Talks to the person who started the run; silent on every rank but the first.

    Args:
        quiet: Say nothing at all.
    """

    def __init__(self, quiet: bool = False) -> None:
        self._quiet = quiet
        self._training: Progress | None = None
        self._tracking: Progress | None = None
        self._console = RichConsole(stderr=True, quiet=quiet, highlight=False, soft_wrap=True)
        self._results = RichConsole(quiet=quiet, highlight=False, soft_wrap=True)
        if not self._results.is_terminal:
            self._results.width = WIDE

    def say(self, message: str) -> None:
        """One line of information."""
        self._console.print(shown(message), markup=False)

    def result(self, message: str) -> None:
        """One line of what was asked for."""
        self._results.print(shown(message), markup=False)

    def warn(self, message: str) -> None:
        """Something that is not as it should be, though the work goes on."""
        self._console.print(f"warning: {shown(message)}", style="yellow", markup=False)

    def track(self, things: Iterable[Any], total: int, what: str) -> Iterator[Any]:
        """Pass ``things`` through with a bar that goes at the end, or with lines of progress.

        Beside a bar or lines of training, there is no line for what takes a moment.

        Args:
            things: Passed through.
            total: How many there are; 0: not known.
            what: Happens to them.
        """
        if self._shows_bars or self._quiet:
            with self._bar_beside() as bar:
                task = bar.add_task(what, total=total or None)
                for thing in things:
                    yield thing
                    bar.advance(task)
                bar.remove_task(task)
            return
        first = said = time.monotonic()
        if self._training is None:
            self.say(f"{what}: {total}" if total else what)
        for done, thing in enumerate(things, 1):
            yield thing
            now = time.monotonic()
            if done == 1:  # took what loading code takes as well, and says nothing of the others
                first = now
            if now - said >= TRACKED_EVERY and (done < total or not total):
                said = now
                ahead = f" of {total}" if total else ""
                if total and done > 1:
                    left = (now - first) / (done - 1) * (total - done)
                    ahead += f", about {duration(left)} left"
                self.say(f"{what}: {done}{ahead}")

    @contextmanager
    def transfer(self, what: str, total: int | None, done: int = 0) -> Iterator["Transfer"]:
        """The same for bytes that come or are read.

        Args:
            what: Happens to them.
            total: How many there will be, where that is known.
            done: How many there are already.
        """
        plain = not self._shows_bars and not self._quiet
        if plain:
            self.say(what if total is None else f"{what}: {decimal(total)}")
        columns = (DownloadColumn(), TransferSpeedColumn())
        with self._bar(transient=True, columns=columns) as bar:
            task = bar.add_task(what, total=total, completed=done)
            yield Transfer(bar, task, self if plain else None, what, total, done)

    @contextmanager
    def progress(self, total: int, done: int) -> Iterator["StepProgress"]:
        """A bar over the steps of a run, or a line now and then where there is no terminal."""
        with self._bar() as bar:
            task = bar.add_task("training", total=total, completed=done, note="")
            plain = not self._shows_bars and not self._quiet
            self._training = bar
            try:
                yield StepProgress(bar, task, self if plain else None, total, done)
            finally:
                self._training = None

    def table(
        self,
        title: str,
        reports: Mapping[str, Mapping[str, Mapping[str, float]]],
        intervals: Mapping[str, Mapping[str, Mapping[str, Sequence[float]]]] | None = None,
    ) -> None:
        """Figures, a row each, a column for each way of translating, direction under direction.

        Args:
            title: Above the table.
            reports: Way of translating ("translated", "identity", ...) -> direction -> figures.
            intervals: Likewise the ends of the figures' intervals, where they have some.
        """
        table = Table("", title=_plain(title), title_justify="left")
        for way in reports:
            table.add_column(_plain(way), justify="right")
        for direction in next(iter(reports.values()), {}):
            of_ways = [report.get(direction, {}) for report in reports.values()]
            for name in dict.fromkeys(name for figures in of_ways for name in figures):
                ends = ((intervals or {}).get(way, {}).get(direction, {}) for way in reports)
                each = zip(of_ways, ends, strict=True)
                cells = (_cell(of.get(name), between.get(name)) for of, between in each)
                table.add_row(_plain(f"{direction} {name}"), *cells)
            table.add_section()
        self._results.print(table)

    def better(self, higher: Mapping[str, bool]) -> None:
        """Which way figures get better.

        Args:
            higher: By figure, whether higher is better.
        """
        for word, wanted in (("higher", True), ("lower", False)):
            names = [name for name, way in higher.items() if way is wanted]
            if names:
                self.result(f"{word} is better: {', '.join(names)}")

    def rows(self, heading: str, table: Mapping[str, Mapping[str, str]]) -> None:
        """Texts by row and column.

        Args:
            heading: Of the rows' names.
            table: Row -> column -> text, all rows with the same columns.
        """
        columns = next(iter(table.values()), {})
        drawn = Table()
        for column in (heading, *columns):
            drawn.add_column(_plain(column))
        for name, row in table.items():
            drawn.add_row(_plain(name), *(_plain(text) for text in row.values()))
        self._results.print(drawn)

    def matrix(self, title: str, table: Mapping[str, Mapping[str, float]]) -> None:
        """Figures by row and column.

        Args:
            title: Above the table.
            table: Row -> column -> figure; columns in the order of the row that has most of them.
        """
        rows = sorted(table.values(), key=len, reverse=True)
        columns = list(dict.fromkeys(name for row in rows for name in row))
        drawn = Table("", title=_plain(title), title_justify="left")
        for column in columns:
            drawn.add_column(_plain(column), justify="right")
        for name, row in table.items():
            cells = (f"{row[column]:z.4f}" if column in row else "" for column in columns)
            drawn.add_row(_plain(name), *cells)
        self._results.print(drawn)

    @contextmanager
    def _bar_beside(self) -> Iterator[Progress]:
        """The one that is there, of which there can be only one, or one that goes at the end."""
        if self._training is not None or self._tracking is not None:
            there = self._training or self._tracking
            assert there is not None
            yield there
            return
        with self._bar(transient=True) as bar:
            self._tracking = bar
            try:
                yield bar
            finally:
                self._tracking = None

    def _bar(
        self, transient: bool = False, columns: Sequence[ProgressColumn] | None = None
    ) -> Progress:
        return _NotedProgress(
            TextColumn("{task.description}"),
            BarColumn(),
            *(columns or [MofNCompleteColumn()]),
            _Times(),
            console=self._console,
            transient=transient,
            disable=not self._shows_bars,
        )

    @property
    def _shows_bars(self) -> bool:
        """In a terminal, and in a notebook that can change what it shows."""
        widgets = self._console.is_jupyter and find_spec("ipywidgets") is not None
        return self._console.is_terminal or widgets


def _cell(figure: float | None, interval: Sequence[float] | None) -> str:
    """A figure, below it its interval."""
    if figure is None:
        return ""
    ends = f"\n[{interval[0]:z.4f}, {interval[1]:z.4f}]" if interval else ""
    return f"{figure:z.4f}{ends}"


def _plain(text: str) -> Text:
    """Text in which nothing is markup, nor steers a terminal."""
    return Text(shown(text))


class _Times(ProgressColumn):
    """How long it has taken, and how long it will."""

    def render(self, task: Task) -> Text:
        said = f"for {duration(task.elapsed or 0)}"
        left = task.fields.get("left", task.time_remaining)
        return Text(said if left is None or task.finished else f"{said}, {duration(left)} left")


class _NotedProgress(Progress):
    """A bar with a line of figures below it, which so have the whole width."""

    def get_renderables(self) -> Iterator[RenderableType]:
        yield from super().get_renderables()
        notes = (task.fields.get("note") for task in self.tasks)
        yield from (Text(note, overflow="fold", no_wrap=False) for note in notes if note)


class Transfer:
    """The progress of bytes."""

    def __init__(
        self,
        bar: Progress,
        task: TaskID,
        plain: Console | None,
        what: str,
        total: int | None,
        done: int,
    ) -> None:
        self._bar = bar
        self._task = task
        self._plain = plain
        self._what = what
        self._total = total
        self._done = self._first = done
        self._begun = self._said = time.monotonic()

    def advance(self, count: int) -> None:
        """So many more are there."""
        self._done += count
        self._bar.advance(self._task, count)
        now = time.monotonic()
        if self._plain and now - self._said >= TRACKED_EVERY:
            self._said = now
            said = f"{self._what}: {decimal(self._done)}"
            if self._total:
                rate = (self._done - self._first) / (now - self._begun)
                left = max(self._total - self._done, 0) / max(rate, 1e-9)
                said += f" of {decimal(self._total)}, about {duration(left)} left"
            self._plain.say(said)


class StepProgress:
    """The progress of training."""

    def __init__(
        self, bar: Progress, task: TaskID, plain: Console | None, total: int, done: int
    ) -> None:
        self._bar = bar
        self._task = task
        self._plain = plain
        self._total = total
        self._done = self._step = done
        self._begun = time.monotonic()
        self._said = 0.0  # with its losses
        self._told = 0.0  # without

    def advance(self) -> None:
        """One more step is done."""
        self._bar.advance(self._task)
        self._step += 1
        now = time.monotonic()
        silent = now - max(self._said, self._told, self._begun)
        if self._plain and silent >= WAITED and self._step < self._total:
            left = (now - self._begun) / (self._step - self._done) * (self._total - self._step)
            self._told = now
            self._plain.say(f"step {self._step}/{self._total}  {duration(left)} left")

    def expect(self, total: int) -> None:
        """There are to be so many in all."""
        if total != self._total:
            self._total = total
            self._bar.update(self._task, total=total)

    def show(self, step: int, losses: Mapping[str, float], rate: float) -> None:
        """The losses that matter, and samples per second."""
        note = "  ".join(f"{name} {value:.3f}" for name, value in losses.items())
        note = f"{rate:.1f} samples/s  {note}"
        now = time.monotonic()
        # With all that came between the steps so far, such as evaluations: as much will come.
        left = (now - self._begun) / max(step - self._done, 1) * (self._total - step)
        self._bar.update(self._task, note=note, left=left)
        if self._plain and (now - self._said >= PLAIN_EVERY or step == self._total):
            self._said = now
            ahead = f"  {duration(left)} left" if left else ""
            self._plain.say(f"step {step}/{self._total}  {note}{ahead}")
