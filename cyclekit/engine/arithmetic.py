"""Which precision a device is fast in: asked of torch and oneDNN, measured where they don't say."""

import os
import time
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch.nn.functional import conv2d

from cyclekit.recipe.precision import AUTO

FULL, BF16, FP16 = "32-true", "bf16-mixed", "16-mixed"
BF16_SINCE = (8, 0)  # CUDA's compute capability
LIMITS = ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA")  # a user's limit on what oneDNN may use
ROUNDS = 4  # of a measurement, after one to warm up
WORTH = 0.9  # bf16 is worth choosing where it takes at most this share of float32's time


@dataclass(frozen=True)
class Arithmetic:
    """A precision for one device.

    Attributes:
        precision: As Fabric names it; never ``auto``.
        reason: Why it is this one; empty where it is what was asked for.
        slowdown: How many times as long as float32 it takes; 0 where nothing is known against it.
    """

    precision: str
    reason: str = ""
    slowdown: float = 0.0

    def __str__(self) -> str:
        return f"{self.precision} ({self.reason})" if self.reason else self.precision


def choose_arithmetic(asked: str, device: torch.device) -> Arithmetic:
    """The precision that was asked for, or what ``auto`` means on a device.

    ``auto`` is bf16-mixed where the device is faster in it, and 32-true elsewhere.

    Args:
        asked: One of ``PRECISIONS``.
        device: Where to compute.
    """
    if asked == AUTO:
        fast, reason = _bf16(device)
        return Arithmetic(BF16 if fast else FULL, f"auto: {reason}")
    if asked == FP16 and device.type == "cpu":
        return Arithmetic(BF16, "CPUs have no 16-mixed", _slowdown(device))
    return Arithmetic(asked, slowdown=_slowdown(device) if asked == BF16 else 0.0)


def own_arithmetic(made_with: str, device: torch.device) -> Arithmetic:
    """The precision to use a trained network in: the run's own, float32 where that is slow.

    Args:
        made_with: The run's precision.
        device: Where to compute.
    """
    own = choose_arithmetic(made_with, device)
    if not own.slowdown:
        return own
    return Arithmetic(FULL, f"{own.precision} takes {own.slowdown:.2g} times as long here")


def _slowdown(device: torch.device) -> float:
    """How many times as long as float32 bf16 takes; 0 where it is not known to take longer."""
    fast, _ = _bf16(device)
    if fast or device.type not in ("cpu", "cuda"):
        return 0.0
    share = _measured(device)
    return share if share > 1 else 0.0


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
    if _has_amx():
        return True, "this CPU has AMX"
    # Vectors of bf16 are twice as fast as float32's on some CPUs, slower on others; and oneDNN says
    # that it has bf16 where it only imitates it.
    share = _measured(device)
    return share <= WORTH, f"bf16 was measured to take {share:.2g} of float32's time on this CPU"


def _onednn_has_bf16() -> bool:
    """Whether oneDNN, which computes convolutions, takes bf16 without widening it by itself."""
    asked = getattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", None)
    onednn: Any = torch.backends.mkldnn
    return bool(asked is not None and onednn.is_available() and onednn.enabled and asked())


def _has_amx() -> bool:
    """Whether there are matrix units, and nobody forbade oneDNN to use them."""
    asked = getattr(torch.cpu, "_is_amx_tile_supported", None)
    free = all(os.environ.get(limit, "ALL") in ("ALL", "DEFAULT") for limit in LIMITS)
    return asked is not None and free and bool(asked())


@cache
def _measured(device: torch.device) -> float:
    """The time of two convolutions and their gradients in bf16, as a share of float32's."""
    x = torch.randn(4, 64, 32, 32, device=device, requires_grad=True)
    weight = torch.randn(64, 64, 3, 3, device=device, requires_grad=True)

    def seconds(mixed: bool) -> float:
        start = time.perf_counter()
        with torch.autocast(device.type, torch.bfloat16, enabled=mixed):
            made = conv2d(conv2d(x, weight, padding=1), weight, padding=1)
        made.backward(torch.ones_like(made))  # type: ignore[no-untyped-call]
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return time.perf_counter() - start

    # Taken in turns, and the shortest of each: whatever else the machine does only adds to them.
    rounds = [(seconds(True), seconds(False)) for _ in range(ROUNDS + 1)][1:]
    return min(mixed for mixed, _ in rounds) / min(full for _, full in rounds)
