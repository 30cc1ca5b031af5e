"""The files that a training would read, and what the codec makes of some or all of them."""

import hashlib
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from torch import Tensor

from cyclekit.contract.codec import Codec
from cyclekit.data.encoded import Tracker, encode_file, guarded
from cyclekit.data.folders import Collections
from cyclekit.data.listing import Files
from cyclekit.datasets.fingerprints import thumbnail
from cyclekit.errors import BadSample
from cyclekit.randomness import torch_generator

AT_ONCE = 500  # files that wait to be decoded


@dataclass(frozen=True)
class Group:
    """The files of one domain and split.

    Attributes:
        domain: Its name.
        split: ``train`` or ``test``.
        files: All of them.
        first: The number of the first one among the files of all groups.
    """

    domain: str
    split: str
    files: Sequence[str]
    first: int

    @property
    def title(self) -> str:
        """For messages."""
        return f"{self.domain.upper()} {self.split}"


@dataclass(frozen=True)
class Listed:
    """All files, group by group, and numbered."""

    groups: Sequence[Group]

    @classmethod
    def of(cls, collections: Collections) -> "Listed":
        """Those of a data set, without groups that are empty."""
        groups, first = [], 0
        for name, domain in collections.domains.items():
            for split, files in (("train", domain.train), ("test", domain.test)):
                if files:
                    names = files.names if isinstance(files, Files) else [*map(str, files)]
                    groups.append(Group(name, split, names, first))
                    first += len(names)
        return cls(groups)

    @cached_property
    def files(self) -> Sequence[str]:
        """By their numbers."""
        return [file for group in self.groups for file in group.files]

    @cached_property
    def groups_of(self) -> Sequence[int]:
        """The number of each file's group."""
        return [owner for owner, group in enumerate(self.groups) for _ in group.files]

    def group(self, number: int) -> Group:
        """The group of a file."""
        return self.groups[self.groups_of[number]]

    def sample(self, most: int) -> list[int]:
        """The numbers of so many files at most, as many of each group, in an order by chance.

        Chosen are files whose names others have that were chosen, as copies of one file often have
        them, then others by a hash of their names: always the same ones.
        """
        chosen: list[int] = []
        names: set[str] = set()
        # Small groups first: what they leave is for the others.
        for place, group in enumerate(sorted(self.groups, key=lambda group: len(group.files))):
            share = min(len(group.files), most // (len(self.groups) - place))
            most -= share
            ranks = [(_stem(file) not in names, _by_chance(file)) for file in group.files]
            order = sorted(range(len(ranks)), key=ranks.__getitem__)[:share]
            names |= {_stem(group.files[number]) for number in order}
            chosen += [group.first + number for number in order]
        return sorted(chosen, key=lambda number: _by_chance(self.files[number]))


@dataclass(frozen=True)
class DecodedFile:
    """A file that was decoded.

    Attributes:
        number: Among all files.
        shape: Of its tensor.
        windows: The shapes of its training windows, varied as training varies them.
        count: How many training windows it gives.
        facts: What the codec noticed.
        thumbnail: ``(values,)``.
    """

    number: int
    shape: tuple[int, ...]
    windows: frozenset[tuple[int, ...]]
    count: int
    facts: Mapping[str, float]
    thumbnail: Tensor


def decode_files(
    codec: Codec[Any],
    listed: Listed,
    chosen: Sequence[int],
    track: Tracker,
    patience: float = math.inf,
    varied: bool = True,
) -> tuple[list[DecodedFile], dict[int, BadSample]]:
    """Decode files on all cores, as training would.

    Args:
        codec: Reads them.
        listed: All files.
        chosen: The numbers of those to decode.
        track: Shows the progress.
        patience: Seconds after which the rest is left out.
        varied: Vary windows as well, to learn their shapes.

    Returns:
        What was seen, and the files that cannot be used, by their numbers.

    Raises:
        PluginError: If the codec says so.
    """
    decoded, bad = [], {}
    ends = time.monotonic() + patience

    def decode(number: int) -> DecodedFile | BadSample:
        file, domain = Path(listed.files[number]), listed.group(number).domain
        return _decode(codec, file, domain, number, varied)

    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        outcomes = track(_in_parts(pool, decode, chosen), len(chosen))
        for number, outcome in zip(chosen, outcomes, strict=False):
            if isinstance(outcome, BadSample):
                bad[number] = outcome
            else:
                decoded.append(outcome)
            if time.monotonic() > ends:
                pool.shutdown(wait=True, cancel_futures=True)
                break
    return decoded, bad


def _decode(
    codec: Codec[Any], file: Path, domain: str, number: int, varied: bool
) -> DecodedFile | BadSample:
    try:
        sample = encode_file(codec, file, domain)
        windows = guarded(codec, "windows", file, sample)
        if not windows:
            raise BadSample(file, "gives no training window")
        rng = torch_generator("check", number)
        shapes = {
            tuple(guarded(codec, "augment", file, window.tensor, domain, rng).shape)
            for window in {window.tensor.shape: window for window in windows}.values()
            if varied
        }
    except BadSample as error:
        return error.kept()
    small = thumbnail(sample.tensor)
    return DecodedFile(
        number,
        tuple(sample.tensor.shape),
        frozenset(shapes),
        len(windows),
        sample.facts,
        small,
    )


def _in_parts(
    pool: ThreadPoolExecutor,
    decode: Callable[[int], DecodedFile | BadSample],
    chosen: Sequence[int],
) -> Iterator[DecodedFile | BadSample]:
    for first in range(0, len(chosen), AT_ONCE):
        yield from pool.map(decode, chosen[first : first + AT_ONCE])


def _by_chance(file: str) -> bytes:
    return hashlib.blake2b(_stem(file).encode(errors="surrogateescape"), digest_size=8).digest()


def _stem(file: str) -> str:
    # A path object for each of a hundred thousand would take ten times as long.
    return os.path.splitext(os.path.basename(file))[0]  # noqa: PTH119, PTH122
