"""Whether test files of equal names are the same thing, seen from both sides."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from cyclekit.contract import Codec
from cyclekit.data.encoded import encode_file
from cyclekit.data.folders import Collections
from cyclekit.errors import BadSample
from cyclekit.names import heading
from cyclekit.randomness import numpy_generator

FEWEST, MOST = 6, 24  # pairs that are compared
SHUFFLES = 500
DOUBTED = 0.05  # share of the shuffled pairings that are as much alike


def without_false_pairs(collections: Collections, codec: Codec[Any]) -> Collections:
    """The collections, pairs given up where these are no more alike than strangers are.

    Two unrelated folders may both be numbered ``1.jpg`` and so on. Looked at are files whose
    tensors have one size; with others, or few, or where the recipe says that the folders are
    parallel, names are believed.
    """
    if collections.parallel:
        return collections
    for domains in combinations(collections.domains, 2):
        pairs = list(collections.pairs(*domains).values())
        if len(pairs) < FEWEST or not _are_strangers(pairs, domains, codec):
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
    pairs: Sequence[tuple[Path, Path]], domains: tuple[str, str], codec: Codec[Any]
) -> bool:
    step = -(-len(pairs) // MOST)
    sides = _tensors(pairs[::step], domains, codec)
    return sides is not None and likeness(*sides) > DOUBTED


def likeness(a: Tensor, b: Tensor) -> float:
    """The share of random pairings that are at least as much alike as the one given.

    Args:
        a: ``(samples, ...)``.
        b: Their supposed counterparts.
    """
    one, other = (_standardised(side) for side in (a, b))
    apart = torch.stack([(other - sample).abs().mean(1) for sample in one])
    own = float(apart.diagonal().mean())
    rng, count = numpy_generator("pairs"), len(apart)
    as_near = 0
    for _ in range(SHUFFLES):
        shuffled = torch.from_numpy(rng.permutation(count))
        as_near += float(apart[torch.arange(count), shuffled].mean()) <= own
    return as_near / SHUFFLES


def _standardised(samples: Tensor) -> Tensor:
    """``(samples, values)``: how bright or loud each is by itself says nothing."""
    flat = samples.flatten(1)
    return (flat - flat.mean(1, keepdim=True)) / flat.std(1, keepdim=True).clamp_min(1e-6)


def _tensors(
    pairs: Sequence[tuple[Path, Path]], domains: tuple[str, str], codec: Codec[Any]
) -> tuple[Tensor, Tensor] | None:
    """Both sides as networks see them; ``None`` where sizes differ or too few can be read."""
    found: list[list[Tensor]] = []
    for pair in pairs:
        try:
            samples = [
                codec.to_network(encode_file(codec, file, domain).tensor[None], domain)[0]
                for file, domain in zip(pair, domains, strict=True)
            ]
        except BadSample:
            continue
        if len({sample.shape for sample in (*samples, *(found[0] if found else ()))}) > 1:
            return None
        found.append([sample.float().nan_to_num(nan=0.0) for sample in samples])
    if len(found) < FEWEST:
        return None
    a, b = (torch.stack(side) for side in zip(*found, strict=True))
    return a, b
