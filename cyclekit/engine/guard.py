"""Keeps steps whose losses or gradients are no finite numbers from being taken."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from cyclekit.engine.lightning import Fabric
from cyclekit.errors import CyclekitError


@dataclass(frozen=True)
class Diverged:
    """The first step that was not finite.

    Attributes:
        step: Steps done before it.
        phase: The phase of it that came first.
        terms: What was not finite: terms of the loss, or the gradient.
    """

    step: int
    phase: str
    terms: list[str]


class NotFinite(CyclekitError):  # noqa: N818 - named for what happened
    """A loss or a gradient is no finite number."""

    def __init__(self, found: Diverged) -> None:
        terms = [term for term in found.terms if term != found.phase] or found.terms
        super().__init__(
            f"Training came apart at step {found.step + 1}, in the {found.phase} phase: no finite "
            f"number is {', '.join(terms)}. The optimizer's step was not taken."
        )
        self.found = found


class FiniteGuard:
    """Remembers, on the device, where training left the finite numbers.

    From that step on every optimizer step is withheld, so that the weights stay what they were
    before it. Nothing waits for the device until somebody asks.

    Args:
        fabric: Device and ranks; what happens on one rank holds for all.
    """

    def __init__(self, fabric: Fabric) -> None:
        self._fabric = fabric
        self.forget()

    def forget(self) -> None:
        """Let steps be taken again."""
        device = self._fabric.device
        self.withheld = torch.zeros((), dtype=torch.float32, device=device)
        self._step = torch.full((), -1, dtype=torch.int64, device=device)
        self._bad: dict[tuple[str, ...], Tensor] = {}

    def watch(self, step: int, phase: str, values: Mapping[str, Tensor]) -> Tensor:
        """Look at a phase's losses and gradient.

        Args:
            step: Steps done before this one.
            phase: Part of the step.
            values: Scalars by name, the same names on every rank.

        Returns:
            A scalar on the device: 1 if the phase's optimizer step must not be taken, else 0.
        """
        bad = torch.stack([~value.detach().isfinite().all() for value in values.values()])
        bad = bad.to(torch.float32)
        if self._fabric.world_size > 1:
            shared = self._fabric.all_reduce(bad, reduce_op="max")
            assert isinstance(shared, Tensor)
            bad = shared
        fresh = bad * (1 - self.withheld)
        found = fresh.amax()
        key = (phase, *values)  # terms come and go
        self._bad[key] = self._bad[key] + fresh if key in self._bad else fresh
        self._step = torch.where(found > 0, step, self._step)
        self.withheld = torch.maximum(self.withheld, found)
        return self.withheld

    def read(self) -> Diverged | None:
        """What was found so far; waits for the device."""
        if not self.withheld.item():
            return None
        for (phase, *names), bad in self._bad.items():
            terms = [name for name, count in zip(names, bad.tolist(), strict=True) if count]
            if terms:
                return Diverged(int(self._step.item()), phase, terms)
        raise AssertionError("steps are withheld for no phase")
