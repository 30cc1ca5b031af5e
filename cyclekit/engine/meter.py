"""Means of losses over the steps since the last log line, kept on the device until read."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from cyclekit.engine.lightning import Fabric


class Meter:
    """Adds up scalars without waiting for the device."""

    def __init__(self) -> None:
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, int] = {}

    def add(self, terms: Mapping[str, Tensor]) -> None:
        """Count one more value of each term."""
        for name, value in terms.items():
            value = value.detach().float()
            self._sums[name] = self._sums[name] + value if name in self._sums else value
            self._counts[name] = self._counts.get(name, 0) + 1

    def means(self, fabric: Fabric) -> dict[str, float]:
        """The mean of each term over all ranks, and a fresh start."""
        if not self._sums:
            return {}
        names = list(self._sums)
        means = torch.stack([self._sums[name] / self._counts[name] for name in names])
        if fabric.world_size > 1:
            reduced = fabric.all_reduce(means, reduce_op="mean")
            assert isinstance(reduced, Tensor)
            means = reduced
        self._sums, self._counts = {}, {}
        return dict(zip(names, means.tolist(), strict=True))

    def state_dict(self) -> dict[str, Any]:
        """Sums and counts since the last log line."""
        return {
            "sums": {name: value.cpu() for name, value in self._sums.items()},
            "counts": dict(self._counts),
        }

    def load_state_dict(self, state: Mapping[str, Any], device: torch.device) -> None:
        """Take back what ``state_dict`` returned."""
        self._sums = {name: value.to(device) for name, value in state["sums"].items()}
        self._counts = dict(state["counts"])

    @staticmethod
    def joined(states: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """The state for each of another number of ranks: the mean over those there were."""
        names = states[0]["sums"]
        return {
            "sums": {
                name: torch.stack([s["sums"][name] for s in states]).mean(0) for name in names
            },
            "counts": dict(states[0]["counts"]),
        }
