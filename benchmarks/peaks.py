"""The most memory that training takes, each time in a process of its own."""

import math
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

import torch
from trainers import Task, ready_trainer

from cyclekit.memory import most_held

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
    return (most_held() or math.nan) / 2**20
