"""Where a step's time goes: its phases, waiting for data; and how much is computed in it."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.functional import conv2d
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

DATA = "data"
ROUNDS = 3  # of a measurement, after one to warm up


@dataclass(frozen=True)
class Spent:
    """What the steps since the last look took, on average.

    Attributes:
        seconds: For data, which the step waited for, and for each phase; a phase that is not due in
            each step has its share.
        flop: Floating-point operations of convolutions and matrix products in a step, gradients and
            what is computed again for them included; 0 where they could not be counted.
    """

    seconds: Mapping[str, float]
    flop: float

    @property
    def per_second(self) -> float:
        """Operations per second of the phases."""
        busy = sum(seconds for name, seconds in self.seconds.items() if name != DATA)
        return self.flop / busy if busy else 0.0


class Account:
    """Keeps the account of steps on one device, without waiting for it.

    Args:
        device: Where networks compute.
        counts: Whether operations are counted, which those of compiled networks cannot be.
    """

    def __init__(self, device: torch.device, counts: bool = True) -> None:
        self._timer = CudaTimer(device) if device.type == "cuda" else HostTimer()
        self._waiting = HostTimer()
        self._counts = counts
        self._flop: dict[str, int] = {}
        self._times: dict[str, int] = {}  # that each was measured since the last look
        self._begun: set[str] = set()

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """A step's data is drawn or waited for."""
        self._times[DATA] = self._times.get(DATA, 0) + 1
        with self._waiting.measuring(DATA):
            yield

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """A step's phase. The second one of each name is counted: in the first one much happens
        that never does again."""
        counter = CountedWork() if self._is_to_count(name) else None
        self._begun.add(name)
        self._times[name] = self._times.get(name, 0) + 1
        working: AbstractContextManager[Any] = counter or nullcontext()
        with self._timer.measuring(name), working:
            yield
        if counter:
            self._flop[name] = counter.flop

    def read(self) -> Spent | None:
        """What was spent since the last look, and a fresh start; ``None`` if there was no step."""
        seconds = self._waiting.read() | self._timer.read()
        times, self._times = self._times, {}
        if not (steps := times.pop(DATA, 0)):
            return None
        known = self._counts and times.keys() <= self._flop.keys()
        flop = sum(self._flop[name] * count for name, count in times.items()) if known else 0
        return Spent({name: all / steps for name, all in seconds.items()}, flop / steps)

    def _is_to_count(self, name: str) -> bool:
        return self._counts and name in self._begun and name not in self._flop


class HostTimer:
    """Seconds by name, by the clock of this process."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}

    @contextmanager
    def measuring(self, name: str) -> Iterator[None]:
        """What is done inside is added up under a name."""
        begun = time.perf_counter()
        yield
        self._seconds[name] = self._seconds.get(name, 0.0) + time.perf_counter() - begun

    def read(self) -> dict[str, float]:
        """The sums since the last look, and a fresh start."""
        seconds, self._seconds = self._seconds, {}
        return seconds


class CudaTimer:
    """The same by the clock of a GPU, which works while this process is further already."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._events: list[tuple[str, torch.cuda.Event, torch.cuda.Event]] = []

    @contextmanager
    def measuring(self, name: str) -> Iterator[None]:
        """As of a ``HostTimer``."""
        with torch.cuda.device(self._device):
            begun, ended = (_event() for _ in range(2))
            begun.record()
            yield
            ended.record()
        self._events.append((name, begun, ended))

    def read(self) -> dict[str, float]:
        """As of a ``HostTimer``; waits for the GPU."""
        events, self._events = self._events, []
        seconds: dict[str, float] = {}
        for name, begun, ended in events:
            ended.synchronize()
            seconds[name] = seconds.get(name, 0.0) + begun.elapsed_time(ended) / 1000
        return seconds


def _event() -> torch.cuda.Event:
    return torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]


class CountedWork(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the operations of convolutions and matrix products, by torch's own formulas.

    Attributes:
        flop: Two for each product that is added.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.flop = 0

    def __torch_dispatch__(
        self, operator: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """Run an operator as it is, and count it."""
        out = operator(*args, **(kwargs or {}))
        formula: Callable[..., int] | None = flop_registry.get(operator._overloadpacket)
        if formula:
            self.flop += formula(*args, **(kwargs or {}), out_val=out)
        return out


def convolution_speed(device: torch.device, precision: str) -> float:
    """Operations per second that one large convolution reaches on a device: what is there to have.

    Takes some tens of milliseconds, and draws nothing.

    Args:
        device: Where to compute.
        precision: The training's, as Fabric names it.
    """
    large = device.type == "cuda"
    batch, width, side = (16, 256, 64) if large else (4, 64, 32)
    mixed = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}.get(precision)
    dtype = mixed or (torch.float64 if precision.startswith("64") else torch.float32)
    layout = torch.channels_last if large else torch.contiguous_format
    with torch.inference_mode():
        x, weight = (
            torch.ones(shape, device=device, dtype=dtype).contiguous(memory_format=layout)
            for shape in ((batch, width, side, side), (width, width, 3, 3))
        )

        def seconds() -> float:
            timer = CudaTimer(device) if large else HostTimer()
            with timer.measuring(""):
                conv2d(x, weight, padding=1)
            return timer.read()[""]

        best = min([seconds() for _ in range(ROUNDS + 1)][1:])
    return 2 * batch * side**2 * width**2 * 9 / best
