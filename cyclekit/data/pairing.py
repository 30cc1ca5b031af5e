"""Whether test files of equal names are the same thing, seen from both sides.

Pairs of training files, for objectives that draw them, are in ``counterparts``.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from cyclekit.contract.codec import Codec
from cyclekit.data.encoded import encode_file
from cyclekit.data.folders import Collections
from cyclekit.errors import BadSample
from cyclekit.names import heading
from cyclekit.randomness import numpy_generator

MAX_PAIRS = 24  # pairs that are compared
FEWEST = 40  # pairings that are possible: of fewer, true ones would not stand out
SHUFFLES = 500
DOUBTED = 0.05  # share of the shuffled pairings that are as much alike


def without_false_pairs(collections: Collections, codec: Codec[Any]) -> Collections:
    """The collections, pairs given up where these are no more alike than strangers are.

    Two unrelated folders may both be numbered ``1.jpg`` and so on. Where pairs are few, training
    files serve as strangers, too. Looked at are files whose tensors have one size; where sizes
    differ, there are too few files, or the recipe says that the folders are parallel, names are
    believed.
    """
    if collections.parallel:
        return collections
    for domains in combinations(collections.domains, 2):
        pairs = list(collections.pairs(*domains).values())
        if not pairs or not _are_strangers(pairs, collections, domains, codec):
            continue
        both = len(collections.domains) == 2
        where = "both domains" if both else f"domains {' and '.join(map(heading, domains))}"
        doubt = (
            f"{len(pairs)} test files have equal names in {where}, but are no more alike than any "
            f"others: they are not taken for pairs. If they are, set data.parallel = true"
        )
        collections = replace(
            collections,
            unrelated=collections.unrelated | {frozenset(domains)},
            doubts=(*collections.doubts, doubt),
        )
    return collections


def _are_strangers(
    pairs: Sequence[tuple[Path, Path]],
    collections: Collections,
    domains: tuple[str, str],
    codec: Codec[Any],
) -> bool:
    some = pairs[:: -(-len(pairs) // MAX_PAIRS)]
    beside = collections.domains[domains[1]].train[: MAX_PAIRS - len(some)]
    sides = _tensors(some, beside, domains, codec)
    return sides is not None and likeness(*sides) > DOUBTED


def likeness(a: Tensor, b: Tensor) -> float:
    """The share of random pairings that are at least as much alike as the one given.

    Args:
        a: ``(samples, ...)``.
        b: Their supposed counterparts, in the same order, and any number of others.
    """
    one, other = (_standardised(side) for side in (a, b))
    apart = torch.stack([(other - sample).abs().mean(1) for sample in one])
    own = float(apart.diagonal().mean())
    rng, (count, choice) = numpy_generator("pairs"), apart.shape
    as_near = 0
    for _ in range(SHUFFLES):
        shuffled = torch.from_numpy(rng.permutation(choice)[:count])
        as_near += float(apart[torch.arange(count), shuffled].mean()) <= own
    return as_near / SHUFFLES


def _standardised(samples: Tensor) -> Tensor:
    """``(samples, values)``: how bright or loud each is by itself says nothing."""
    flat = samples.flatten(1)
    return (flat - flat.mean(1, keepdim=True)) / flat.std(1, keepdim=True).clamp_min(1e-6)


def _tensors(
    pairs: Sequence[tuple[Path, Path]],
    strangers: Sequence[Path],
    domains: tuple[str, str],
    codec: Codec[Any],
) -> tuple[Tensor, Tensor] | None:
    """Both sides as networks see them; ``None`` where sizes differ or too few can be read."""
    one, other = domains
    read = [(_read(codec, a, one), _read(codec, b, other)) for a, b in pairs]
    whole = [(a, b) for a, b in read if a is not None and b is not None]
    beside = [x for file in strangers if (x := _read(codec, file, other)) is not None]
    a, b = [pair[0] for pair in whole], [pair[1] for pair in whole] + beside
    if math.perm(len(b), len(a)) < FEWEST or len({x.shape for x in (*a, *b)}) > 1:
        return None
    return torch.stack(a), torch.stack(b)


def _read(codec: Codec[Any], file: Path, domain: str) -> Tensor | None:
    try:
        sample = encode_file(codec, file, domain).tensor
    except BadSample:  # whoever needs the file names it
        return None
    return codec.to_network(sample[None], domain)[0].float().nan_to_num(nan=0.0)
