"""Files shared out over processes, a device each; their parent alone notes what was written."""

import signal
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import torch

from cyclekit.engine.fabric import Hardware
from cyclekit.errors import CyclekitError, UsageError
from cyclekit.orphans import end_with_parent
from cyclekit.recipe.reading import Setting
from cyclekit.runs.open_run import OpenRun, open_run
from cyclekit.translating.job import Job, Track
from cyclekit.translating.outcome import Outcome, translated
from cyclekit.trust import named_here, take_named
from cyclekit.warned import Told

MOST = 32  # files that are given to a process at once, where nobody says how many
TURNS = 8  # times that each process is given some: the last ones may take longer than others

_opened: OpenRun | None = None  # of a process that was started here


@dataclass(frozen=True)
class Opening:
    """How a run is opened, for processes that open it for themselves.

    Attributes:
        folder: The run.
        checkpoint: Of which weights; by number, since a training may go on meanwhile.
        accelerator: As ``Hardware`` takes it.
        precision: As ``open_run`` takes it.
        batch_size: Likewise.
        settings: Likewise.
        seed: Likewise.
        table: Likewise.
    """

    folder: Path
    checkpoint: str
    accelerator: str = "auto"
    precision: str | None = None
    batch_size: int | None = None
    settings: tuple[Setting, ...] = ()
    seed: int = 0
    table: Path | None = None

    def open(self, device: int | None) -> OpenRun:
        """The run on one of several devices of a kind, or on the only one."""
        return open_run(
            self.folder,
            self.checkpoint,
            Hardware(self.accelerator, index=device),
            self.precision,
            self.batch_size,
            settings=self.settings,
            seed=self.seed,
            table=self.table,
        )


class Block(NamedTuple):
    """What a process made of some files: outcomes, what the codec noticed and warned of."""

    outcomes: list[Outcome]
    facts: list[Mapping[str, float]]
    said: list[str]


class Shared:
    """``translated`` by several processes, which make of each file what one would, to rounding.

    Args:
        opening: How each opens the run.
        devices: How many processes.

    Raises:
        UsageError: If there are fewer devices.
    """

    def __init__(self, opening: Opening, devices: int) -> None:
        self._opening = opening
        self._devices = devices

    def __call__(
        self,
        opened: OpenRun,
        job: Job,
        places: Mapping[Path, Path],
        told: Told,
        facts: list[Mapping[str, float]],
        track: Track = lambda things, *_: things,
    ) -> Iterator[Outcome]:
        """See ``translated``; files come in the order in which they are done, and how far each of
        several sequences is shows nowhere."""
        device = opened.model.codec.device
        there = torch.cuda.device_count() if device.type == "cuda" else 1
        if device.type != "cpu" and self._devices > there:
            raise UsageError(f"--devices {self._devices}: there are {there} of {device.type}.")
        blocks = list(self._blocks(list(places)))
        workers = min(self._devices, len(blocks))
        if workers < 2:
            yield from translated(opened, job, places, told, facts, track)
            return
        opening = replace(self._opening, checkpoint=str(opened.checkpoint.step))
        for block in self._made(opening, job, places, blocks, workers, device.type != "cpu"):
            for message in block.said:
                told.once(message)
            facts += block.facts
            yield from block.outcomes

    def _blocks(self, files: Sequence[Path]) -> Iterator[list[Path]]:
        most = min(self._opening.batch_size or MOST, -(-len(files) // (self._devices * TURNS)))
        for start in range(0, len(files), max(most, 1)):
            yield list(files[start : start + max(most, 1)])

    def _made(
        self,
        opening: Opening,
        job: Job,
        places: Mapping[Path, Path],
        blocks: Iterable[list[Path]],
        workers: int,
        numbered: bool,
    ) -> Iterator[Block]:
        context = get_context("spawn")  # a fork would have half of torch's threads
        turns: Any = context.SimpleQueue()
        for turn in range(workers):
            turns.put(turn)
        threads = max(torch.get_num_threads() // workers, 1)
        about = (opening, turns, numbered, threads, named_here())
        pool = ProcessPoolExecutor(workers, context, _begin, about)
        try:
            made: list[Future[Block]] = [
                pool.submit(_translate, job, {file: places[file] for file in block})
                for block in blocks
            ]
            for done in as_completed(made):
                yield done.result()
        except BrokenProcessPool as error:
            raise CyclekitError(
                "One of the processes ended before its work was done, perhaps for want of memory. "
                "What was translated is there: the same with --skip-existing goes on, and fewer "
                "--devices take less memory."
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)


def _begin(
    opening: Opening, turns: Any, numbered: bool, threads: int, named: frozenset[tuple[str, str]]
) -> None:
    """Open the run in a process that was started for it."""
    global _opened
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a terminal: the parent says when to end
    end_with_parent()
    torch.set_num_threads(threads)
    take_named(named)
    turn = turns.get()
    _opened = opening.open(turn if numbered else None)


def _translate(job: Job, places: Mapping[Path, Path]) -> Block:
    assert _opened is not None
    said, facts = list[str](), list[Mapping[str, float]]()
    outcomes = list(translated(_opened, job, places, Told(said.append), facts))
    return Block(outcomes, facts, said)
