"""Figures that show when a training goes wrong, of a few training windows: see ``symptoms``."""

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from pathlib import Path

import torch
from torch import Tensor

from cyclekit.contract.declarations import Direction
from cyclekit.contract.tensors import Sample
from cyclekit.data.encoded import EncodedDomain
from cyclekit.engine.model import Model
from cyclekit.engine.translator import Translator
from cyclekit.judging import symptoms
from cyclekit.judging.patches import distance_of
from cyclekit.randomness import torch_generator

ITEMS = 8  # windows of each domain; from as many others a domain's own distance is taken
POSITIONS = 128 * 128  # of a window, at most
PATCHES = 1024  # of each side and size
MOST_WAYS = 8  # directions
NOISE = 0.05  # of the deviation of real samples


class Checkup:
    """Takes the figures of directions, always of the same windows.

    Args:
        model: Codec and directions.
        encoded: The training files of each domain.
    """

    def __init__(self, model: Model, encoded: Mapping[str, EncodedDomain]) -> None:
        self._model = model
        self._seed = model.recipe.train.seed
        ways = [way for way in model.directions.values() if set(way.ends) <= encoded.keys()]
        self._ways = ways[:: math.ceil(len(ways) / MOST_WAYS) or 1]
        ends = dict.fromkeys(domain for way in self._ways for domain in way.ends)
        self._drawn = {domain: _drawn(encoded[domain]) for domain in ends}

    def measure(self, translator: Translator) -> dict[str, dict[str, float]]:
        """The figures of each direction, those that can be taken."""
        return {way.name: self._measure(translator, way) for way in self._ways}

    def _measure(self, translator: Translator, way: Direction) -> dict[str, float]:
        files = [file for file, _ in self._drawn[way.source][:ITEMS]]
        source, _ = self._seen(way.source)
        target, others = self._seen(way.target)
        made = _finite(translator.tensors(source, way, translator.codes.of(files, way)))
        source = _finite(source)
        real = [_apart(side) for side in (source, target) if len(side) > 1]
        figures = {}
        if len(made) > 1 and real and min(real) > 0:
            figures[symptoms.OUTPUTS_APART] = _apart(made) / min(real)
        if (largest := max(_extent(source), _extent(target))) > 0:
            figures[symptoms.EXTENT] = _extent(made) / largest
        if len(source[0]) == len(target[0]):
            figures |= self._compared(source, made, target, others)
        back = self._model.reverse(way)
        if back is not None:
            figures |= self._returned(translator, source, made, back, files)
        return {name: value for name, value in figures.items() if math.isfinite(value)}

    def _compared(
        self,
        source: Sequence[Tensor],
        made: Sequence[Tensor],
        target: Sequence[Tensor],
        others: Sequence[Tensor],
    ) -> dict[str, float]:
        """Figures of translations beside source and target, whose values mean the same."""
        figures = {symptoms.CORRELATION: _correlation(source, made)}
        if (between := _mean(_l1(x, y) for x in source for y in target)) > 0:
            changed = _mean(_l1(x, y) for x, y in zip(source, made, strict=True))
            figures[symptoms.CHANGED] = changed / between
        to_target, to_source = self._details(made, target), self._details(made, source)
        if to_target + to_source > 0:
            figures[symptoms.AS_SOURCE] = to_target / (to_target + to_source)
        if others and (own := self._details(others, target)) > 0:
            figures[symptoms.DOMAINS_APART] = self._details(source, target) / own
        return figures

    def _returned(
        self,
        translator: Translator,
        source: Sequence[Tensor],
        made: Sequence[Tensor],
        back: Direction,
        files: Sequence[Path],
    ) -> dict[str, float]:
        """How far off the way back is, and what noise does to it."""
        codes = translator.codes.of(files, back)
        spread = NOISE * float(torch.stack([x.std() for x in made]).mean())
        drawn = [
            spread * torch.randn(x.shape, generator=torch_generator("checkup", self._seed, place))
            for place, x in enumerate(made)
        ]
        noisy = [x + noise for x, noise in zip(made, drawn, strict=True)]
        plain = _finite(translator.tensors(made, back, codes))
        disturbed = _finite(translator.tensors(noisy, back, codes))
        error, worse = (
            _mean(_l1(x, y) for x, y in zip(source, came, strict=True))
            for came in (plain, disturbed)
        )
        figures = {}
        if len(source) > 1 and (unit := _apart(source)) > 0:
            figures[symptoms.RETURN_ERROR] = error / unit
        if (noise := _mean(x.abs().mean() for x in drawn)) > 0:
            figures[symptoms.NOISE_GAIN] = (worse - error) / noise
        return figures

    def _details(self, made: Sequence[Tensor], real: Sequence[Tensor]) -> float:
        return distance_of(made, real, self._seed, PATCHES)

    def _seen(self, domain: str) -> tuple[list[Tensor], list[Tensor]]:
        """A domain's windows as networks see them, all of one size, and as many others."""
        codec = self._model.codec
        sizes = self._model.objective.specs[domain].sizes
        seen = [
            codec.to_network(sample.tensor[None], domain)[0].float()
            for _, sample in self._drawn[domain]
        ]
        seen = seen if any(sizes) else _cropped(seen)
        return seen[:ITEMS], _finite(seen[ITEMS:])


