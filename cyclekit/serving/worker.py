"""A process that has one run open and translates what it is handed; it may be killed at any time.

What it is told and what it says are JSON objects: whoever started it never unpickles anything that
comes from where strangers' files were read.
"""

import json
import signal
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from multiprocessing import connection
from pathlib import Path
from typing import Any

from cyclekit.contract.codec import Codec
from cyclekit.contract.declarations import Direction
from cyclekit.data.contents import explained
from cyclekit.data.kinds import head_of, is_recognised, is_sequence
from cyclekit.describe import describe_exception
from cyclekit.engine.model import Model
from cyclekit.engine.translator import Translator
from cyclekit.errors import (
    BadSample,
    CheckpointError,
    CyclekitError,
    PluginError,
    TooLarge,
    UsageError,
)
from cyclekit.memory import is_out_of_memory
from cyclekit.names import heading
from cyclekit.orphans import end_with_parent
from cyclekit.runs.open_run import OpenRun
from cyclekit.serving.task import EXAMPLE, Wish, ways_of
from cyclekit.serving.views import show
from cyclekit.translating.files import format_of
from cyclekit.translating.job import Job
from cyclekit.translating.outcome import Outcome, translated
from cyclekit.translating.routing import way_that_sets
from cyclekit.translating.sharing import Opening
from cyclekit.trust import take_named
from cyclekit.warned import Told

OUT = "out"  # of a task's folder: where results lie
RESULT = "translated"
UNNAMED = ".translation"  # for ``Codec.save_as`` to replace
EVERY = 0.25  # seconds between signs of progress


def work(
    line: "connection.Connection[Any, Any]",
    opening: Opening,
    positions: int,
    named: frozenset[tuple[str, str]],
) -> None:
    """Open a run and do what is asked for, until the line is closed.

    Args:
        line: To whoever started this process.
        opening: How the run is opened.
        positions: What is larger is refused.
        named: Files of code that a person has named.
    """
    # Of a terminal or a service's manager, who tell all processes: the parent says when to end.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    end_with_parent()
    take_named(named)
    worker = Worker(line, opening, positions)
    try:
        worker.open(opening.checkpoint)
    except Exception as error:
        worker.say(failed=_said(error))
        return
    worker.say(ready=worker.described())
    while True:
        try:
            told = json.loads(line.recv_bytes())
        except (EOFError, OSError):
            return
        worker.do(told)
        worker.say(end=True)


