"""Where training is, and the chance of each of its samples."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from cyclekit.engine.draws import drawn
from cyclekit.randomness import torch_generator

Batch = Mapping[str, Tensor]


@dataclass
class Step:
    """Where training is, for everything that depends on it.

    Attributes:
        index: Steps done before this one.
        seed: The run's.
        positions: Position of each of this batch's samples in the step's global batch.
        carried: What one phase leaves for a later one (the fakes); cleared with the step.
        valid: Masks, by stream: where the samples of a stream with gaps hold a value.
    """

    index: int
    seed: int
    positions: Sequence[int]
    carried: dict[str, Tensor] = field(default_factory=dict)
    valid: dict[str, Tensor] = field(default_factory=dict)

    def normal(self, like: Tensor, *words: str, shape: Sequence[int] | None = None) -> Tensor:
        """Gaussian noise for each sample of a batch, from (seed, step, position).

        Args:
            like: ``(batch, ...)``, whose type and device the noise gets.
            words: What it is for; other words, other noise.
            shape: Of one sample's noise; default: ``like``'s.

        Returns:
            ``(batch, *shape)``.
        """
        each = like.shape[1:] if shape is None else torch.Size(shape)
        return self._draw(torch.randn, each, like, words)

    def uniform(self, like: Tensor, *words: str) -> Tensor:
        """One number in 0..1 for each sample of a batch: ``(batch,)``."""
        return self._draw(torch.rand, torch.Size(()), like, words)

    def uniforms(self, like: Tensor, count: int, *words: str) -> Tensor:
        """Numbers in 0..1 for each sample, never in half precision: ``(batch, count)``."""
        return self._draw(torch.rand, torch.Size((count,)), like, words, full=True)

    def _draw(
        self,
        draw: Any,
        shape: torch.Size,
        like: Tensor,
        words: tuple[str, ...],
        full: bool = False,
    ) -> Tensor:
        dtype = torch.float64 if like.dtype == torch.float64 else torch.float32

        def draws() -> Tensor:
            return torch.stack(
                [
                    draw(
                        shape,
                        generator=torch_generator(self.seed, self.index, position, *words),
                        dtype=dtype,
                    )
                    for position in self.positions
                ]
            )

        return drawn(draws, like.device, dtype if full else like.dtype)
