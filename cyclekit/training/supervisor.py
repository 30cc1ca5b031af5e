"""A small parent that starts the ranks on this machine, passes signals on and names what failed."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import click

from cyclekit.describe import shown
from cyclekit.signals import ECHO, listened
from cyclekit.temporary import temporary_folder
from cyclekit.training.supervised import ALIVE, LAST_WORDS

LOOK_EVERY = 0.1  # seconds
GRACE = 10.0  # seconds in which the other ranks may end by themselves once one has failed
SILENT = 90.0  # seconds without one after which a rank hangs; evaluating, however long, is none


def supervise(arguments: Sequence[str], ranks: int) -> int:
    """Run ``cyclekit ARGUMENTS`` on every rank of this machine; returns the exit code.

    When a rank fails, the others get a moment to end by themselves and are then stopped, since they
    would wait for it for ever.
    """
    with temporary_folder() as folder, _ranks_of(arguments, ranks, folder) as processes:
        try:
            failed = _first_to_fail(processes, Pulse(folder, ranks))
        except Hung as hung:
            click.echo(f"error: {hung}", err=True)
            return 1
        if not failed:
            return 0
        _wait(processes, GRACE)
        return _report(failed, ranks, _last_words(folder, ranks))


class Hung(Exception):  # noqa: N818 - it is what happened
    """A rank gives no sign of life; the others would wait for it for ever."""


class Pulse:
    """When each rank was last seen alive, by this process's own clock."""

    def __init__(self, folder: Path, ranks: int) -> None:
        self._files = [folder / f"{rank}{ALIVE}" for rank in range(ranks)]
        self._seen: list[tuple[float, float]] = [(0.0, time.monotonic())] * ranks

    def require(self, running: Sequence[bool]) -> None:
        """Look at the ranks that are running.

        Raises:
            Hung: Naming one that gave no sign of life for long.
        """
        now = time.monotonic()
        for rank, file in enumerate(self._files):
            beat = file.stat().st_mtime if file.exists() else 0.0
            if beat != self._seen[rank][0]:
                self._seen[rank] = (beat, now)
            elif running[rank] and now - self._seen[rank][1] > SILENT:
                raise Hung(
                    f"rank {rank} has given no sign of life for {SILENT:.0f} s: it was stopped, or "
                    f"its machine has no memory left. All ranks were ended. Whatever was saved is "
                    f"there: go on with `cyclekit resume`."
                )


@contextmanager
def _ranks_of(
    arguments: Sequence[str], ranks: int, folder: Path
) -> Iterator[list[subprocess.Popen[bytes]]]:
    environment = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(_free_port()), **os.environ}
    processes = [
        subprocess.Popen(
            # -P, since the current folder is no place for modules.
            [sys.executable, "-P", "-m", "cyclekit", *arguments],
            env=environment | {"LOCAL_RANK": str(rank), LAST_WORDS: str(folder / f"{rank}")},
            stdin=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C reaches the parent alone, which passes it on
        )
        for rank in range(ranks)
    ]

    came: list[float] = []

    def pass_on(number: int, _frame: FrameType | None) -> None:
        again = bool(came) and time.monotonic() - came[0] > ECHO
        came.append(time.monotonic())
        if os.name == "nt":
            return  # Ctrl-C reaches everybody in the console
        for process in processes:
            # A rank that hangs does not hear the second request, either.
            process.send_signal(signal.SIGKILL if again else number)

    before = {number: signal.signal(number, pass_on) for number in listened()}
    try:
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.wait()
        for number, handler in before.items():
            signal.signal(number, handler)


def _first_to_fail(processes: Sequence[subprocess.Popen[bytes]], pulse: Pulse) -> dict[int, int]:
    """Wait until all ranks have done their work, or some have failed: their exit codes by rank."""
    while True:
        codes = [process.poll() for process in processes]
        if failed := {rank: code for rank, code in enumerate(codes) if code}:
            return failed
        if None not in codes:
            return {}
        pulse.require([code is None for code in codes])
        time.sleep(LOOK_EVERY)


def _wait(processes: Sequence[subprocess.Popen[bytes]], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while any(process.poll() is None for process in processes) and time.monotonic() < deadline:
        time.sleep(LOOK_EVERY)


def _last_words(folder: Path, ranks: int) -> dict[int, str]:
    """What ranks ended with, in the order in which they said it."""
    files = {rank: folder / f"{rank}" for rank in range(ranks)}
    spoken = [rank for rank in files if files[rank].exists()]
    spoken.sort(key=lambda rank: files[rank].stat().st_mtime_ns)
    return {rank: files[rank].read_text(encoding="utf-8") for rank in spoken}


def _report(failed: Mapping[int, int], ranks: int, words: Mapping[int, str]) -> int:
    """Say once why the ranks ended; returns the command's exit code.

    Args:
        failed: Exit codes of the ranks that failed first; a signal's number is negative.
        ranks: How many there were.
        words: Last words, the earliest first: later ones may be about the first one's end.
    """
    # Who lost the others may abort; whoever was ended by any other signal is the cause.
    killed = [rank for rank, code in failed.items() if code < 0 and -code != signal.SIGABRT]
    spoken = [rank for rank in words if rank in failed]
    cause = (killed or spoken or list(failed))[0]
    code = failed[cause]
    if cause in words:
        everybody = len(words) == ranks and len(set(words.values())) == 1
        said = words[cause] if everybody else f"rank {cause}: {words[cause]}"
    elif code < 0:
        said = f"rank {cause} was ended by {signal.Signals(-code).name}, and the others with it. "
        said += "Whatever was saved is there: go on with `cyclekit resume`."
    else:
        said = f"rank {cause} ended with exit code {code}, and the others with it."
    click.echo(f"error: {shown(said)}", err=True)
    return code if code > 0 else 128 - code


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
