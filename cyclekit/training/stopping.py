"""Stop politely: finish the step, save, and say how to go on."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import torch
from torch import Tensor

from cyclekit.engine.lightning import Fabric
from cyclekit.errors import CyclekitError
from cyclekit.signals import ECHO, listened

ASK_EVERY = 10  # steps between questions to the other ranks: an answer costs a wait for the device

Handler = Callable[[int, FrameType | None], None]


class Stopped(CyclekitError):  # noqa: N818 - asked for, no error
    """Training ended early because somebody asked for it; everything is saved."""

    said_as = ""

    def __init__(self, message: str, number: int) -> None:
        super().__init__(message)
        self.exit_code = 128 + number


class StopRequest:
    """Remembers that a signal came that asks to stop; ranks then stop after the same step.

    A second signal ends the process at once.
    """

    def __init__(self, fabric: Fabric, say: Callable[[str], None]) -> None:
        self._fabric = fabric
        self._say = say
        self._number = 0
        self._since = 0.0

    def agreed(self, step: int) -> int:
        """The signal's number if all ranks should stop after ``step``, else 0."""
        if self._fabric.world_size == 1:
            return self._number
        if step % ASK_EVERY:
            return 0
        asked = torch.tensor(float(self._number), device=self._fabric.device)
        highest = self._fabric.all_reduce(asked, reduce_op="max")
        assert isinstance(highest, Tensor)
        return int(highest.item())

    def _receive(self, number: int, _frame: FrameType | None) -> None:
        if self._number:
            if time.monotonic() - self._since > ECHO:
                os._exit(128 + number)
            return
        self._number, self._since = number, time.monotonic()
        name = signal.Signals(number).name
        self._say(f"{name}: finishing this step and saving; once more stops at once")


@contextmanager
def listening(fabric: Fabric, say: Callable[[str], None]) -> Iterator[StopRequest]:
    """Listen for signals that ask to stop; elsewhere than in the main thread Python cannot."""
    request = StopRequest(fabric, say)
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    before = {number: signal.signal(number, request._receive) for number in listened()}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
