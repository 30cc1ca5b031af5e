"""The buffer of earlier fakes (Shrivastava et al., arXiv 1612.07828, section 2.3)."""

from collections.abc import Sequence
from itertools import zip_longest
from typing import Any

import torch
from torch import Tensor

from cyclekit.engine.draws import deciding_on_host, drawn, draws_are_static
from cyclekit.randomness import torch_generator

NONE = -1  # in place of a place: the fake is shown as it is


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
        self._pool: Tensor | None = None  # what ``_stored`` are views of, where they are
        self._rng = torch_generator("history", *words)

    def __len__(self) -> int:
        return len(self._stored)

    def query(self, fakes: Tensor) -> Tensor:
        """Store and swap: ``(batch, ...)`` in, the samples to show out, detached."""
        fakes = fakes.detach()
        if self.size == 0:
            return fakes
        pool = self._pool if draws_are_static() else None
        if pool is not None and (pool.shape[1:], pool.dtype) == (fakes.shape[1:], fakes.dtype):
            return self._exchange_on_device(pool, fakes)
        deciding_on_host()
        return torch.stack([self._exchange(fake) for fake in fakes])

    def together(self) -> Tensor | None:
        """All stored fakes as one tensor, ``(size, ...)``, in which they stay from now on; ``None``
        while there is room left, or while they differ in size."""
        kinds = {(fake.shape, fake.dtype) for fake in self._stored} if self._pool is None else ()
        if len(kinds) == 1 and len(self._stored) == self.size:
            self._pool = torch.stack(self._stored)
            self._stored = list(self._pool.unbind())
        return self._pool

    def _exchange(self, fake: Tensor) -> Tensor:
        if len(self._stored) < self.size:
            self._stored.append(fake.clone())
            return fake
        place = self._choose()
        if place == NONE:
            return fake
        held = self._stored[place]
        if (held.shape, held.dtype) != (fake.shape, fake.dtype):  # from before windows were changed
            self._stored[place], self._pool = fake.clone(), None
            return fake
        shown = held.clone()
        held.copy_(fake)
        return shown

    def _exchange_on_device(self, pool: Tensor, fakes: Tensor) -> Tensor:
        """The same of a full buffer, with nothing that depends on the choices but numbers."""

        def choices() -> Tensor:
            return torch.tensor([self._choose() for _ in fakes])

        shown = []
        # One after the other: a fake may be swapped for one that the same batch has stored.
        for fake, place in zip(fakes, drawn(choices, fakes.device, torch.long), strict=True):
            swapped, at = place != NONE, place.clamp(min=0)[None]
            (held,) = pool.index_select(0, at)
            pool.index_copy_(0, at, torch.where(swapped, fake, held)[None])
            shown.append(torch.where(swapped, held, fake))
        return torch.stack(shown)

    def _choose(self) -> int:
        """The place of the stored fake that is shown, and replaced; or ``NONE``."""
        if torch.rand((), generator=self._rng) < 0.5:
            return NONE
        return int(torch.randint(self.size, (), generator=self._rng))

    def state_dict(self) -> dict[str, Any]:
        """The stored fakes, which may differ in size, and the state of the random choices."""
        stored = [sample.to("cpu", copy=True) for sample in self._stored]  # swaps write into them
        return {"stored": stored, "generator": self._rng.get_state()}

    def load_state_dict(self, state: dict[str, Any], device: torch.device) -> None:
        """Take back what ``state_dict`` returned, as much of it as there is room for.

        Raises:
            ValueError: If it holds no samples.
        """
        stored = state["stored"][: self.size]
        if not all(fake.is_floating_point() for fake in stored):
            raise ValueError("fakes are not stored as numbers")
        self._stored, self._pool = [sample.to(device, copy=True) for sample in stored], None
        self._rng.set_state(state["generator"])

    def redistributed(
        self, states: Sequence[dict[str, Any]], ranks: int, rank: int
    ) -> dict[str, Any]:
        """The state for one of ``ranks``, from those of another number of ranks."""
        layers = zip_longest(*(state["stored"] for state in states))
        pool = [fake for layer in layers for fake in layer if fake is not None]
        return {"stored": pool[rank::ranks][: self.size], "generator": self._rng.get_state()}
