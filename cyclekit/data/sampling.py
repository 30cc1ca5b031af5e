"""Batches, addressed by step: nothing to save, nothing that depends on the ranks."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cyclekit.contract.codec import Codec
from cyclekit.contract.declarations import Stream
from cyclekit.data.windows import StreamWindows, Window
from cyclekit.describe import describe_exception
from cyclekit.errors import DataError, PluginError
from cyclekit.names import heading
from cyclekit.randomness import numpy_generator, torch_generator

Sampled = tuple[str, Tensor]
Labels = Callable[[str, int], Sequence[float]]
"""What is said about the window of a stream at a place."""
Drawn = dict[str, "list[Sampled | Future[Sampled]]"]


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


class Batches:
    """Draws streams and augments every sample from (seed, step, position).

    Args:
        codec: Augments windows and turns them into what networks see.
        windows: What each stream draws from.
        streams: What the objective says of them; those that it does not speak of are drawn by
            themselves. One that is drawn with another has as many windows, its counterparts.
        seed: The run's.
        batch_size: Samples of each entry per rank and micro-batch.
        accumulate: Micro-batches in a step.
        ranks: How many processes share a step.
        rank: Which of them this is.
        workers: Threads that read and augment the next micro-batch while this one is trained on.
            0: it is drawn when it is asked for. What is drawn is the same.
        labels: What labels say; default: of which domain a window is.
    """

    def __init__(
        self,
        codec: Codec[Any],
        windows: Mapping[str, Sequence[Window]],
        streams: Mapping[str, Stream] | None = None,
        *,
        seed: int,
        batch_size: int,
        accumulate: int = 1,
        ranks: int = 1,
        rank: int = 0,
        workers: int = 0,
        labels: Labels | None = None,
    ) -> None:
        self._codec = codec
        self._windows = windows
        stated = streams or {}
        self._leaders = {
            name: (name in stated and stated[name].drawn_with) or name for name in windows
        }
        self._stated = stated
        self._label = labels or self._own_domain
        self._seed = seed
        self._batch_size = batch_size
        self._ranks = ranks
        self._rank = rank
        self._accumulate = accumulate
        self._pool = ThreadPoolExecutor(workers, "drawing") if workers else None
        self._ahead: dict[tuple[int, int], Drawn] = {}
        self.global_batch = batch_size * accumulate * ranks
        self._orders = {
            name: Order(len(windows[leader]), self.global_batch, seed, leader)
            for name, leader in self._leaders.items()
        }
        self._targets = {
            name: Order(len(windows[name]), self.global_batch, seed, name, "target")
            for name, stream in stated.items()
            if stream.target
        }
        for name, held in windows.items():
            if not held:
                raise DataError(f"There is nothing to draw {name!r} from: no usable files.")

    def positions(self, micro: int) -> range:
        """Places in the global batch that this rank's micro-batch takes."""
        first = (micro * self._ranks + self._rank) * self._batch_size
        return range(first, first + self._batch_size)

    def batch(self, step: int, micro: int, device: torch.device) -> dict[str, Tensor]:
        """One micro-batch: each entry ``(batch_size, channels, *sizes)`` as networks see it, and
        the labels that streams have."""
        if self._pool is None:
            return self.draw(step, self.positions(micro), device)
        positions = self.positions(micro)
        drawn = self._ahead.pop((step, micro), None) or self._start(step, positions)
        after = divmod(step * self._accumulate + micro + 1, self._accumulate)
        self._ahead = {after: self._start(after[0], self.positions(after[1]))}
        return self._finish(drawn, step, positions, device)

    def draw(self, step: int, positions: Sequence[int], device: torch.device) -> dict[str, Tensor]:
        """What a step shows at some positions of its global batch, on whatever rank they are."""
        return self._finish(self._start(step, positions), step, positions, device)

    def window(self, name: str, step: int, position: int) -> int:
        """Which of a stream's windows a step shows at a position."""
        return self._orders[name](step, position)

    def shape(self, name: str, index: int) -> tuple[int, ...]:
        """Of one of a stream's windows, as it is put into a batch."""
        return tuple(self._sample(name, index, 0, 0)[1].shape)

    def _start(self, step: int, positions: Sequence[int]) -> "Drawn":
        """Each stream's samples, or what will be them."""
        return {
            name: [
                self._pool.submit(self._sample, name, order(step, position), step, position)
                if self._pool
                else self._sample(name, order(step, position), step, position)
                for position in positions
            ]
            for name, order in self._orders.items()
        }

    def _sample(self, name: str, index: int, step: int, position: int) -> Sampled:
        """A window's domain, and the window augmented."""
        window = self._windows[name][index]
        leader = self._leaders[name]
        rng = torch_generator("augment", self._seed, step, position, leader)
        return window.domain, self._augment(window, rng)

    def _finish(
        self, drawn: "Drawn", step: int, positions: Sequence[int], device: torch.device
    ) -> dict[str, Tensor]:
        batch, labels = {}, {}
        for name, found in drawn.items():
            samples = [one.result() if isinstance(one, Future) else one for one in found]
            batch[name] = self._joined(name, samples, device)
            stream = self._stated.get(name)
            orders: dict[str, Order] = {}
            if stream and stream.label:
                orders[stream.label] = self._orders[name]
            if stream and stream.target:
                orders[stream.target] = self._targets[name]
            for entry, order in orders.items():
                told = [self._label(name, order(step, position)) for position in positions]
                labels[entry] = torch.tensor(told).to(device, batch[name].dtype)
        return batch | labels

    def _own_domain(self, name: str, index: int) -> list[float]:
        """1 at the domain that a window is of, which need not be read for it."""
        windows = self._windows[name]
        if isinstance(windows, StreamWindows):
            domain, _ = windows.origin(index)
        else:
            domain = windows[index].domain
        return [float(domain == each) for each in self._stated[name].domains]

    def _joined(self, name: str, samples: Sequence[Sampled], device: torch.device) -> Tensor:
        """A stream's samples as one batch, as networks see them."""
        self._require_one_shape([tensor for _, tensor in samples], name)
        domains = {domain for domain, _ in samples}
        if len(domains) == 1:
            together = torch.stack([tensor for _, tensor in samples])
            if device.type == "cuda":
                together = together.pin_memory()  # else the copy waits for the device
            return self._codec.to_network(together.to(device, non_blocking=True), domains.pop())
        return torch.cat(
            [self._codec.to_network(tensor[None].to(device), domain) for domain, tensor in samples]
        )

    def _augment(self, window: Window, rng: torch.Generator) -> Tensor:
        try:
            return self._codec.augment(window.sample.tensor, window.domain, rng)
        except Exception as error:
            raise PluginError(
                f"{type(self._codec).__name__}.augment failed on a sample of domain "
                f"{heading(window.domain)} of shape {tuple(window.sample.tensor.shape)}: "
                f"{describe_exception(error)}"
            ) from error

    def _require_one_shape(self, tensors: Sequence[Tensor], name: str) -> None:
        shapes = sorted({tuple(tensor.shape) for tensor in tensors})
        if len(shapes) > 1:
            raise DataError(
                f"A batch needs samples of one size, but {heading(name)} gave {shapes[0]} and "
                f"{shapes[1]}. Crop or resize in the codec, or set train.batch_size to 1."
            )
