"""How torch's threads wait for one another: spinning alone, asleep once others want a processor.

A thread that spins goes on at once, a thread that sleeps must be woken; but one that spins takes
the processor from the thread that it waits for, as soon as there are more of them than processors.
``docs/performance/costs.md`` has what each costs on a quiet and on a busy machine.
"""

import atexit
import os
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

GNU = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
CHOICES = (*GNU, "KMP_BLOCKTIME")
"""What the user may have set: OpenMP's own word, GNU's, and Intel's and LLVM's."""

EVERY = 1.0  # seconds
GRAIN = 2**15  # elements that torch gives a thread at least
TASKS = Path("/proc/self/task")

_watching = threading.Lock()


def choose_waiting() -> None:
    """Settle what OpenMP reads when torch is loaded, for this process and its children.

    Nothing is changed after that, nor where the user has chosen. Threads of Intel's and LLVM's
    OpenMP sleep; GNU's (torch for Linux) spin until ``watch_neighbours`` sees somebody else,
    and sleep from the start where it could not see anybody.
    """
    if "torch" in sys.modules or any(choice in os.environ for choice in CHOICES):
        return
    os.environ["KMP_BLOCKTIME"] = "0"
    if not delays(TASKS):
        os.environ["OMP_WAIT_POLICY"] = "PASSIVE"


def delays(tasks: Path) -> dict[str, int]:
    """Nanoseconds that each thread of a process was ready and had no processor to run on.

    Args:
        tasks: Its folder of threads, as Linux keeps it; empty where the system keeps no account.
    """
    delay = {}
    for account in tasks.glob("*/schedstat"):
        with suppress(OSError):  # the thread has ended
            ran, waited, _ = map(int, account.read_text().split())
            if ran:  # a kernel that does not count says 0
                delay[account.parent.name] = waited
    return delay


def watch_neighbours() -> None:
    """Let this process's threads sleep where they wait, as long as others want the processors.

    It changes no result, only how long a step takes. Without effect where the user has told GNU's
    OpenMP how to wait, where the system does not say who waits, with one thread, and with so few of
    them that there are processors left for others.
    """
    import torch

    threads = torch.get_num_threads()
    if threads == 1 or any(choice in os.environ for choice in GNU) or not delays(TASKS):
        return
    # Only now, on Linux: other systems cannot be asked which processors a process may use.
    if 2 * threads <= len(os.sched_getaffinity(0)):
        return
    if _watching.acquire(blocking=False):  # once in a process
        ends = threading.Event()
        watch = threading.Thread(
            target=_watch, args=(ends,), name="cyclekit-neighbours", daemon=True
        )
        watch.start()
        # An interpreter that ends while one of its threads is inside torch aborts the process.
        atexit.register(watch.join)
        atexit.register(ends.set)  # the last one registered is called first


def _watch(ends: threading.Event) -> None:
    neighbours, spare = Neighbours(lambda: delays(TASKS)), SpareThreads()
    while not ends.wait(EVERY):
        if neighbours.are_busy(EVERY):
            spare.hold()
        else:
            spare.release()
    spare.end()


class Neighbours:
    """Whether anything else wants the processors that this process works on.

    Args:
        read: ``delays`` of this process.
    """

    def __init__(self, read: Callable[[], dict[str, int]]) -> None:
        self._read = read
        self._before = read()

    def are_busy(self, seconds: float) -> bool:
        """Whether threads had to wait for a processor in the seconds since this was asked last.

        Alone, a thread waits less than a hundredth of the time. With another process on one of two
        cores two threads wait .7 of it together while they spin, and .55 while they sleep. From a
        tenth on, sleeping is faster.
        """
        delay = self._read()
        grown = [now - self._before[name] for name, now in delay.items() if name in self._before]
        self._before = delay
        ran = sum(map(bool, grown))
        return sum(grown) > (0.1 + 0.01 * ran) * seconds * 1e9


class SpareThreads:
    """OpenMP threads that do nothing, so many that there are more than processors.

    GNU's OpenMP then lets all threads of the process spin for a hundred turns only
    (``GOMP_SPINCOUNT`` in the manual of libgomp), which nothing else changes once it is loaded.
    """

    def __init__(self) -> None:
        self._let_go: threading.Event | None = None
        self._threads: list[threading.Thread] = []

    def hold(self) -> None:
        """Have them, if they are not there yet."""
        import torch

        if self._let_go is not None:
            return
        self._let_go = threading.Event()
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        team = torch.get_num_threads()
        # A thread of Python that computes brings a team of its own along, less itself.
        for _ in range(team, len(os.sched_getaffinity(0)) + 1, max(team - 1, 1)):
            spare = threading.Thread(
                target=_keep_team, args=(team, self._let_go), name="cyclekit-spare", daemon=True
            )
            spare.start()
            self._threads.append(spare)

    def release(self) -> None:
        """Let them end."""
        if self._let_go is not None:
            self._let_go.set()
            self._let_go = None

    def end(self) -> None:
        """Let them end, and wait until they have."""
        self.release()
        for thread in self._threads:
            thread.join()


def _keep_team(threads: int, let_go: threading.Event) -> None:
    import torch

    torch.zeros(2 * threads * GRAIN).add_(1)  # large enough for all of them
    let_go.wait()
