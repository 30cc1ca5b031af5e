"""Several kinds of work timed in turn in one process, so that ratios stand on a slow machine."""

import statistics
import time
from collections.abc import Callable, Sequence

import torch

Work = Callable[[], object]
WARM_UP = 1  # rounds


def medians(works: Sequence[Work], device: str, rounds: int) -> list[float]:
    """Milliseconds of each."""
    timed = [[milliseconds(work, device) for work in works] for _ in range(WARM_UP + rounds)]
    return [statistics.median(column) for column in zip(*timed[WARM_UP:], strict=True)]


def milliseconds(work: Work, device: str) -> float:
    """How long some work takes, until the device is done with it."""
    wait = torch.cuda.synchronize if device == "cuda" else lambda: None
    wait()
    start = time.perf_counter()
    work()
    wait()
    return 1000 * (time.perf_counter() - start)
