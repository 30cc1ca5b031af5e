"""How much memory there is, asked before much of it is taken: Linux gives it, and then kills."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

OUT = ("can't allocate memory", "not enough memory", "cannot allocate memory", "bad_alloc")
GROUP = Path("/sys/fs/cgroup")
OWN_GROUPS = Path("/proc/self/cgroup")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out; torch says it of a CPU as a RuntimeError."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in OUT)


def available_memory() -> int | None:
    """Bytes that this process may still take; ``None`` where the system does not say."""
    found = [bytes for bytes in (_of_machine(), _of_group()) if bytes is not None]
    return min(found, default=None)


def held_by(process: int) -> int | None:
    """Bytes of memory that a process holds; ``None`` where the system does not say."""
    try:
        pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")


def most_held() -> int | None:
    """Bytes of memory that this process ever held at once; ``None`` where nothing says it."""
    try:
        # What getrusage says may be its parent's, from before it was another.
        lines = Path("/proc/self/status").read_text().splitlines()
        (kibibytes,) = [int(line.split()[1]) for line in lines if line.startswith("VmHWM:")]
    except (OSError, ValueError):
        return _resident()
    return kibibytes * 1024


def _resident() -> int | None:
    try:
        import resource
    except ImportError:  # Windows
        return None
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def _of_machine() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        (kibibytes,) = [int(line.split()[1]) for line in lines if line.startswith("MemAvailable:")]
    except (OSError, ValueError):
        return None
    return kibibytes * 1024


def _of_group() -> int | None:
    """What the limits of a container, a job or a service leave."""
    left = [_left(folder, *names) for folder, names in _groups()]
    return min((bytes for bytes in left if bytes is not None), default=None)


def _groups() -> Iterator[tuple[Path, tuple[str, str, str]]]:
    """The groups that this process is in, each with the names of its files."""
    try:
        lines = OWN_GROUPS.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers:
            top, names = GROUP, ("memory.max", "memory.current", "inactive_file")
        elif "memory" in controllers.split(","):
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
            top = GROUP / "memory"
        else:
            continue
        inner = top / path.lstrip("/")
        while True:
            yield inner, names
            if inner == top or top not in inner.parents:
                break
            inner = inner.parent


def _left(group: Path, limit: str, usage: str, reclaimable: str) -> int | None:
    """Bytes that a group may still take, cached files aside, which give way."""
    try:
        most = int((group / limit).read_text())
        used = int((group / usage).read_text())
        told = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
        return max(most - used + int(told.get(reclaimable, 0)), 0)
    except (OSError, ValueError):  # no limit, or no such file
        return None
