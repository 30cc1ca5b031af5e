"""A small parent that starts the ranks on this machine, passes signals on and names what failed."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import click

LOOK_EVERY = 0.1  # seconds
GRACE = 10.0  # seconds in which the other ranks may end by themselves once one has failed
LAST_WORDS = "CYCLEKIT_LAST_WORDS"  # where a supervised rank writes the error it ends with
STARTED_BY_OTHERS = ("LOCAL_RANK", "SLURM_PROCID")  # torchrun and srun start the ranks themselves


def must_supervise(devices: int) -> bool:
    """Whether the ranks of ``--devices`` are still to be started."""
    return devices > 1 and not any(name in os.environ for name in STARTED_BY_OTHERS)


def supervise(arguments: Sequence[str], ranks: int) -> int:
    """Run ``cyclekit ARGUMENTS`` on every rank of this machine; returns the exit code.

    When a rank fails, the others get a moment to end by themselves and are then stopped, since they
    would wait for it for ever.
    """
    with (
        tempfile.TemporaryDirectory(prefix="cyclekit-") as folder,
        _ranks_of(arguments, ranks, Path(folder)) as processes,
    ):
        if not _one_fails(processes):
            return 0
        _wait(processes, GRACE)
        codes = [process.poll() for process in processes]
        return _report(codes, _last_words(Path(folder), ranks))


def obey_supervisor() -> None:
    """End with the parent, whatever becomes of it; called by every rank that has one."""
    if LAST_WORDS in os.environ:
        threading.Thread(target=_follow, daemon=True).start()


def leave_last_words(message: str) -> bool:
    """Tell the parent, if there is one, why this rank ends: it chooses what to print."""
    if LAST_WORDS not in os.environ:
        return False
    Path(os.environ[LAST_WORDS]).write_text(message, encoding="utf-8")
    return True


def _follow() -> None:
    os.read(0, 1)  # standard input: the parent holds the other end and never writes
    os._exit(1)


@contextmanager
def _ranks_of(
    arguments: Sequence[str], ranks: int, folder: Path
) -> Iterator[list[subprocess.Popen[bytes]]]:
    environment = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(_free_port()), **os.environ}
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "cyclekit", *arguments],
            env=environment | {"LOCAL_RANK": str(rank), LAST_WORDS: str(folder / f"{rank}")},
            stdin=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C reaches the parent alone, which passes it on
        )
        for rank in range(ranks)
    ]

    def pass_on(number: int, _frame: FrameType | None) -> None:
        for process in processes:
            process.send_signal(number)

    before = {n: signal.signal(n, pass_on) for n in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.wait()
        for number, handler in before.items():
            signal.signal(number, handler)


def _one_fails(processes: Sequence[subprocess.Popen[bytes]]) -> bool:
    """Wait until all ranks have done their work, or one of them has failed."""
    while True:
        codes = [process.poll() for process in processes]
        if any(codes):
            return True
        if None not in codes:
            return False
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


def _report(codes: Sequence[int | None], words: Mapping[int, str]) -> int:
    """Say once why the ranks ended; returns the command's exit code.

    Args:
        codes: Of each rank: its exit code, a signal's negative number, or None if it hangs.
        words: Last words, the earliest first: later ones may be about the first one's end.
    """
    killed = [rank for rank, code in enumerate(codes) if code is not None and code < 0]
    silent = [rank for rank, code in enumerate(codes) if code and rank not in words]
    if killed:
        failed, name = killed[0], signal.Signals(-(codes[killed[0]] or 0)).name
        said = f"rank {failed} was ended by {name}, and the others with it. What was saved is "
        said += "there: go on with `cyclekit resume`."
    elif words:
        failed = next(iter(words))
        alone = failed != 0 and len(set(words.values())) > 1
        said = f"rank {failed}: {words[failed]}" if alone else words[failed]
    else:
        failed = silent[0]
        said = f"rank {failed} ended with exit code {codes[failed]}, and the others with it."
    click.echo(f"error: {said}", err=True)
    return max(codes[failed] or 1, 1)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
