"""The most memory that training takes, each time in a process of its own."""

import multiprocessing
import resource
import sys
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import torch
from trainers import Task, ready_trainer

STEPS = 2  # the first makes the optimizers' moments, which the second finds in place


def peak_mib(task: Task, precision: str, device: str) -> float | None:
    """Peak of two steps in MiB; none if they did not fit.

    Of a GPU what tensors took there, else the whole process's resident memory, Python and all.
    """
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        try:
            return pool.submit(_own_peak, task, precision, device).result()
        except (BrokenProcessPool, torch.OutOfMemoryError):
            return None


def _own_peak(task: Task, precision: str, device: str) -> float:
    trainer = ready_trainer(task, precision, device)
    for _ in range(STEPS):
        trainer.train_step()
        trainer.step += 1
    trainer.require_finite()
    if device == "cuda":
        return torch.cuda.max_memory_allocated() / 2**20
    return _resident_mib()


def _resident_mib() -> float:
    """This process's own peak. ``ru_maxrss`` may be its parent's, from before it was another."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(x for x in status.read_text().splitlines() if x.startswith("VmHWM"))
        return int(line.split()[1]) / 2**10
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)
