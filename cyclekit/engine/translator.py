"""Whole items through a trained network: pad, tile, run, join, crop, decode."""

import copy
import math
import time
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from cyclekit.contract.network import common_multiple
from cyclekit.contract.tensors import Sample
from cyclekit.data.encoded import encode_file, guarded, load_file
from cyclekit.engine.declarations import Direction
from cyclekit.engine.model import Model
from cyclekit.engine.norm_statistics import (
    Statistics,
    collect_statistics,
    fixed_statistics,
    normalizes_instances,
)
from cyclekit.engine.objective import Objective
from cyclekit.engine.padding import crop_to, least_multiples, pad_to_multiple, padded_sizes
from cyclekit.engine.survey import windows_of, windows_of_many
from cyclekit.engine.tiling import FADE, Joiner, Tiling
from cyclekit.errors import BadSample, PluginError, TooLarge, UsageError, suggest
from cyclekit.memory import available_memory, is_out_of_memory
from cyclekit.randomness import torch_generator

OVERLAP = 8  # share of a tile that neighbours have in common, where a network's reach is not known
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
    """

    def __init__(
        self,
        model: Model,
        networks: Mapping[str, nn.Module],
        fabric: Fabric,
        batch_size: int | None = None,
        seed: int = 0,
    ) -> None:
        self.seed = seed
        self._codec = model.codec
        self._codec.device = fabric.device
        self._objective = model.objective
        self._networks = networks
        self._fabric = fabric
        self._batch_size = batch_size
        self._specs = model.objective.specs
        self._lacking = model.lacking
        self._others: dict[str, Callable[..., Tensor]] = {}
        self._answer = 0
        self._given: dict[str, Tensor] = {}
        self._held: dict[str, list[tuple[nn.Module, Statistics]]] = {}
        self._table = model.table
        self._own: Mapping[str, bool] | None = None
        self._most: int | None = None

    def bounded(self, positions: int) -> "Translator":
        """The same for strangers' files and items: larger ones are refused as ``TooLarge``.

        Args:
            positions: Pixels, frames times bands, or whatever an encoded item has.
        """
        other = copy.copy(self)
        other._most = positions
        return other

    def seeded(self, seed: int) -> "Translator":
        """The same with latent codes that follow from another seed."""
        other = copy.copy(self)
        other.seed = seed
        return other

    def knowing(self, attributes: Mapping[str, bool]) -> "Translator":
        """The same where all that is translated has these attributes, and no others.

        Raises:
            UsageError: If the objective knows none of such a name.
        """
        known = self._objective.attributes
        for name in attributes:
            if name not in known:
                raise UsageError(f"No attribute {name!r:.80}. {suggest(name, known)}")
        other = copy.copy(self)
        other._own = attributes
        return other

    def answering(self, answer: int) -> "Translator":
        """The same with further codes: where a direction takes some, each number gives another
        answer; 0 is the one that is given unasked."""
        other = copy.copy(self)
        other._answer = answer
        return other

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
        sample = guarded(self._codec, "encode", file, example, direction.target)
        seen = self._codec.to_network(sample.tensor[None], direction.target)[0]
        (code,) = self.codes_in([seen], direction)
        other = copy.copy(self)
        other._given = self._given | {direction.name: code}
        return other

    @torch.no_grad()
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
            whole, _ = self._fitted(tensor, finding)
            tiling, found = self._tiling(whole, finding), []
            places, most = list(tiling), self._at_once(tiling.tile)
            for start in range(0, len(places), most):
                some = places[start : start + most]
                tiles = torch.stack([tiling.cut(whole, offsets) for offsets in some])
                with self._computing(finding) as (named, dtype):
                    batch = tiles.to(self._fabric.device, dtype)
                    found.append(self._objective.code_of(named, batch, direction).float().cpu())
            codes.append(torch.cat(found).mean(0))
        return codes

    def with_other(self, direction: Direction, run: Callable[..., Tensor]) -> "Translator":
        """The same with another's networks for one direction.

        Args:
            direction: Which.
            run: Float32 ``(batch, channels, *sizes)``, and ``(batch, size)`` where the direction
                takes a code, to the translations. Tiles it normalises each by itself.
        """
        other = copy.copy(self)
        other._others = self._others | {direction.name: run}
        return other

    def held(self, items: Sequence[Any], direction: Direction, file: Path) -> "Translator":
        """The same with one set of instance statistics for all that it translates in a direction:
        those of these items together, which are spread over a sequence.

        Args:
            items: Some of the sequence.
            direction: Which way.
            file: What is named where the codec fails.
        """
        fixed = any(self._specs[direction.source].sizes)  # networks always see tiles of one size
        if not items or fixed or not self._normalizing(direction):
            return self
        wholes = []
        for item in items:
            sample = guarded(self._codec, "encode", file, item, direction.source)
            seen = self._codec.to_network(sample.tensor[None], direction.source)[0]
            wholes.append(self._fitted(seen, direction)[0])
        tiling = self._tiling(wholes[0], direction)
        windows = windows_of_many(wholes, tiling, self.multiples(direction))
        (code,) = self._codes([file], direction)
        return self._holding(windows, direction, code)

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
        codes = self._codes(files or [Path()] * len(samples), direction)
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

        What networks make of tiles comes on top, and does not grow with the sample.

        Raises:
            TooLarge: Saying how much it would be.
        """
        positions = math.prod(sample.tensor.shape[1:])
        if self._most is not None and positions > self._most:
            raise TooLarge(
                file, f"is {positions:,} positions large, and at most {self._most:,} are taken"
            )
        source, target = self._specs[direction.source], self._specs[direction.target]
        sizes = padded_sizes(
            sample.tensor.shape[1:],
            self.multiples(direction),
            source.sizes,
            self.fewest(direction),
        )
        # In and out, each once as it is worked on and once as it is handed on: float32.
        wanted = 2 * 4 * (source.channels + target.channels) * math.prod(sizes)
        there = available_memory()
        if there is not None and wanted > there:
            raise TooLarge(
                file,
                f"needs {wanted / 2**30:.1f} GiB of memory, and {there / 2**30:.1f} GiB are free",
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
                self._attributes_of(file, direction)
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

    def _codes(self, files: Sequence[Path], direction: Direction) -> list[Tensor | None]:
        """Each item's code, ``(size,)``, where the direction takes one."""
        size = self._objective.code(direction)
        if size is None:
            return [None] * len(files)
        if self._objective.attributes:
            return [self._attributes_of(file, direction) for file in files]
        if direction.name in self._given:
            return [self._given[direction.name]] * len(files)
        further = [self._answer] if self._answer else []
        words: list[int | str] = ["code", self.seed, direction.name]
        drawn = (torch_generator(*words, file.name, *further) for file in files)
        return [torch.randn(size, generator=generator) for generator in drawn]

    def _attributes_of(self, file: Path, direction: Direction) -> Tensor | None:
        """A file's own attributes, of an objective that has some; zeros where all are set.

        Raises:
            BadSample: If nothing is said about it.
        """
        names = self._objective.attributes
        if not names:
            return None
        if {*names} == {name for name, _ in direction.sets}:
            return torch.zeros(len(names))
        if self._own is not None:
            return torch.tensor([float(self._own.get(name, False)) for name in names])
        own = self._table.of(file)
        if own is None:
            raise BadSample(
                file,
                f"is not in {self._table.file}, so that it cannot be told which attributes it has. "
                f"Set all of {', '.join(names)}, or name a table with --attributes",
            )
        return torch.from_numpy(own).float()

    def _wholes(
        self, tensors: Iterable[Tensor], direction: Direction, codes: Sequence[Tensor | None]
    ) -> Iterator[tuple[Tensor, Sequence[int]]]:
        """What the network makes of each tensor, with mirrored ends, and the tensor's own sizes.

        Wholes that fit, and tiles of a size that the network always sees, go through together,
        whichever whole they are from. Others are tiled by themselves.
        """
        fitted = [self._fitted(tensor, direction) for tensor in tensors]
        padded, sizes = [whole for whole, _ in fitted], [own for _, own in fitted]
        del fitted
        tilings = [self._tiling(whole, direction) for whole in padded]
        channels = self._specs[direction.target].channels
        joined = [Joiner(tiling, channels) for tiling in tilings]
        alone = [index for index, tiling in enumerate(tilings) if tiling.overlaps]
        together = [index for index in range(len(padded)) if index not in alone]
        for group in (*([index] for index in alone), together):
            places = [(index, offsets) for index in group for offsets in tilings[index]]
            translator = self
            if group is not together:
                (index,) = group
                translator = self._alike(padded[index], tilings[index], direction, codes[index])
            for batch in _batches(places, lambda at: tilings[at[0]].tile, self._at_once):
                tiles = [tilings[index].cut(padded[index], offsets) for index, offsets in batch]
                made = translator._run(tiles, direction, [codes[index] for index, _ in batch])
                for (index, offsets), tile in zip(batch, made, strict=True):
                    joined[index].add(tile, offsets)
        padded.clear()  # before others are as large
        for joiner, own in zip(joined, sizes, strict=True):
            yield joiner.whole, own

    def _fitted(self, tensor: Tensor, direction: Direction) -> tuple[Tensor, tuple[int, ...]]:
        """A whole without gaps, of sizes that networks take, and its sizes before that."""
        spec = self._specs[direction.source]
        x = tensor.nan_to_num(nan=0.0) if spec.gaps else tensor
        padded = pad_to_multiple(
            x[None], self.multiples(direction), spec.sizes, self.fewest(direction)
        )
        return padded[0], tuple(x.shape[1:])

    def multiples(self, direction: Direction) -> tuple[int, ...]:
        """What each axis is brought to a multiple of."""
        spec = self._specs[direction.source]
        each = [common_multiple(spec, network) for network in self._called(direction)]
        return tuple(math.lcm(*of_axis) for of_axis in zip(*each, strict=True))

    def fewest(self, direction: Direction) -> int:
        """How many such multiples an axis has at least."""
        return max(least_multiples(network) for network in self._called(direction))

    def _reach(self, direction: Direction) -> int:
        """How far a translation looks; 0 where several networks are called, in whatever order."""
        (first, *others) = self._called(direction)
        return 0 if others else int(getattr(first, "reach", 0))

    def _called(self, direction: Direction) -> list[nn.Module]:
        """All networks that translate."""
        return [self._networks[name] for name in direction.networks]

    def _tiling(self, whole: Tensor, direction: Direction) -> Tiling:
        """One tile for the whole, except on axes of which networks see only so much."""
        sizes = tuple(whole.shape[1:])
        spec = self._specs[direction.source]
        reach = self._reach(direction)
        tile, overlap = [], []
        for length, fixed, most, multiple in zip(
            sizes, spec.sizes, spec.tiles or spec.sizes, self.multiples(direction), strict=True
        ):
            if fixed or not most or length <= most:
                tile.append(fixed or length)
                overlap.append(0)
                continue
            tile.append(min(max(most // multiple, 2) * multiple, length))
            wanted = 2 * reach + tile[-1] // FADE if reach else tile[-1] // OVERLAP
            # Tiles begin where the network's own grid does.
            shared = -(-min(wanted, tile[-1] // 2) // multiple) * multiple
            overlap.append(0 if tile[-1] == length else shared)
        return Tiling(sizes, tuple(tile), tuple(overlap), reach if any(overlap) else 0)

    def _alike(
        self, whole: Tensor, tiling: Tiling, direction: Direction, code: Tensor | None
    ) -> "Translator":
        """The same with all tiles of a whole normalised alike, else each would have a look of its
        own: by the statistics of windows spread over the whole, together as large as a tile."""
        if direction.name in self._held or not self._normalizing(direction):
            return self
        windows = windows_of(whole, tiling, self.multiples(direction))
        return self._holding(windows, direction, code)

    def _normalizing(self, direction: Direction) -> list[nn.Module]:
        """The networks here that normalise each instance by itself."""
        if direction.name in self._others:
            return []
        return [each for each in self._called(direction) if normalizes_instances(each)]

    def _holding(
        self, windows: Sequence[Tensor], direction: Direction, code: Tensor | None
    ) -> "Translator":
        """The same with the statistics of windows of one size, taken as one instance."""
        networks = self._normalizing(direction)
        with ExitStack() as stack:
            found = [stack.enter_context(collect_statistics(network)) for network in networks]
            self._run(windows, direction, [code] * len(windows))
        other = copy.copy(self)
        held = list(zip(networks, found, strict=True))
        other._held = self._held | {direction.name: held}
        return other

    @torch.no_grad()
    def _run(
        self, tiles: Sequence[Tensor], direction: Direction, codes: Sequence[Tensor | None]
    ) -> Tensor:
        """Tiles of one size, each with its item's code -> ``(tiles, channels, *sizes)`` float32 on
        the CPU."""
        drawn = [code for code in codes if code is not None]
        if direction.name in self._others:
            given = [torch.stack(list(tiles)), *([torch.stack(drawn)] if drawn else [])]
            return self._others[direction.name](*given).float()
        with ExitStack() as stack:
            named, dtype = stack.enter_context(self._computing(direction))
            batch = torch.stack(list(tiles)).to(self._fabric.device, dtype)
            code = torch.stack(drawn).to(self._fabric.device, dtype) if drawn else None
            for network, statistics in self._held.get(direction.name, ()):
                stack.enter_context(fixed_statistics(network, statistics))
            made = self._objective.translate(named, batch, direction, code)
            return made.float().cpu()

    @contextmanager
    def _computing(self, direction: Direction) -> Iterator[tuple["Named", torch.dtype]]:
        """A direction's networks, ready to be called, and what they take."""
        networks = self._called(direction)
        dtype = next((p.dtype for each in networks for p in each.parameters()), torch.float32)
        with ExitStack() as stack:
            for network in networks:
                stack.enter_context(evaluating(network))
            stack.enter_context(self._fabric.autocast())
            yield Named(self._networks, direction), dtype

    def _finished(self, whole: Tensor, sizes: Sequence[int], direction: Direction) -> Tensor:
        """A network's output cut to its sample's size, ready to be decoded."""
        cut = crop_to(whole[None], tuple(sizes))
        return self._codec.from_network(cut, direction.target)[0]


class Named(dict[str, nn.Module]):
    """The networks that a direction names, and no others: those may never have been loaded."""

    def __init__(self, networks: Mapping[str, nn.Module], direction: Direction) -> None:
        super().__init__({name: networks[name] for name in direction.networks})
        self._direction = direction

    def __missing__(self, name: str) -> nn.Module:
        raise PluginError(
            f"The objective's translate calls the network {name!r}, but direction "
            f"{self._direction.name!r} does not name it in networks: what is not named is neither "
            f"averaged nor loaded. Name it."
        )


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Put a network into evaluation mode for a while."""
    training = network.training
    network.eval()
    try:
        yield
    finally:
        network.train(training)


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
