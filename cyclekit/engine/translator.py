"""Whole items through a trained network: pad, tile, run, join, crop, decode."""

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from cyclekit.contract import Sample, common_multiple
from cyclekit.data.encoded import encode_file, guarded
from cyclekit.engine.model import Model
from cyclekit.engine.objective import Direction
from cyclekit.engine.padding import crop_to, least_multiples, pad_to_multiple
from cyclekit.engine.tiling import Joiner, Tiling
from cyclekit.errors import BadSample

OVERLAP = 8  # share of a tile that neighbours have in common, where any length will do

Thing = TypeVar("Thing")


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
        self._codec.device = fabric.device
        self._objective = model.objective
        self._networks = networks
        self._fabric = fabric
        self._batch_size = batch_size
        self._specs = model.objective.specs

    def samples(self, samples: Sequence[Sample], direction: Direction) -> list[Tensor]:
        """Translate encoded samples of any sizes; tensors come back in their order and sizes."""
        wholes = [self._prepared(sample.tensor, direction) for sample in samples]
        padded = [self._padded(whole, direction) for whole in wholes]
        tilings = [self._tiling(whole, direction) for whole in padded]
        channels = self._specs[direction.target].channels
        joined = [Joiner(tiling, channels) for tiling in tilings]
        places = [(index, offsets) for index, tiling in enumerate(tilings) for offsets in tiling]
        for batch in _alike(places, self._batch_size, lambda place: tilings[place[0]].tile):
            tiles = [tilings[index].cut(padded[index], offsets) for index, offsets in batch]
            for (index, offsets), tile in zip(batch, self._run(tiles, direction), strict=True):
                joined[index].add(tile, offsets)
        return [
            self._finished(joiner.whole(), whole.shape[1:], direction)
            for joiner, whole in zip(joined, wholes, strict=True)
        ]

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

    def _prepared(self, tensor: Tensor, direction: Direction) -> Tensor:
        """One whole sample as networks see it."""
        x = self._codec.to_network(tensor[None], direction.source)[0]
        return x.nan_to_num(nan=0.0) if self._specs[direction.source].gaps else x

    def _padded(self, whole: Tensor, direction: Direction) -> Tensor:
        """``(channels, *sizes)``, mirrored at its ends until codec and network can take it."""
        spec = self._specs[direction.source]
        network = self._networks[direction.network]
        return pad_to_multiple(
            whole[None],
            common_multiple(spec, network),
            least=spec.sizes,
            fewest=least_multiples(network),
        )[0]

    def _tiling(self, whole: Tensor, direction: Direction) -> Tiling:
        """One tile for the whole, except on axes of which networks see only so much."""
        sizes = tuple(whole.shape[1:])
        spec = self._specs[direction.source]
        tile, overlap = [], []
        for length, fixed, most in zip(sizes, spec.sizes, spec.tiles or spec.sizes, strict=True):
            tile.append(fixed or min(length, most or length))
            overlap.append(0 if fixed or tile[-1] == length else tile[-1] // OVERLAP)
        return Tiling(sizes, tuple(tile), tuple(overlap))

    @torch.no_grad()
    def _run(self, tiles: Sequence[Tensor], direction: Direction) -> Tensor:
        """Tiles of one size -> ``(tiles, channels, *sizes)`` float32 on the CPU."""
        network = self._networks[direction.network]
        dtype = next(network.parameters()).dtype
        batch = torch.stack(list(tiles)).to(self._fabric.device, dtype)
        with evaluating(network), self._fabric.autocast():
            return self._objective.translate(self._networks, batch, direction).float().cpu()

    def _finished(self, whole: Tensor, sizes: Sequence[int], direction: Direction) -> Tensor:
        """A network's output cut to its sample's size, ready to be decoded."""
        cut = crop_to(whole[None], tuple(sizes))
        return self._codec.from_network(cut, direction.target)[0]


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Put a network into evaluation mode for a while."""
    training = network.training
    network.eval()
    try:
        yield
    finally:
        network.train(training)


def _alike(
    things: Sequence[Thing], most: int, kind: Callable[[Thing], Hashable]
) -> Iterator[list[Thing]]:
    """Things of one kind together, at most ``most`` of them."""
    by_kind: dict[Hashable, list[Thing]] = {}
    for thing in things:
        by_kind.setdefault(kind(thing), []).append(thing)
    for alike in by_kind.values():
        for start in range(0, len(alike), most):
            yield alike[start : start + most]
