"""Which precision a device is fast in: asked of torch and oneDNN, measured where they don't say."""

import time
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch.nn.functional import conv2d

from cyclekit.engine.fabric import gather
from cyclekit.engine.lightning import Fabric
from cyclekit.recipe.precision import AUTO

FP32, BF16, FP16 = "32-true", "bf16-mixed", "16-mixed"
BF16_SINCE = (8, 0)  # CUDA's compute capability
ROUNDS = 4  # of a measurement, after one to warm up
WORTH = 0.9  # bf16 is fast where it takes at most this share of float32's time


@dataclass(frozen=True)
class Arithmetic:
    """A precision for one device.

    Attributes:
        precision: As Fabric names it; never ``auto``.
        reason: Why it is this one; empty where it is what was asked for.
    """

    precision: str
    reason: str = ""

    def __str__(self) -> str:
        return f"{self.precision} ({self.reason})" if self.reason else self.precision


def choose_arithmetic(asked: str, device: torch.device) -> Arithmetic:
    """The precision that was asked for, or what ``auto`` means on a device.

    ``auto`` is bf16-mixed where the device is fast in it, and 32-true elsewhere.

    Args:
        asked: One of ``PRECISIONS``.
        device: Where to compute.
    """
    if asked == AUTO:
        fast, reason = _bf16(device)
        return Arithmetic(BF16 if fast else FP32, f"auto: {reason}")
    if asked == FP16 and device.type == "cpu":
        return Arithmetic(BF16, "CPUs have no 16-mixed")
    return Arithmetic(asked)


def own_arithmetic(made_with: str, device: torch.device) -> Arithmetic:
    """The precision to use a trained network in: the run's own, float32 where that is slow.

    Args:
        made_with: The run's precision.
        device: Where to compute.
    """
    own = choose_arithmetic(made_with, device)
    if own.precision != BF16:
        return own
    fast, reason = _bf16(device)
    return own if fast else Arithmetic(FP32, f"the run's {BF16} is slow here: {reason}")


def agree(fabric: Fabric, own: Arithmetic) -> Arithmetic:
    """One precision for all ranks: what they chose alike, else 32-true; every rank must call it."""
    everybodys = gather(fabric, own)
    if len({chosen.precision for chosen in everybodys}) == 1:
        chosen = own
    else:
        chosen = Arithmetic(FP32, "the ranks' devices are fast in different precisions")
    agreed: Arithmetic = fabric.broadcast(chosen)
    return agreed


def slowdown(precision: str, device: torch.device) -> float:
    """How many times as long as float32 a precision takes; 0 where it is not known to take longer.

    Where a device imitates bf16 measuring it takes a second or two.
    """
    if precision != BF16 or device.type not in ("cpu", "cuda") or _bf16(device)[0]:
        return 0.0
    share = _measured(device)
    return share if share > 1 / WORTH else 0.0


def _bf16(device: torch.device) -> tuple[bool, str]:
    """Whether a device is faster in bf16 than in float32, and how that is known."""
    if device.type == "cuda":
        capability = torch.cuda.get_device_capability(device)
        name = f"{torch.cuda.get_device_name(device)}, capability {capability[0]}.{capability[1]}"
        return capability >= BF16_SINCE, name
    if device.type != "cpu":
        return False, f"bf16 was never tried on {device.type}"
    if not _onednn_has_bf16():
        return False, "this CPU has no bf16 units that torch can use"
    # Units say little: vectors of bf16 are twice as fast as float32's on some CPUs and slower on
    # others, a system may keep AMX from its programs, and AVX-512 alone is said to have bf16, too.
    share = _measured(device)
    return share <= WORTH, f"bf16 was measured to take {share:.2g} of float32's time on this CPU"


def _onednn_has_bf16() -> bool:
    """Whether oneDNN, which computes convolutions, takes bf16 without widening it by itself."""
    asked = getattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", None)
    onednn: Any = torch.backends.mkldnn
    return bool(asked is not None and onednn.is_available() and onednn.enabled and asked())


@cache
def _measured(device: torch.device) -> float:
    """The time of two convolutions and their gradients in bf16, as a share of float32's."""
    rng = torch.Generator(device).manual_seed(0)  # leaves everybody else's draws alone
    with torch.inference_mode(False), torch.enable_grad():
        x, weight = (
            torch.randn(shape, device=device, generator=rng).requires_grad_()
            for shape in ((4, 64, 32, 32), (64, 64, 3, 3))
        )

        def seconds(mixed: bool) -> float:
            start = time.perf_counter()
            with torch.autocast(device.type, torch.bfloat16, enabled=mixed):
                made = conv2d(conv2d(x, weight, padding=1), weight, padding=1)
            made.backward(torch.ones_like(made))  # type: ignore[no-untyped-call]
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            return time.perf_counter() - start

        rounds = [(seconds(True), seconds(False)) for _ in range(ROUNDS + 1)][1:]
    # Taken in turns, and the shortest of each: whatever else the machine does only adds to them.
    return min(mixed for mixed, _ in rounds) / min(full for _, full in rounds)
