"""Whole items through a trained network: pad, run, crop, decode."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from cyclekit.contract import Sample, common_multiple
from cyclekit.data.encoded import encode_file, guarded
from cyclekit.engine.model import Model
from cyclekit.engine.objective import Direction
from cyclekit.engine.padding import crop_to, pad_to_multiple
from cyclekit.errors import BadSample


class Translator:
    """Translates tensors, items and files in any of a model's directions.

    Args:
        model: Codec and objective.
        networks: Weights to use: the trained ones or their moving average, not wrapped.
        fabric: Says where and in which precision.
        batch_size: Samples of one size that go through the network together.
    """

    def __init__(
        self, model: Model, networks: Mapping[str, nn.Module], fabric: Fabric, batch_size: int = 1
    ) -> None:
        self._codec = model.codec
        self._objective = model.objective
        self._networks = networks
        self._fabric = fabric
        self._batch_size = batch_size
        self._specs = model.objective.specs

    def samples(self, samples: Sequence[Sample], direction: Direction) -> list[Tensor]:
        """Translate encoded samples of any sizes; tensors come back in their order and sizes."""
        done: dict[int, Tensor] = {}
        for indices in _alike(samples, self._batch_size):
            together = torch.stack([samples[index].tensor for index in indices])
            for index, tensor in zip(indices, self._run(together, direction), strict=True):
                done[index] = tensor
        return [done[index] for index in range(len(samples))]

    def items(
        self, items: Sequence[Any], direction: Direction, files: Sequence[Path] | None = None
    ) -> list[Any]:
        """Translate items, such as PIL pictures; ``files`` are named where the codec fails."""
        named = files or [Path("item")] * len(items)
        samples = [
            guarded(self._codec, "encode", file, item, direction.source)
            for item, file in zip(items, named, strict=True)
        ]
        return self._decoded(samples, direction, named)

    def files(
        self, files: Iterable[Path], direction: Direction
    ) -> Iterator[tuple[Path, Any | BadSample]]:
        """Translate files a batch at a time; a bad one yields ``BadSample`` for an item."""
        waiting = iter(files)
        while chunk := list(islice(waiting, self._batch_size)):
            read: dict[Path, Sample | BadSample] = {}
            for file in chunk:
                try:
                    read[file] = encode_file(self._codec, file, direction.source)
                except BadSample as error:
                    read[file] = error
            good = {file: sample for file, sample in read.items() if isinstance(sample, Sample)}
            items = self._decoded(list(good.values()), direction, list(good))
            translated = dict(zip(good, items, strict=True))
            for file in chunk:
                outcome = read[file]
                yield file, outcome if isinstance(outcome, BadSample) else translated[file]

    def _decoded(
        self, samples: Sequence[Sample], direction: Direction, files: Sequence[Path]
    ) -> list[Any]:
        tensors = self.samples(samples, direction)
        return [
            guarded(self._codec, "decode", file, tensor, direction.target, sample.meta)
            for tensor, sample, file in zip(tensors, samples, files, strict=True)
        ]

    @torch.no_grad()
    def _run(self, batch: Tensor, direction: Direction) -> Tensor:
        """``(batch, channels, *sizes)`` as encoded -> the same sizes, ready to be decoded."""
        network = self._networks[direction.network]
        x = self._codec.to_network(batch.to(self._fabric.device), direction.source)
        x = x.to(next(network.parameters()).dtype)
        sizes = tuple(x.shape[2:])
        multiples = common_multiple(self._specs[direction.source], network)
        with evaluating(network), self._fabric.autocast():
            out = self._objective.translate(
                self._networks, pad_to_multiple(x, multiples), direction
            )
        out = crop_to(out.float(), sizes)
        return self._codec.from_network(out, direction.target).cpu()


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Put a network into evaluation mode for a while."""
    training = network.training
    network.eval()
    try:
        yield
    finally:
        network.train(training)


def _alike(samples: Sequence[Sample], most: int) -> Iterator[list[int]]:
    """Indices of samples of one shape, at most ``most`` together."""
    by_shape: dict[tuple[int, ...], list[int]] = {}
    for index, sample in enumerate(samples):
        by_shape.setdefault(tuple(sample.tensor.shape), []).append(index)
    for indices in by_shape.values():
        for start in range(0, len(indices), most):
            yield indices[start : start + most]
