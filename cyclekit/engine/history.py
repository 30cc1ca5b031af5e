"""The buffer of earlier fakes (Shrivastava et al., arXiv 1612.07828, section 2.3)."""

from collections.abc import Sequence
from itertools import zip_longest
from typing import Any

import torch
from torch import Tensor

from cyclekit.randomness import torch_generator


class HistoryBuffer:
    """Shows a discriminator a mixture of new and stored fakes: the image pool of CycleGAN.

    Until the buffer is full each fake is stored and shown. From then on, sample by sample, one half
    of the fakes are shown as they are, the other half are swapped for a stored one.

    Args:
        size: Samples kept; 0 shows every fake as it is.
        words: What its random choices are derived from.
    """

    def __init__(self, size: int, *words: int | str) -> None:
        self.size = size
        self._stored: list[Tensor] = []
        self._rng = torch_generator("history", *words)

    def __len__(self) -> int:
        return len(self._stored)

    def query(self, fakes: Tensor) -> Tensor:
        """Store and swap: ``(batch, ...)`` in, the samples to show out, detached."""
        fakes = fakes.detach()
        if self.size == 0:
            return fakes
        return torch.stack([self._exchange(fake) for fake in fakes])

    def _exchange(self, fake: Tensor) -> Tensor:
        if len(self._stored) < self.size:
            self._stored.append(fake.clone())
            return fake
        if torch.rand((), generator=self._rng) < 0.5:
            return fake
        place = int(torch.randint(self.size, (), generator=self._rng))
        held = self._stored[place]
        if (held.shape, held.dtype) != (fake.shape, fake.dtype):  # from before windows were changed
            self._stored[place] = fake.clone()
            return fake
        shown, self._stored[place] = self._stored[place], fake.clone()
        return shown

    def state_dict(self) -> dict[str, Any]:
        """The stored fakes, which may differ in size, and the state of the random choices."""
        stored = [sample.cpu() for sample in self._stored]
        return {"stored": stored, "generator": self._rng.get_state()}

    def load_state_dict(self, state: dict[str, Any], device: torch.device) -> None:
        """Take back what ``state_dict`` returned, as much of it as there is room for.

        Raises:
            ValueError: If it holds no samples.
        """
        stored = state["stored"][: self.size]
        if not all(fake.is_floating_point() for fake in stored):
            raise ValueError("fakes are not stored as numbers")
        self._stored = [sample.to(device) for sample in stored]
        self._rng.set_state(state["generator"])

    def redistributed(
        self, states: Sequence[dict[str, Any]], ranks: int, rank: int
    ) -> dict[str, Any]:
        """The state for one of ``ranks``, from those of another number of ranks."""
        layers = zip_longest(*(state["stored"] for state in states))
        pool = [fake for layer in layers for fake in layer if fake is not None]
        return {"stored": pool[rank::ranks][: self.size], "generator": self._rng.get_state()}
