"""Files that are the same, or nearly, though they should not be: told by bytes and by looks."""

import hashlib
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from cyclekit.data.beginnings import beginning
from cyclekit.data.kinds import HEAD
from cyclekit.storage.handle import open_file

GRIDS: dict[int, tuple[int, ...]] = {1: (256,), 2: (16, 16), 3: (6, 6, 6)}  # by axes
ALIKE = 0.99  # correlation of two thumbnails from which on they count as nearly the same
CENTRED = 16  # files from which on what all have in common is taken away first
FLAT = 1e-3  # of the usual contrast: below it there is nothing to compare
READERS = 4  # threads
PART = 100  # files that one of them looks at in a row
EDGE = 4096  # bytes of a file's beginning and end
BLOCK = 256  # thumbnails that are compared with all others at once
CHUNK = 2**20  # bytes


@dataclass(frozen=True)
class Peek:
    """What a file is from outside.

    Attributes:
        size: Bytes; ``None`` where it cannot be opened.
        seems: What it seems to be by its beginning, if that is nothing to learn from.
        edges: A hash of its size, beginning and end.
    """

    size: int | None
    seems: str = ""
    edges: bytes = b""


def peek(file: str) -> Peek:
    """Look at the beginning and the end of a file."""
    try:
        with open_file(Path(file), follow=True) as opened:
            size = os.fstat(opened.fileno()).st_size
            head = opened.read(EDGE)
            if size > 2 * EDGE:
                opened.seek(-EDGE, os.SEEK_END)
            tail = opened.read(EDGE)
    except OSError:
        return Peek(None)
    edges = hashlib.blake2b(b"%d " % size + head + tail, digest_size=16).digest()
    return Peek(size, beginning(head[:HEAD]), edges)


def peek_all(files: Sequence[str]) -> Iterator[Peek]:
    """Look at files in their order, several at once, since a disk lets one wait for each."""
    parts = (files[first : first + PART] for first in range(0, len(files), PART))
    with ThreadPoolExecutor(READERS) as pool:
        for part in pool.map(lambda part: [peek(file) for file in part], parts):
            yield from part


def copies(files: Sequence[str], peeks: Sequence[Peek]) -> list[list[int]]:
    """Files with the same bytes, in groups of two or more, by their numbers; no empty ones."""
    suspected = _grouped((peek.edges, number) for number, peek in enumerate(peeks) if peek.size)
    found = []
    for group in suspected:
        if (peeks[group[0]].size or 0) <= 2 * EDGE:
            found.append(group)  # the edges are all there is
        else:
            found += _grouped((_digest(files[number]), number) for number in group)
    return found


def _grouped(keyed: Iterable[tuple[bytes, int]]) -> list[list[int]]:
    groups: dict[bytes, list[int]] = defaultdict(list)
    for key, number in keyed:
        groups[key].append(number)
    return [group for key, group in groups.items() if key and len(group) > 1]


def _digest(file: str) -> bytes:
    digest = hashlib.blake2b(digest_size=16)
    try:
        with open_file(Path(file), follow=True) as opened:
            while chunk := opened.read(CHUNK):
                digest.update(chunk)
    except OSError:
        return b""
    return digest.digest()


def thumbnail(tensor: Tensor) -> Tensor:
    """A sample of any size as a few hundred numbers: the means of a coarse grid.

    Args:
        tensor: ``(channels, *sizes)`` with one to three axes, of any type.

    Returns:
        ``(values,)`` float32, as many for all samples with as many axes.
    """
    pools = {1: F.adaptive_avg_pool1d, 2: F.adaptive_avg_pool2d, 3: F.adaptive_avg_pool3d}
    axes = tensor.dim() - 1
    plain = tensor.float().nan_to_num(nan=0.0).mean(0, keepdim=True)
    pool: Any = pools[axes]
    pooled: Tensor = pool(plain, GRIDS[axes])
    return pooled.flatten()


def comparable(thumbnails: Tensor) -> Tensor:
    """Thumbnails brought to one contrast, so that products of two are correlations.

    What all of them have in common is taken away: how speech falls off with frequency, or a white
    background. What has no contrast becomes zeros, and is like nothing.

    Args:
        thumbnails: ``(files, values)``, one file at least.
    """
    centred = thumbnails - thumbnails.mean(1, keepdim=True)
    contrast = centred.norm(dim=1, keepdim=True)
    seen = contrast > FLAT * contrast.median()
    values = torch.where(seen, centred / contrast.clamp_min(1e-12), 0)
    if len(values) < CENTRED:
        return values
    values = torch.where(seen, values - values.mean(0), 0)
    lengths: Tensor = values.norm(dim=1, keepdim=True)
    return values / lengths.clamp_min(1e-12)


def nearest(
    ones: Tensor, others: Tensor, not_with: Mapping[int, int] | None = None
) -> list[tuple[int, int]]:
    """Which of some thumbnails have one that is nearly the same among others.

    Args:
        ones: ``(files, values)``, of ``comparable``.
        others: The same, of the others.
        not_with: Numbers of ones, each with the number of another that it is not compared with.

    Returns:
        The number of each, with the number of the other that is most like it.
    """
    found = []
    for first in range(0, len(ones), BLOCK):
        alike = ones[first : first + BLOCK] @ others.T
        for one, other in (not_with or {}).items():
            if first <= one < first + len(alike):
                alike[one - first, other] = -1
        best, which = alike.max(1) if alike.numel() else (alike.sum(1), alike.sum(1))
        numbers = torch.nonzero(best >= ALIKE).flatten().tolist()
        found += [(first + number, int(which[number])) for number in numbers]
    return found
