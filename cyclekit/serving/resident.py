"""One run's worker, and the tasks that wait for it; what takes too much kills the worker alone."""

import json
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from multiprocessing import connection, get_all_start_methods, get_context
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from cyclekit.memory import held_by
from cyclekit.serving.limits import Limits, Refusal, busy
from cyclekit.serving.task import Task, Translated
from cyclekit.serving.worker import work
from cyclekit.translating.sharing import Opening
from cyclekit.trust import named_here

TOGETHER = 32  # tasks that are handed over at once, where they are wanted alike
LOOK = 0.05  # seconds between looks at the clock and the memory
STARTING = 300.0  # seconds that a worker may take to open its run
LONGEST = 2**20  # bytes of what a worker says at once
KEPT = 0.5  # share of its memory that an idle worker may keep before it is replaced

Line = "connection.Connection[Any, Any]"


class Resident:
    """A run that is kept ready.

    Args:
        name: What the service calls it.
        opening: How it is opened.
        limits: What a task may take.
        folder: Of all tasks; each has one of its own in there.
        tell: Is told what a person who runs the service should know.
        killed: Is told why a worker was killed: ``seconds``, ``memory`` or ``crash``.

    Attributes:
        checkpoint: The one that is used where nobody asks for another.
        described: What the run can do; empty until it was opened.
        failure: Why it could not be opened.
        ready: Set once it was, or could not be.
    """

    def __init__(
        self,
        name: str,
        opening: Opening,
        limits: Limits,
        folder: Path,
        tell: Callable[[str], None],
        killed: Callable[[str], None] = lambda _why: None,
    ) -> None:
        self.name = name
        self.checkpoint = opening.checkpoint
        self.described: dict[str, Any] = {}
        self.failure = ""
        self.ready = threading.Event()
        self._opening = opening
        self._limits = limits
        self._folder = folder
        self._tell = tell
        self._killed = killed
        self._waiting: deque[Task] = deque()
        self._changed = threading.Condition()
        self._closing = False
        self._process: BaseProcess | None = None
        self._line: Any = None
        self._busy = 0
        self._thread = threading.Thread(target=self._serve, name=f"resident {name}", daemon=True)

    def start(self) -> None:
        """Open the run, in a process of its own."""
        self._thread.start()

    def submit(self, task: Task) -> None:
        """Let a task wait for its turn.

        Raises:
            Refusal: If too many do, or the service is about to end.
        """
        with self._changed:
            self.require_room()
            self._waiting.append(task)
            self._changed.notify()

    def require_room(self) -> None:
        """Refuse where a task could not wait.

        Raises:
            Refusal: Likewise.
        """
        if self._closing:
            raise busy("The service is about to end.")
        if len(self._waiting) >= self._limits.queue:
            raise busy(f"{len(self._waiting)} requests wait for this run already. Try again soon.")

    @property
    def load(self) -> int:
        """Tasks that wait or are being done."""
        return len(self._waiting) + self._busy

    @property
    def memory(self) -> int:
        """Bytes that the worker holds, 0 where that is not known."""
        number = self._process.pid if self._process is not None else None
        return (held_by(number) or 0) if number else 0

    def close(self) -> None:
        """Take no more tasks; those that wait are done, then the worker ends."""
        with self._changed:
            self._closing = True
            self._changed.notify()

    def join(self, seconds: float) -> None:
        """Wait for that; then the worker is killed whatever it does."""
        self._thread.join(seconds)
        self._end()

    def _serve(self) -> None:
        try:
            self._begin()
        except Refusal as refusal:
            self.failure = str(refusal)
        except Exception as error:  # somebody waits, whatever happened
            self.failure = f"{self.name}: unexpected {type(error).__name__}: {error}"
        self.ready.set()
        while block := self._next():
            self._busy = len(block)
            try:
                self._do(block)
            except Exception as error:  # the service lives on
                self._end()
                self._tell(f"{self.name}: unexpected {type(error).__name__}: {error}")
                _refuse(block, Refusal(500, "The service failed at this file."))
            self._busy = 0
        self._end()

    def _next(self) -> list[Task]:
        """Tasks that are wanted alike, the first to come among them; none: there will be none."""
        with self._changed:
            while not self._waiting:
                if self._closing:
                    return []
                self._changed.wait()
            first = self._waiting.popleft()
            block = [first]
            while self._waiting and len(block) < TOGETHER and self._together(first):
                block.append(self._waiting.popleft())
        # One that is tried again runs already.
        return [
            task for task in block if task.alone or task.outcome.set_running_or_notify_cancel()
        ] or self._next()

    def _together(self, first: Task) -> bool:
        """Whether the next one may go along."""
        following = self._waiting[0]
        apart = first.alone or following.alone or first.wish.show
        apart = apart or first.like is not None or following.like is not None
        films = self.described.get("sequences", ())
        apart = apart or bool({first.file.suffix, following.file.suffix} & set(films))
        return not apart and first.wish == following.wish

    def _begin(self) -> None:
        """Start a worker and wait until it has opened the run.

        Raises:
            Refusal: If it cannot.
        """
        context = _context()
        self._line, its = context.Pipe()
        arguments = (its, self._opening, self._limits.positions, named_here())
        self._process = context.Process(target=work, args=arguments, daemon=True)
        try:
            self._process.start()
        except (OSError, EOFError) as error:
            self._process = None
            raise Refusal(
                503,
                f"{self._opening.folder}: no worker can be started ({error}). Sockets lie in the "
                f"temporary folder: if its path is long, set TMPDIR to a shorter one.",
            ) from error
        its.close()
        begun = time.monotonic()
        while time.monotonic() - begun < STARTING:
            said = self._heard()
            if said is None:
                continue
            if "ready" in said:
                self.described, self.failure = said["ready"], ""
                return
            self._end()
            why = said.get("failed", "its worker ended while it opened the run")
            raise Refusal(503, f"{self._opening.folder}: {why}")
        self._end()
        raise Refusal(503, f"{self._opening.folder} was not opened within {STARTING:.0f} seconds.")

    def _heard(self) -> dict[str, Any] | None:
        """What the worker says within a moment; that it ended is an empty answer."""
        assert self._process is not None
        ready = connection.wait([self._line, self._process.sentinel], LOOK)
        if self._line in ready:
            try:
                said = json.loads(self._line.recv_bytes(LONGEST))
            except (EOFError, OSError, ValueError):
                return {}
            return said if isinstance(said, dict) else {}
        return {} if ready else None

    def _do(self, block: Sequence[Task]) -> None:
        """Have tasks done that are wanted alike."""
        if self._process is None:
            try:
                self._begin()
            except Refusal as refusal:
                self._tell(f"{self.name}: {refusal}")
                _refuse(block, busy("This run cannot be opened at the moment."))
                return
        waiting = {task.name: task for task in block}
        order = {
            "wish": asdict(block[0].wish),
            "files": {task.name: str(task.file) for task in block},
            "doubted": [str(file) for task in block for file in task.doubted],
            "output": str(self._folder),
            "like": None if block[0].like is None else str(block[0].like),  # then it is alone
        }
        try:
            self._line.send_bytes(json.dumps(order).encode())
        except OSError:
            self._fail(waiting, "crash")
            return
        begun = time.monotonic()
        while True:
            said = self._heard()
            if said is not None and "end" in said:
                break
            if said is not None and not said:
                self._fail(waiting, "crash")
                return
            if said and "progress" not in said:
                begun = time.monotonic()  # of those that are left
            if said:
                self._take(said, waiting)
            if time.monotonic() - begun > self._limits.seconds:
                self._fail(waiting, "seconds")
                return
            if self.memory > self._limits.memory:
                self._fail(waiting, "memory")
                return
        _refuse(list(waiting.values()), Refusal(500, "The service failed at this file."))
        if self.memory > KEPT * self._limits.memory:
            self._end()

    def _take(self, said: Mapping[str, Any], waiting: dict[str, Task]) -> None:
        """What the worker says of a task."""
        task = waiting.get(str(said.get("task")))
        if task is None:
            return
        if "progress" in said:
            done, total = said["progress"]
            task.progress = int(done), int(total)
            return
        del waiting[task.name]
        if "fault" in said:
            if said["fault"] >= 500:
                self._tell(f"{self.name}: {said['cause']}")
            task.outcome.set_exception(Refusal(int(said["fault"]), str(said["said"])))
            return
        file = self._folder / said["file"]
        views = said.get("views", [])
        task.outcome.set_result(Translated(file, said["step"], said["seconds"], views))

    def _fail(self, waiting: Mapping[str, Task], why: str) -> None:
        """Kill the worker; of several tasks each is tried again by itself, one is to blame."""
        self._end()
        self._killed(why)
        tasks = list(waiting.values())
        if len(tasks) > 1:
            for task in tasks:
                task.alone = True
            with self._changed:
                self._waiting.extendleft(reversed(tasks))
            return
        limits = self._limits
        reasons = {
            "seconds": (504, f"It took longer than the {limits.seconds:g} seconds that it may."),
            "memory": (
                413,
                f"It needed more memory than the {limits.memory / 2**20:,.0f} MiB that it may.",
            ),
            "crash": (500, "The process that translated it ended unexpectedly."),
        }
        status, said = reasons[why]
        self._tell(f"{self.name}: a request ended its worker ({why})")
        _refuse(tasks, Refusal(status, said))

    def _end(self) -> None:
        """End the worker, whatever it does."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.join()
            self._line.close()


def _context() -> Any:
    """How workers are started: from a process that has loaded torch and has no threads, where the
    system has such, so that one that was killed is back at once."""
    if "forkserver" not in get_all_start_methods():
        return get_context("spawn")
    context = get_context("forkserver")
    context.set_forkserver_preload([work.__module__])
    return context


def _refuse(tasks: Sequence[Task], refusal: Refusal) -> None:
    for task in tasks:
        task.outcome.set_exception(refusal)