class Worker:
    """Has one checkpoint of a run open.

    Args:
        line: Where it says what becomes of tasks.
        opening: How the run is opened.
        positions: What is larger is refused.
    """

    def __init__(
        self, line: "connection.Connection[Any, Any]", opening: Opening, positions: int
    ) -> None:
        self._line = line
        self._opening = opening
        self._positions = positions
        self._opened: OpenRun | None = None
        self._asked = ""

    def say(self, **said: Any) -> None:
        """Tell whoever started this process."""
        self._line.send_bytes(json.dumps(said).encode())

    def open(self, checkpoint: str) -> OpenRun:
        """The run with a checkpoint's weights, in place of the one that was open."""
        if self._opened is None or self._asked != checkpoint:
            self._opened = None  # before another is as large
            opened = replace(self._opening, checkpoint=checkpoint).open(None)
            bounded = opened.translator.bounded(self._positions)
            self._opened, self._asked = replace(opened, translator=bounded), checkpoint
        return self._opened

    def described(self) -> dict[str, Any]:
        """What the run can do, for those who ask."""
        opened = self.open(self._asked)
        model, codec = opened.model, opened.model.codec
        attributes = model.objective.attributes
        return {
            "plugin": model.modality.name,
            "summary": model.modality.summary,
            "step": opened.checkpoint.step,
            "checkpoints": list(opened.run.checkpoints.all()),
            "directions": [
                {
                    "name": way.name,
                    "title": _title(way),
                    "source": way.source,
                    "target": way.target,
                    "sets": dict(way.sets),
                    "back": model.reverse(way) is not None,
                    "codes": model.objective.code(way) is not None and not attributes,
                    "examples": _takes_examples(opened.translator, way),
                }
                for way in model.directions.values()
            ],
            "attributes": list(attributes),
            "formats": list(codec.formats),
            "suffixes": sorted(codec.suffixes | codec.sequence_suffixes) if codec.suffixes else [],
            "sequences": sorted(codec.sequence_suffixes),
        }

    def do(self, told: Mapping[str, Any]) -> None:
        """Translate files that are wanted alike; says of each what became of it."""
        files = {task: Path(file) for task, file in told["files"].items()}
        try:
            wish = Wish(**told["wish"])
            opened = self._wanted(wish)
            output = Path(told["output"])
            like = told["like"] and Path(told["like"])
            doubted = {Path(file) for file in told["doubted"]}
            for task, error in strange(opened.model.codec, files, like, doubted).items():
                del files[task]
                self.say(task=task, **_fault(error))
            for task, said in self._made(opened, wish, output, files, like):
                self.say(task=task, step=opened.checkpoint.step, **said)
        except Exception as error:
            if is_out_of_memory(error):
                error = TooLarge("", "needs more memory than there is")
            for task in files:  # those that were told of before are not waited for any more
                self.say(task=task, **_fault(error))

    def _wanted(self, wish: Wish) -> OpenRun:
        """The run as a wish wants it to translate."""
        opened = self.open(wish.checkpoint)
        translator = opened.translator.seeded(wish.seed)
        if wish.attributes is not None:
            translator = translator.knowing(dict.fromkeys(wish.attributes, True))
        return replace(opened, translator=translator)

    def _made(
        self,
        opened: OpenRun,
        wish: Wish,
        output: Path,
        files: Mapping[str, Path],
        like: Path | None,
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        codec = opened.model.codec
        direction = _way(opened.model, wish.direction)
        format_ = format_of(codec, wish.format)
        job = Job.of(opened, direction, output, format_, wish.back, False, wish.samples, like)
        films = [task for task, file in files.items() if is_sequence(codec, file)]
        rest = [task for task in files if task not in films]
        if wish.show:
            for task in rest:
                yield task, self._shown(opened, job, task, files[task])
            rest = []
        plain = Job(direction, output, format_, like=like)
        # Films go one by one, after what is quick.
        for block in filter(None, (rest, *([film] for film in films))):
            places = {files[task]: _place(task, files[task]) for task in block}
            whose = {files[task]: task for task in block}
            for outcome in translated(opened, plain, places, Told(_drop), [], self._track(block)):
                yield whose[outcome.file], _told(outcome)

    def _shown(self, opened: OpenRun, job: Job, task: str, file: Path) -> dict[str, Any]:
        begun = time.monotonic()
        said: list[str] = []
        try:
            with Told(said.append).passing_on():
                place = _place(task, file)
                written, views = show(opened, job, file, place)
        except BadSample as error:
            return _fault(error)
        views += [{"kind": "note", "title": message} for message in said]
        return {"file": str(written), "seconds": time.monotonic() - begun, "views": views}

    def _track(self, tasks: Sequence[str]) -> Any:
        """Shows how far a sequence is, which is always by itself."""

        def track(things: Iterable[Any], total: int, _what: str) -> Iterator[Any]:
            last = 0.0
            for number, thing in enumerate(things):
                if len(tasks) == 1 and time.monotonic() - last > EVERY:
                    last = time.monotonic()
                    self.say(task=tasks[0], progress=[number, total])
                yield thing

        return track


class Strange(BadSample):
    """A file that is sent as what a run does not take, and has nothing of what it takes."""


def strange(
    codec: Codec[Any], files: Mapping[str, Path], like: Path | None, doubted: Collection[Path]
) -> dict[str, BadSample]:
    """Tasks of whose files one is not what the run takes, though it would have to show that it is.

    Args:
        codec: Looks at them.
        files: Each task's.
        like: An example that comes with each.
        doubted: Those of them that are sent as something else.
    """
    found: dict[str, BadSample] = {}
    for task, file in files.items():
        for one in {file, like} & {*doubted}:
            if one is not None and not is_recognised(codec, head_of(one) or b""):
                known = ", ".join(sorted(codec.suffixes | codec.sequence_suffixes))
                why = "is sent as what this run does not take, and does not begin like what it does"
                found[task] = explained(Strange(one, f"{why} ({known})"))
    return found


def _place(task: str, file: Path) -> Path:
    """Where a result goes, with a suffix that the codec replaces by its own."""
    return Path(task) / OUT / (RESULT + (file.suffix or UNNAMED))


def _told(outcome: Outcome) -> dict[str, Any]:
    if outcome.fault is not None:
        return _fault(outcome.fault)
    return {"file": str(outcome.written[""]), "seconds": outcome.seconds}


def _fault(error: Exception) -> dict[str, Any]:
    """HTTP's word for what went wrong, and ours; no path of this machine is in either."""
    if isinstance(error, BadSample):
        what = "example" if error.path.stem == EXAMPLE else "file"
        kinds = {TooLarge: 413, Strange: 415}
        status, said = kinds.get(type(error), 422), f"The {what} {error.why}."
        said = said.replace(str(error.path), f"the {what}").replace(str(error.path.parent), "")
    elif isinstance(error, CheckpointError):
        status, said = 404, "There is no such checkpoint, or it cannot be read any more."
    elif isinstance(error, UsageError):
        status, said = 422, _said(error)
    elif isinstance(error, PluginError):
        status, said = 500, "The plugin of this run failed."
    else:
        status, said = 500, "The service failed at this file."
    return {"fault": status, "said": said, "cause": _said(error)}


def _title(way: Direction) -> str:
    """What people call a direction."""
    if way.sets:
        return ", ".join(f"{'with' if value else 'without'} {name}" for name, value in way.sets)
    return " → ".join(map(heading, way.ends))


def _way(model: Model, direction: str) -> Direction:
    """The direction that a wish names, which may be several at once."""
    names = ways_of(direction, model.directions)
    if len(names) == 1:
        return model.direction(direction)
    sets = (setting for name in names for setting in model.direction(name).sets)
    return way_that_sets(model, dict(sets))


def _takes_examples(translator: Translator, way: Direction) -> bool:
    try:
        translator.require_codes_of(way)
    except UsageError:
        return False
    return True


def _said(error: Exception) -> str:
    return str(error) if isinstance(error, CyclekitError) else describe_exception(error)


def _drop(_message: str) -> None:
    """Nobody waits for warnings about a file that was translated all the same."""
