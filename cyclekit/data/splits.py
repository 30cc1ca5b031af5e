"""Which files are held out for testing, and which are left where only a part is wanted."""

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from cyclekit.contract.codec import Codec
from cyclekit.data.contents import what_it_is
from cyclekit.data.encoded import load_file
from cyclekit.data.layout import Folders
from cyclekit.data.listing import Files
from cyclekit.data.pair_list import EqualNames
from cyclekit.errors import BadSample
from cyclekit.randomness import numpy_generator

MOST_READ = 32  # held-out files of a domain that are read to see whether they can be


def hold_out_together(
    group: Sequence[str],
    folders: Folders,
    train: dict[str, Files],
    test: dict[str, Files],
    share: float,
    counterparts: EqualNames,
) -> None:
    """Hold out whole pairs, where none of the domains has test files, and as large a share of the
    files that have no counterpart."""
    if any(name in test for name in group):
        return
    named = {name: _named(train[name], folders[name][0], name, counterparts) for name in group}
    shared = set.intersection(*(set(names) for names in named.values()))
    wanted = min(max(1, round(len(shared) * share)), len(shared) - 1) if share and shared else 0
    chosen = sorted(shared, key=lambda name: hashlib.sha256(os.fsencode(name)).digest())[:wanted]
    for name in group:
        paired = {named[name][each] for each in shared}
        alone = Files(tuple(file for file in train[name].names if file not in paired))
        held = {named[name][each] for each in chosen}
        held |= set(split(alone, Path(folders[name][0]), share)[1].names)
        test[name] = Files(tuple(file for file in train[name].names if file in held))
        train[name] = Files(tuple(file for file in train[name].names if file not in held))


def limited_together(
    name: str,
    group: Sequence[str],
    folders: Folders,
    train: Mapping[str, Files],
    limit: float | None,
    seed: int,
    counterparts: EqualNames,
) -> Files:
    """A part of a domain's files: as large a share of its pairs as of its files, the same pairs as
    of the others of its group, and others by chance."""
    if limit is None:
        return train[name]
    named = {other: _named(train[other], folders[other][0], other, counterparts) for other in group}
    shared = sorted(set.intersection(*(set(names) for names in named.values())))
    # The domain with the fewest files decides: where all of those are pairs, it has no others.
    share = max(_wanted(train[other], limit) / len(train[other]) for other in group)
    pairs = Files(tuple(shared))
    chosen = limited(pairs, max(round(share * len(shared)), 1), seed, " ".join(group)).names
    paired = {named[name][each] for each in shared}
    rest = Files(tuple(file for file in train[name].names if file not in paired))
    missing = max(_wanted(train[name], limit) - len(chosen), 0)
    others = limited(rest, missing, seed, name).names
    return Files(tuple(sorted([*(named[name][each] for each in chosen), *others])))


def limited(files: Files, limit: float | None, seed: int, domain: str) -> Files:
    """A part of some files, by chance: so many of them, or, where it is a float, a share."""
    if limit is None or _wanted(files, limit) == len(files):
        return files
    chosen = numpy_generator("limit", seed, domain).permutation(len(files))[: _wanted(files, limit)]
    return Files(tuple(files.names[index] for index in sorted(chosen)))


def _wanted(files: Files, limit: float) -> int:
    """How many files a limit leaves."""
    count = limit if isinstance(limit, int) else max(round(limit * len(files)), 1)
    return min(count, len(files))


def split(
    files: Files,
    folder: Path,
    share: float,
    usable: Callable[[Path], bool] = lambda file: not what_it_is(file),
) -> tuple[Files, Files]:
    """Hold out a share of the files, chosen by a hash of their names so that it stays put.

    Those that are not ``usable`` come last: training names them.
    """
    wanted = min(max(1, round(len(files) * share)), len(files) - 1) if share and files else 0

    def key(name: str) -> bytes:
        inside = name[len(str(folder)) + 1 :]
        return hashlib.sha256(inside.encode(errors="replace")).digest()

    order = sorted(files.names, key=key) if wanted else []
    chosen = set(islice((name for name in order if usable(Path(name))), wanted))
    chosen |= set(islice((name for name in order if name not in chosen), wanted - len(chosen)))
    kept = tuple(name for name in files.names if name not in chosen)
    return Files(kept), Files(tuple(name for name in files.names if name in chosen))


def usable_in(codec: Codec[Any] | None, domain: str) -> Callable[[Path], bool]:
    """Whether figures can be had of a file: the first that are asked for are read for it."""
    reads = iter(range(MOST_READ if codec else 0))

    def usable(file: Path) -> bool:
        if what_it_is(file):
            return False
        if codec is None or next(reads, None) is None:
            return True
        try:
            load_file(codec, file, domain)
        except BadSample:
            return False
        return True

    return usable


def _named(
    files: Files, folder: str | Path, domain: str, counterparts: EqualNames
) -> dict[str, str]:
    """Files by the names that pairs share."""
    return {counterparts.of(file, Path(folder), domain): str(file) for file in files}
