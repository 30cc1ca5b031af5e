"""Unpaired batches, addressed by step: nothing to save, nothing that depends on the ranks."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cyclekit.contract import Codec
from cyclekit.data.windows import Window
from cyclekit.errors import DataError, PluginError
from cyclekit.plugins import describe_exception
from cyclekit.randomness import numpy_generator, torch_generator


class Order:
    """Which item is drawn at each place of an endless stream of global batches.

    Items come in a new random order each epoch. No item comes twice in one global batch as long as
    there are enough: the rest of an epoch that would not fill a batch is left to the next order.
    """

    def __init__(self, length: int, global_batch: int, *words: int | str) -> None:
        self._length = length
        self._batch = global_batch
        self._words = words
        self._epoch = -1
        self._permutation: np.ndarray[Any, Any] = np.empty(0, dtype=np.int64)

    def __call__(self, step: int, position: int) -> int:
        """The item at ``position`` of the global batch of ``step``."""
        if self._length >= self._batch:
            epoch, place = divmod(step, self._length // self._batch)
            place = place * self._batch + position
        else:
            epoch, place = divmod(step * self._batch + position, self._length)
        if epoch != self._epoch:
            self._permutation = numpy_generator("order", *self._words, epoch).permutation(
                self._length
            )
            self._epoch = epoch
        return int(self._permutation[place])


class UnpairedBatches:
    """Draws each stream on its own and augments every sample from (seed, step, position).

    Args:
        codec: Augments windows and turns them into what networks see.
        streams: Entries of a batch, each with the windows it draws from.
        seed: The run's.
        batch_size: Samples of each entry per rank and micro-batch.
        accumulate: Micro-batches in a step.
        ranks: How many processes share a step.
        rank: Which of them this is.
    """

    def __init__(
        self,
        codec: Codec[Any],
        streams: Mapping[str, Sequence[Window]],
        *,
        seed: int,
        batch_size: int,
        accumulate: int = 1,
        ranks: int = 1,
        rank: int = 0,
    ) -> None:
        self._codec = codec
        self._streams = streams
        self._seed = seed
        self._batch_size = batch_size
        self._ranks = ranks
        self._rank = rank
        self.global_batch = batch_size * accumulate * ranks
        self._orders = {
            name: Order(len(windows), self.global_batch, seed, name)
            for name, windows in streams.items()
        }
        for name, windows in streams.items():
            if not windows:
                raise DataError(f"There is nothing to draw {name!r} from: no usable files.")

    def positions(self, micro: int) -> range:
        """Places in the global batch that this rank's micro-batch takes."""
        first = (micro * self._ranks + self._rank) * self._batch_size
        return range(first, first + self._batch_size)

    def batch(self, step: int, micro: int, device: torch.device) -> dict[str, Tensor]:
        """One micro-batch: each entry ``(batch_size, channels, *sizes)`` as networks see it."""
        return self.draw(step, self.positions(micro), device)

    def draw(self, step: int, positions: Sequence[int], device: torch.device) -> dict[str, Tensor]:
        """What a step shows at some positions of its global batch, on whatever rank they are."""
        return {name: self._draw(name, step, positions, device) for name in self._streams}

    def window(self, name: str, step: int, position: int) -> int:
        """Which of a stream's windows a step shows at a position."""
        return self._orders[name](step, position)

    def _draw(self, name: str, step: int, positions: Sequence[int], device: torch.device) -> Tensor:
        windows, tensors = [], []
        for position in positions:
            window = self._streams[name][self._orders[name](step, position)]
            rng = torch_generator("augment", self._seed, step, position, name)
            windows.append(window)
            tensors.append(self._augment(window, rng))
        domains = {window.domain for window in windows}
        self._require_one_shape(tensors, name)
        if len(domains) == 1:
            return self._codec.to_network(torch.stack(tensors).to(device), domains.pop())
        return torch.cat(
            [
                self._codec.to_network(tensor[None].to(device), window.domain)
                for tensor, window in zip(tensors, windows, strict=True)
            ]
        )

    def _augment(self, window: Window, rng: torch.Generator) -> Tensor:
        try:
            return self._codec.augment(window.sample.tensor, window.domain, rng)
        except Exception as error:
            raise PluginError(
                f"{type(self._codec).__name__}.augment failed on a sample of domain "
                f"{window.domain.upper()} of shape {tuple(window.sample.tensor.shape)}: "
                f"{describe_exception(error)}"
            ) from error

    def _require_one_shape(self, tensors: Sequence[Tensor], name: str) -> None:
        shapes = sorted({tuple(tensor.shape) for tensor in tensors})
        if len(shapes) > 1:
            raise DataError(
                f"A batch needs samples of one size, but {name.upper()} gave {shapes[0]} and "
                f"{shapes[1]}. Crop or resize in the codec, or set train.batch_size to 1."
            )
