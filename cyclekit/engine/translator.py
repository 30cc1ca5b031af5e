"""Items and files through a trained network: encode, translate, crop, decode."""

import copy
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from cyclekit.contract.declarations import Direction
from cyclekit.contract.tensors import Sample
from cyclekit.data.encoded import encode_file, guarded, load_file
from cyclekit.engine.item_codes import ItemCodes
from cyclekit.engine.lightning import Fabric
from cyclekit.engine.model import Model
from cyclekit.engine.padding import crop_to
from cyclekit.engine.passes import Passes
from cyclekit.engine.room import Room
from cyclekit.engine.sizing import Sizing
from cyclekit.engine.wholes import POSITIONS_PER_PASS, SAMPLES_PER_PASS, Wholes
from cyclekit.errors import BadSample, TooLarge
from cyclekit.memory import is_out_of_memory


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
        room: How large items may be.
    """

    def __init__(
        self,
        model: Model,
        networks: Mapping[str, nn.Module],
        fabric: Fabric,
        batch_size: int | None = None,
        seed: int = 0,
    ) -> None:
        specs = model.objective.specs
        self.sizing = Sizing(specs, networks)
        self.codes = ItemCodes(model.objective, model.table, seed)
        self.room = Room(self.sizing)
        passes = Passes(model.objective, networks, fabric)
        self._wholes = Wholes(passes, self.sizing, specs, batch_size)
        self._codec = model.codec
        self._codec.device = fabric.device
        self._batch_size = batch_size
        self._lacking = model.lacking

    def bounded(self, positions: int) -> "Translator":
        """The same for strangers' files and items: larger ones are refused as ``TooLarge``.

        Args:
            positions: Pixels, frames times bands, or whatever an encoded item has.
        """
        return self._changed(room=replace(self.room, most=positions))

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
        self.room.require_small(file, sample)
        seen = self._codec.to_network(sample.tensor[None], direction.target)[0]
        (code,) = self.codes_in([seen], direction)
        return self._changed(codes=self.codes.all_with(code, direction))

    def require_codes_of(self, direction: Direction) -> None:
        """Refuse directions for which no code can be found in an example.

        Raises:
            UsageError: Saying why.
        """
        self.codes.require_in_examples(direction, self._lacking)

    def codes_in(self, tensors: Sequence[Tensor], direction: Direction) -> list[Tensor]:
        """See ``Wholes.codes_in``; tensors are as ``Codec.to_network`` made them."""
        return self._wholes.codes_in(tensors, direction)

    def with_other(self, direction: Direction, run: Callable[..., Tensor]) -> "Translator":
        """The same with another's networks for one direction.

        Args:
            direction: Which.
            run: Float32 ``(batch, channels, *sizes)``, and ``(batch, size)`` where the direction
                takes a code, to the translations. Tiles it normalises each by itself.
        """
        passes = self._wholes.passes.with_other(direction, run)
        return self._changed(wholes=replace(self._wholes, passes=passes))

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
        if not self._wholes.passes.normalizing(direction):
            return self
        samples = (guarded(self._codec, "encode", file, item, direction.source) for item in items)
        (code,) = self.codes.of([file], direction)
        seen = self._seen(samples, direction)
        return self._changed(wholes=self._wholes.held(seen, direction, code))

    def together(self, item: Any, direction: Direction, file: Path) -> int:
        """How many items of this one's size go through the networks at once.

        Raises:
            BadSample: If already this one needs more memory than there is.
        """
        sample = guarded(self._codec, "encode", file, item, direction.source)
        self.room.require(file, sample, direction)
        return self._wholes.at_once(sample.tensor.shape[1:])

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
        wholes = self._wholes.translated(self._seen(samples, direction), direction, codes)
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
        wholes = self._wholes.translated(tensors, direction, codes or [None] * len(tensors))
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
                self.room.require(file, outcome, direction)
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

    def _decoded(
        self, samples: Sequence[Sample], direction: Direction, files: Sequence[Path]
    ) -> list[Any]:
        tensors = self.samples(samples, direction, files)
        return [
            guarded(self._codec, "decode", file, tensor, direction.target, sample.meta)
            for tensor, sample, file in zip(tensors, samples, files, strict=True)
        ]

    def _seen(self, samples: Iterable[Sample], direction: Direction) -> Iterator[Tensor]:
        """Encoded samples as networks see them, one at a time."""
        for sample in samples:
            yield self._codec.to_network(sample.tensor[None], direction.source)[0]

    def _finished(self, whole: Tensor, sizes: Sequence[int], direction: Direction) -> Tensor:
        """A network's output cut to its sample's size, ready to be decoded."""
        cut = crop_to(whole[None], tuple(sizes))
        return self._codec.from_network(cut, direction.target)[0]

    def _changed(
        self,
        *,
        codes: ItemCodes | None = None,
        room: Room | None = None,
        wholes: Wholes | None = None,
    ) -> "Translator":
        """The same with other codes, room or networks."""
        other = copy.copy(self)
        other.codes = codes or self.codes
        other.room = room or self.room
        other._wholes = wholes or self._wholes
        return other