def _drawn(domain: EncodedDomain) -> list[tuple[Path, Sample]]:
    """Windows that lie far apart, twice as many as are looked at, and their files."""
    count = min(len(domain.windows), 2 * ITEMS)
    places = [place * len(domain.windows) // count for place in range(count)]
    places = places[::2] + places[1::2]
    return [(domain.file_of(place), domain.windows[place].sample) for place in places]


def _cropped(tensors: Sequence[Tensor]) -> list[Tensor]:
    """The beginnings of tensors, as large as the smallest, and of ``POSITIONS`` at most."""
    sizes = [min(lengths) for lengths in zip(*(x.shape[1:] for x in tensors), strict=True)]
    largest = max(1, int(POSITIONS ** (1 / len(sizes))))
    if math.prod(sizes) > POSITIONS:
        sizes = [min(size, largest) for size in sizes]
    return [x[(slice(None), *(slice(size) for size in sizes))] for x in tensors]


def _finite(tensors: Sequence[Tensor]) -> list[Tensor]:
    """Zeros for gaps."""
    return [x.nan_to_num(nan=0.0) for x in tensors]


def _extent(tensors: Sequence[Tensor]) -> float:
    """The largest magnitude."""
    return float(torch.stack([x.abs().amax() for x in tensors]).amax())


def _apart(tensors: Sequence[Tensor]) -> float:
    """The mean distance of tensors from each other."""
    return _mean(_l1(x, y) for x, y in combinations(tensors, 2))


def _l1(x: Tensor, y: Tensor) -> Tensor:
    """The mean distance, over the positions that both have."""
    inner = [slice(min(pair)) for pair in zip(x.shape[1:], y.shape[1:], strict=True)]
    return (x[(slice(None), *inner)] - y[(slice(None), *inner)]).abs().mean()


def _mean(values: Iterable[Tensor]) -> float:
    found = list(values)
    return float(torch.stack(found).mean()) if found else 0.0


def _correlation(some: Sequence[Tensor], others: Sequence[Tensor]) -> float:
    """The mean correlation of tensors' values with their counterparts'; NaN where none vary."""
    each = []
    for x, y in zip(some, others, strict=True):
        one, other = (z.flatten(1) - z.flatten(1).mean(1, keepdim=True) for z in (x, y))
        size = one.norm() * other.norm()
        if size > 0:
            each.append(float((one * other).sum() / size))
    return sum(each) / len(each) if each else math.nan
