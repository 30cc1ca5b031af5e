"""What chance decides on the host for a step, and where the device finds it: one place for all."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor

Draw = Callable[[], Tensor]


class NotReplayable(RuntimeError):  # noqa: N818 - named for what it says
    """What is being recorded would not be the same the next time."""


def drawn(draw: Draw, device: torch.device, dtype: torch.dtype) -> Tensor:
    """What ``draw`` makes on the host, on a device.

    Within ``StaticDraws`` it lies in a tensor that keeps its place in memory; while a phase is
    recorded (``engine/replay.py``) nothing is drawn, and each replay draws anew.
    """
    kept = _KEPT.get()
    return kept.take(draw, device, dtype) if kept else _sent(draw(), device, dtype)


def draws_are_static() -> bool:
    """Whether what is done now will be recorded, so that draws may decide nothing on the host."""
    return _KEPT.get() is not None


def deciding_on_host() -> None:
    """Say that something is decided on the host now which no replay would decide anew.

    Raises:
        NotReplayable: If it is being recorded.
    """
    kept = _KEPT.get()
    if kept and kept.recording:
        raise NotReplayable("something was decided on the host")


class StaticDraws:
    """The draws of some work that is done again and again, in the order in which it asks for them.

    Attributes:
        recording: Whether tensors are handed out without anything being drawn.
    """

    def __init__(self) -> None:
        self.recording = False
        self._kept: list[tuple[Tensor, Draw]] = []
        self._taken = 0

    @contextmanager
    def listing(self) -> Iterator[None]:
        """Draw whenever the work asks, and remember what it asked for."""
        self._kept = []
        with self._current():
            yield

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hand out the tensors of the last ``listing``, and draw nothing.

        Raises:
            NotReplayable: If other draws are asked for than then.
        """
        self._taken, self.recording = 0, True
        try:
            with self._current():
                yield
        finally:
            self.recording = False
        if self._taken != len(self._kept):
            raise NotReplayable("fewer numbers were drawn than in the step before")

    def renew(self) -> None:
        """Draw for the next replay, in the order of the ``listing``."""
        for tensor, draw in self._kept:
            tensor.copy_(draw(), non_blocking=True)  # see ``_sent``

    def take(self, draw: Draw, device: torch.device, dtype: torch.dtype) -> Tensor:
        """A draw's tensor; see ``drawn``."""
        if not self.recording:
            self._kept.append((_sent(draw(), device, dtype), draw))
            return self._kept[-1][0]
        if self._taken == len(self._kept):
            raise NotReplayable("more numbers were drawn than in the step before")
        self._taken += 1
        return self._kept[self._taken - 1][0]

    @contextmanager
    def _current(self) -> Iterator[None]:
        token = _KEPT.set(self)
        try:
            yield
        finally:
            _KEPT.reset(token)


_KEPT: ContextVar[StaticDraws | None] = ContextVar("static draws", default=None)


def _sent(drawn: Tensor, device: torch.device, dtype: torch.dtype) -> Tensor:
    # A blocking copy would wait for all that the device has still to do. This one is safe: CUDA
    # has read memory that is not pinned before the call returns.
    return drawn.to(device, dtype, non_blocking=device.type == "cuda")
