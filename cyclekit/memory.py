"""How much memory there is, asked before much of it is taken: Linux gives it, and then kills."""

from pathlib import Path

OUT = ("can't allocate memory", "not enough memory", "cannot allocate memory", "bad_alloc")
GROUP = Path("/sys/fs/cgroup")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out; torch says it of a CPU as a RuntimeError."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in OUT)


def available_memory() -> int | None:
    """Bytes that this process may still take; ``None`` where the system does not say."""
    found = [bytes for bytes in (_of_machine(), _of_group()) if bytes is not None]
    return min(found, default=None)


def _of_machine() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        (kibibytes,) = [int(line.split()[1]) for line in lines if line.startswith("MemAvailable:")]
    except (OSError, ValueError):
        return None
    return kibibytes * 1024


def _of_group() -> int | None:
    """What a container's limit leaves."""
    try:
        most = int((GROUP / "memory.max").read_text())
        return max(most - int((GROUP / "memory.current").read_text()), 0)
    except (OSError, ValueError):  # no limit, or no such file
        return None
