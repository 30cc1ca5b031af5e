"""Locks that die with their process, on whatever system and disk."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

WAITING = -1.0  # seconds; for ever


class Held(Exception):  # noqa: N818 - no error of its own: whoever asked for the lock explains it
    """Another process holds the lock."""


@contextmanager
def locked(file: Path, wait: bool) -> Iterator[None]:
    """Hold the lock that ``file`` stands for.

    On a disk that knows no locks there is nothing to hold, and nobody is kept out.

    Args:
        file: Is made where it is not there.
        wait: For the process that holds it.

    Raises:
        Held: If another process holds it and ``wait`` is false.
    """
    lock = FileLock(file, timeout=WAITING if wait else 0.0)
    try:
        lock.acquire()
    except Timeout as error:
        raise Held(str(file)) from error
    except NotImplementedError:
        yield
        return
    try:
        yield
    finally:
        lock.release()
