"""Locks that die with their process, on whatever system and disk."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, SoftFileLock, Timeout

WAITING = -1.0  # seconds; for ever
LOCKLESS = {errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP}
"""What a disk without locks says, such as a network's."""


def can_hold() -> bool:
    """Whether this process can show by a lock that it lives."""
    try:
        import fcntl
    except ImportError:  # Windows
        return False
    return hasattr(fcntl, "flock")


def hold(number: int) -> bool | None:
    """Lock an open file or folder for as long as it stays open, to show that its user lives.

    Args:
        number: Its descriptor.

    Returns:
        Whether it is locked now; not if another process has locked it. ``None`` where the system
        or the disk locks no such thing.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        return None
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a network's disk
        return None
    return True


class Held(Exception):  # noqa: N818 - no error of its own: whoever asked for the lock explains it
    """Another process holds the lock."""


@contextmanager
def locked(file: Path, wait: bool) -> Iterator[None]:
    """Hold the lock that ``file`` stands for.

    On a system or disk that knows no locks there is nothing to hold, and nobody is kept out.

    Args:
        file: Is made where it is not there.
        wait: For the process that holds it.

    Raises:
        Held: If another process holds it and ``wait`` is false.
    """
    if issubclass(FileLock, SoftFileLock):  # all that filelock has here; it outlives its process
        yield
        return
    lock = FileLock(file, timeout=WAITING if wait else 0.0, fallback_to_soft=False)
    try:
        lock.acquire()
    except Timeout as error:
        raise Held(str(file)) from error
    except (NotImplementedError, OSError) as error:
        if isinstance(error, OSError) and error.errno not in LOCKLESS:
            raise
        yield
        return
    try:
        yield
    finally:
        lock.release()
