"""How fast a training is, and where the time of its steps goes: what ``timing.jsonl`` says."""

import time
from collections.abc import Mapping
from functools import cached_property

import torch
from rich.filesize import decimal

from cyclekit.engine.account import DATA, convolution_speed
from cyclekit.engine.trainer import Trainer
from cyclekit.memory import most_held
from cyclekit.runs.records import GFLOP, MEMORY, PER_SECOND, PER_STEP, SECONDS, SHARE


class Timing:
    """Reads a trainer's account, on the first rank.

    Args:
        trainer: Whose steps are timed.
    """

    def __init__(self, trainer: Trainer) -> None:
        self._trainer = trainer
        self._since, self._step = time.perf_counter(), 0

    def start(self, step: int) -> None:
        """What came before the next step was something else."""
        self._since, self._step = time.perf_counter(), step

    def read(self, step: int) -> dict[str, float]:
        """Of the steps since it was last read, and a fresh start; by the names of the file.

        ``seconds_data`` is what a step waited for data, ``seconds_PHASE`` what a phase took of it,
        its share where it is not due in each one. ``share_of_peak`` is how near the convolutions
        and matrix products of phases come to the speed of one large convolution on this device.
        """
        now = time.perf_counter()
        seconds = (now - self._since) / max(step - self._step, 1)
        batch = self._trainer.batches.global_batch
        told = {PER_STEP: seconds, PER_SECOND: batch / seconds}
        if spent := self._trainer.account.read():
            told |= {f"{SECONDS}{name}": value for name, value in spent.seconds.items()}
            if spent.flop:
                told[GFLOP] = spent.flop / 1e9
                told[SHARE] = spent.per_second / self._peak
        if memory := self._memory():
            told[MEMORY] = memory
        self.start(step)
        return told

    @cached_property
    def _peak(self) -> float:
        fabric = self._trainer.fabric
        return convolution_speed(fabric.device, self._trainer.settings.precision)

    def _memory(self) -> int | None:
        device = self._trainer.fabric.device
        if device.type == "cuda":
            return torch.cuda.max_memory_allocated(device)
        return most_held()


def described(told: Mapping[str, float]) -> str:
    """The same on one line: what share of the time each takes, how much is computed, memory."""
    parts = {n.removeprefix(SECONDS): told[n] for n in told if _is_part(n)}
    whole = sum(parts.values())
    if not whole:
        return ""
    parts["waiting for data"] = parts.pop(DATA, 0.0)
    shares = sorted(parts.items(), key=lambda part: -part[1])
    said = "a step: " + ", ".join(f"{name} {value / whole:.1%}" for name, value in shares)
    if GFLOP in told:
        said += (
            f"; {told[GFLOP]:,.3g} GFLOP, at {told[SHARE]:.0%} of the speed of one large "
            f"convolution here"
        )
    if MEMORY in told:
        said += f"; at most {decimal(int(told[MEMORY]))} of memory"
    return said


def _is_part(name: str) -> bool:
    return name.startswith(SECONDS) and name != PER_STEP
