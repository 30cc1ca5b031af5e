"""The convolutions of a step, recorded and run bare: no step on this machine can be faster.

What is left out is everything else: norms, activations, losses, optimizers, Python.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only

FORWARD = torch.ops.aten.convolution.default
BACKWARD = torch.ops.aten.convolution_backward.default


@dataclass(frozen=True)
class Like:
    """What a tensor was, but for its numbers."""

    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: torch.dtype
    device: torch.device

    def drawn(self) -> Tensor:
        """Random numbers that lie in memory as the tensor's did."""
        last = sum((n - 1) * step for n, step in zip(self.shape, self.strides, strict=True))
        numbers = torch.randn(last + 1, dtype=self.dtype, device=self.device)
        return numbers.as_strided(self.shape, self.strides)


@dataclass(frozen=True)
class Call:
    """A convolution or its gradient: the operator and its arguments, tensors as ``Like``."""

    operator: Any
    arguments: tuple[Any, ...]


class _Recorder(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.calls: list[Call] = []

    def __torch_dispatch__(
        self, operator: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        if operator in (FORWARD, BACKWARD):
            self.calls.append(Call(operator, tree_map_only(Tensor, _like, args)))
        return operator(*args, **(kwargs or {}))


def record(step: Callable[[], object]) -> list[Call]:
    """Every convolution that ``step`` computes, and every gradient of one, in their order."""
    with _Recorder() as recorder:
        step()
    return recorder.calls


class Floor:
    """Recorded calls, ready to be run again on random tensors; equal ones share theirs."""

    def __init__(self, calls: list[Call]) -> None:
        drawn: dict[Like, Tensor] = {}

        def filled(like: Like) -> Tensor:
            if like not in drawn:
                drawn[like] = like.drawn()
            return drawn[like]

        self._calls = [(c.operator, tree_map_only(Like, filled, c.arguments)) for c in calls]

    @torch.no_grad()
    def run(self) -> None:
        for operator, arguments in self._calls:
            operator(*arguments)


def _like(x: Tensor) -> Like:
    return Like(tuple(x.shape), x.stride(), x.dtype, x.device)
