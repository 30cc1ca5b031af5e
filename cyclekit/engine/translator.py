"""Whole items through a trained network: pad, tile, run, join, crop, decode."""

import copy
import math
import time
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from cyclekit.contract.tensors import Sample
from cyclekit.data.encoded import encode_file, guarded, load_file
from cyclekit.engine.declarations import Direction
from cyclekit.engine.item_codes import ItemCodes
from cyclekit.engine.lightning import Fabric
from cyclekit.engine.model import Model
from cyclekit.engine.objective import Objective
from cyclekit.engine.padding import crop_to
from cyclekit.engine.passes import Passes
from cyclekit.engine.sizing import Sizing
from cyclekit.engine.survey import windows_of, windows_of_many
from cyclekit.engine.tiling import Joiner, Tiling
from cyclekit.errors import BadSample, TooLarge, UsageError
from cyclekit.memory import available_memory, is_out_of_memory

POSITIONS_PER_PASS = 256 * 256  # positions; more would be no faster, and take more memory
SAMPLES_PER_PASS = 64  # however small they are

Thing = TypeVar("Thing")
Kind = TypeVar("Kind", bound=Hashable)


class Translator:
    """Translates tensors, items and files in any of a model's directions.

    Args:
        model: Codec and objective.
        networks: Weights to use: the trained ones or their moving average, not wrapped.
        fabric: Says where and in which precision.
        batch_size: Samples of one size that go through the network together. ``None``: as many as
            have ``POSITIONS_PER_PASS`` positions between them.
        seed: Latent codes follow from it, and from the names of what is translated.

    Attributes:
        sizing: What its networks demand of sizes.
        codes: Which code each item gets.
    """

    def __init__(
        self,
        model: Model,
        networks: Mapping[str, nn.Module],
        fabric: Fabric,
        batch_size: int | None = None,
        seed: int = 0,
    ) -> None:
        self.sizing = Sizing(model.objective.specs, networks)
        self.codes = ItemCodes(model.objective, model.table, seed)
        self._passes = Passes(model.objective, networks, fabric)
        self._codec = model.codec
        self._codec.device = fabric.device
        self._objective = model.objective
        self._batch_size = batch_size
        self._lacking = model.lacking
        self._most: int | None = None

    def bounded(self, positions: int) -> "Translator":
        """The same for strangers' files and items: larger ones are refused as ``TooLarge``.

        Args:
            positions: Pixels, frames times bands, or whatever an encoded item has.
        """
        other = self._changed()
        other._most = positions
        return other

    def seeded(self, seed: int) -> "Translator":
        """The same with latent codes that follow from another seed."""
        return self._changed(codes=replace(self.codes, seed=seed))

    def knowing(self, attributes: Mapping[str, bool]) -> "Translator":
        """The same where all that is translated has these attributes, and no others.

        Raises:
            UsageError: If the objective knows none of such a name.
        """
        return self._changed(codes=self.codes.knowing(attributes))

    def answering(self, answer: int) -> "Translator":
        """The same with further codes: where a direction takes some, each number gives another
        answer; 0 is the one that is given unasked."""
        return self._changed(codes=replace(self.codes, answer=answer))

    def like_file(self, file: Path, direction: Direction) -> "Translator":
        """``like``, of a file; raises as that and ``load_file`` do."""
        return self.like(load_file(self._codec, file, direction.target), direction, file)

    def like(
        self, example: Any, direction: Direction, file: Path = Path("example")
    ) -> "Translator":
        """The same with one code for all, the one that is found in an example.

        Args:
            example: An item of the direction's target.
            direction: Which way, and the only one that it is for.
            file: What is named where the codec fails.

        Raises:
            UsageError: If the direction takes no codes, or none can be found in an example.
            TooLarge: If it is larger than ``bounded`` allows.
        """
        self.require_codes_of(direction)
        sample = guarded(self._codec, "encode", file, example, direction.target)
        self._require_small(file, sample)
        seen = self._codec.to_network(sample.tensor[None], direction.target)[0]
        (code,) = self.codes_in([seen], direction)
        return self._changed(codes=self.codes.all_with(code, direction))

    def require_codes_of(self, direction: Direction) -> None:
        """Refuse directions for which no code can be found in an example.

        Raises:
            UsageError: Saying why.
        """
        kind = type(self._objective)
        if self._objective.code(direction) is None or self._objective.attributes:
            raise UsageError(
                f"{direction.name} has one answer for each input: its objective, "
                f"{self._objective.name!r}, has no codes there."
            )
        if kind.code_of is Objective.code_of:
            raise UsageError(
                f"Objective {self._objective.name!r} cannot find a code in an example "
                f"({kind.__name__} has no code_of)."
            )
        if lacking := sorted(self._lacking.intersection(direction.coding)):
            raise UsageError(
                f"No code can be found in an example: the weights of {' and '.join(lacking)} were "
                f"not imported."
            )

    def codes_in(self, tensors: Sequence[Tensor], direction: Direction) -> list[Tensor]:
        """The codes, ``(size,)``, with which a direction would have made samples of its target: of
        those that are larger than a tile, the means of their tiles'.

        Args:
            tensors: Each ``(channels, *sizes)``, as ``Codec.to_network`` made them.
            direction: One whose objective finds codes.
        """
        called = direction.coding or direction.networks
        finding = Direction(direction.target, direction.source, called)
        codes = []
        for tensor in tensors:
            whole, _ = self.sizing.fitted(tensor, finding)
            tiling, found = self.sizing.tiling(whole, finding), []
            places, most = list(tiling), self._at_once(tiling.tile)
            for start in range(0, len(places), most):
                tiles = [tiling.cut(whole, at) for at in places[start : start + most]]
                found.append(self._passes.find_codes(tiles, direction, finding))
            codes.append(torch.cat(found).mean(0))
        return codes

    def with_other(self, direction: Direction, run: Callable[..., Tensor]) -> "Translator":
        """The same with another's networks for one direction.

        Args:
            direction: Which.
            run: Float32 ``(batch, channels, *sizes)``, and ``(batch, size)`` where the direction
                takes a code, to the translations. Tiles it normalises each by itself.
        """
        return self._changed(passes=self._passes.with_other(direction, run))

    def held(self, items: Sequence[Any], direction: Direction, file: Path) -> "Translator":
        """The same with one set of instance statistics for all that it translates in a direction:
        those of these items together, which are spread over a sequence.

        Args:
            items: Some of the sequence.
            direction: Which way.
            file: What is named where the codec fails.
        """
        if not items or self.sizing.always_alike(direction):
            return self
        if not self._passes.normalizing(direction):
            return self
        wholes = []
        for item in items:
            sample = guarded(self._codec, "encode", file, item, direction.source)
            seen = self._codec.to_network(sample.tensor[None], direction.source)[0]
            wholes.append(self.sizing.fitted(seen, direction)[0])
        tiling = self.sizing.tiling(wholes[0], direction)
        windows = windows_of_many(wholes, tiling, self.sizing.multiples(direction))
        (code,) = self.codes.of([file], direction)
        return self._changed(passes=self._passes.holding(windows, direction, code))

    def together(self, item: Any, direction: Direction, file: Path) -> int:
        """How many items of this one's size go through the networks at once.

        Raises:
            BadSample: If already this one needs more memory than there is.
        """
        sample = guarded(self._codec, "encode", file, item, direction.source)
        self.require_room(file, sample, direction)
        return self._at_once(sample.tensor.shape[1:])

    def samples(
        self, samples: Sequence[Sample], direction: Direction, files: Sequence[Path] | None = None
    ) -> list[Tensor]:
        """Translate encoded samples of any sizes; tensors come back in their order and sizes.

        Args:
            samples: As ``Codec.encode`` made them.
            direction: Which way.
            files: What each sample's code follows from, where the direction takes one.
        """
        codes = self.codes.of(files or [Path()] * len(samples), direction)
        seen = (
            self._codec.to_network(sample.tensor[None], direction.source)[0] for sample in samples
        )
        wholes = self._wholes(seen, direction, codes)
        return [self._finished(*whole, direction) for whole in wholes]

    def tensors(
        self,
        tensors: Sequence[Tensor],
        direction: Direction,
        codes: Sequence[Tensor | None] | None = None,
    ) -> list[Tensor]:
        """Translate what networks see, of any sizes, into what they make of it.

        Args:
            tensors: Each ``(channels, *sizes)``, as ``Codec.to_network`` made them.
            direction: Which way.
            codes: Each one's latent code, ``(size,)``, where the direction takes one.

        Returns:
            Float32 tensors of the same sizes, before ``Codec.from_network``.
        """
        wholes = self._wholes(tensors, direction, codes or [None] * len(tensors))
        return [crop_to(whole[None], tuple(sizes))[0] for whole, sizes in wholes]

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
        self,
        files: Iterable[Path],
        direction: Direction,
        facts: list[Mapping[str, float]] | None = None,
        seconds: dict[Path, float] | None = None,
    ) -> Iterator[tuple[Path, Any | BadSample]]:
        """Translate files a batch at a time; a bad one yields ``BadSample`` for an item.

        Args:
            files: What to translate.
            direction: Which way.
            facts: Takes what the codec noticed about each file that it encoded.
            seconds: Takes how long each took to read and translate: its share of its batch.
        """
        begun = time.monotonic()
        for read in self._chunks(files, direction):
            good = [(file, sample) for file, sample in read if isinstance(sample, Sample)]
            named, samples = [file for file, _ in good], [sample for _, sample in good]
            if facts is not None:
                facts += [sample.facts for sample in samples]
            translated = iter(self._decoded_with_room(samples, direction, named))
            if seconds is not None:
                each = (time.monotonic() - begun) / len(read)
                seconds |= {file: each for file, _ in read}
            for file, outcome in read:
                yield file, outcome if isinstance(outcome, BadSample) else next(translated)
            begun = time.monotonic()

    def _decoded_with_room(
        self, samples: Sequence[Sample], direction: Direction, files: Sequence[Path]
    ) -> list[Any | BadSample]:
        """Translated items, one by one where memory runs out; of too large ones that they are."""
        try:
            return self._decoded(samples, direction, files)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        if len(samples) == 1:
            return [TooLarge(files[0], "needs more memory than there is")]
        return [
            self._decoded_with_room([sample], direction, [file])[0]
            for sample, file in zip(samples, files, strict=True)
        ]

    def require_room(self, file: Path, sample: Sample, direction: Direction) -> None:
        """Refuse a sample that would take more memory than there is, before it is taken.

        Raises:
            TooLarge: Saying how much it would be.
        """
        self._require_small(file, sample)
        wanted = self.sizing.bytes_of(tuple(sample.tensor.shape[1:]), direction)
        there = available_memory()
        if there is not None and wanted > there:
            raise TooLarge(
                file,
                f"needs {wanted / 2**30:.1f} GiB of memory, and {there / 2**30:.1f} GiB are free",
            )

    def _require_small(self, file: Path, sample: Sample) -> None:
        """Refuse a sample that is larger than ``bounded`` allows.

        Raises:
            TooLarge: Saying by how much.
        """
        positions = math.prod(sample.tensor.shape[1:])
        if self._most is not None and positions > self._most:
            raise TooLarge(
                file, f"is {positions:,} positions large, and at most {self._most:,} are taken"
            )

    def _chunks(
        self, files: Iterable[Path], direction: Direction
    ) -> Iterator[list[tuple[Path, Sample | BadSample]]]:
        """Encoded files, as many as go through the network together; bad ones are among them."""
        read: list[tuple[Path, Sample | BadSample]] = []
        positions = 0
        for file in files:
            outcome: Sample | BadSample
            try:
                outcome = encode_file(self._codec, file, direction.source, to_learn=False)
                self.require_room(file, outcome, direction)
                self.codes.attributes_of(file, direction)
                positions += math.prod(outcome.tensor.shape[1:])
            except BadSample as error:
                outcome = error.kept()
            read.append((file, outcome))
            full = self._batch_size is None and positions >= POSITIONS_PER_PASS
            if full or len(read) == (self._batch_size or SAMPLES_PER_PASS):
                yield read
                read, positions = [], 0
        if read:
            yield read

    def _at_once(self, tile: Sequence[int]) -> int:
        """How many tiles of a size go through the network together."""
        return self._batch_size or min(
            max(1, POSITIONS_PER_PASS // math.prod(tile)), SAMPLES_PER_PASS
        )

    def _decoded(
        self, samples: Sequence[Sample], direction: Direction, files: Sequence[Path]
    ) -> list[Any]:
        tensors = self.samples(samples, direction, files)
        return [
            guarded(self._codec, "decode", file, tensor, direction.target, sample.meta)
            for tensor, sample, file in zip(tensors, samples, files, strict=True)
        ]

    def _wholes(
        self, tensors: Iterable[Tensor], direction: Direction, codes: Sequence[Tensor | None]
    ) -> Iterator[tuple[Tensor, Sequence[int]]]:
        """What the network makes of each tensor, with mirrored ends, and the tensor's own sizes.

        Wholes that fit, and tiles of a size that the network always sees, go through together,
        whichever whole they are from. Others are tiled by themselves.
        """
        fitted = [self.sizing.fitted(tensor, direction) for tensor in tensors]
        padded, sizes = [whole for whole, _ in fitted], [own for _, own in fitted]
        del fitted
        tilings = [self.sizing.tiling(whole, direction) for whole in padded]
        channels = self._objective.specs[direction.target].channels
        joined = [Joiner(tiling, channels) for tiling in tilings]
        alone = [index for index, tiling in enumerate(tilings) if tiling.overlaps]
        together = [index for index in range(len(padded)) if index not in alone]
        for group in (*([index] for index in alone), together):
            places = [(index, offsets) for index in group for offsets in tilings[index]]
            passes = self._passes
            if group is not together:
                (index,) = group
                passes = self._alike(padded[index], tilings[index], direction, codes[index])
            for batch in _batches(places, lambda at: tilings[at[0]].tile, self._at_once):
                tiles = [tilings[index].cut(padded[index], offsets) for index, offsets in batch]
                made = passes.run(tiles, direction, [codes[index] for index, _ in batch])
                for (index, offsets), tile in zip(batch, made, strict=True):
                    joined[index].add(tile, offsets)
        padded.clear()  # before others are as large
        for joiner, own in zip(joined, sizes, strict=True):
            yield joiner.whole, own

    def _alike(
        self, whole: Tensor, tiling: Tiling, direction: Direction, code: Tensor | None
    ) -> Passes:
        """Passes that normalise all tiles of a whole alike, else each would have a look of its own:
        by the statistics of windows spread over the whole, together as large as a tile."""
        passes = self._passes
        if direction.name in passes.held or not passes.normalizing(direction):
            return passes
        windows = windows_of(whole, tiling, self.sizing.multiples(direction))
        return passes.holding(windows, direction, code)

    def _finished(self, whole: Tensor, sizes: Sequence[int], direction: Direction) -> Tensor:
        """A network's output cut to its sample's size, ready to be decoded."""
        cut = crop_to(whole[None], tuple(sizes))
        return self._codec.from_network(cut, direction.target)[0]

    def _changed(
        self, *, codes: ItemCodes | None = None, passes: Passes | None = None
    ) -> "Translator":
        """The same with other codes or passes."""
        other = copy.copy(self)
        other.codes = codes or self.codes
        other._passes = passes or self._passes
        return other


def _batches(
    things: Sequence[Thing], kind: Callable[[Thing], Kind], most: Callable[[Kind], int]
) -> Iterator[list[Thing]]:
    """Things of one kind together, at most ``most`` of them."""
    by_kind: dict[Kind, list[Thing]] = {}
    for thing in things:
        by_kind.setdefault(kind(thing), []).append(thing)
    for shared, alike in by_kind.items():
        for start in range(0, len(alike), most(shared)):
            yield alike[start : start + most(shared)]
