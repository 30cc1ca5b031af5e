"""Which files belong to which domain and split."""

import filecmp
import hashlib
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from cyclekit.contract import DOMAINS, Codec
from cyclekit.data.contents import what_it_is
from cyclekit.data.encoded import load_file
from cyclekit.data.listing import Files, Kinds, counted, list_samples, nothing
from cyclekit.errors import BadSample, DataError
from cyclekit.randomness import numpy_generator
from cyclekit.recipe.settings import DataSettings

LAYOUT = "trainA, trainB, testA and testB"
MOST_COMPARED, MOST_COPIES = 200, 0.1  # files of two folders; share of them that may be the same
MOST_READ = 32  # held-out files of a domain that are read to see whether they can be

Folders = dict[str, tuple[str | Path, str | Path | None]]
"""Training and test folder of each domain."""


@dataclass(frozen=True)
class Domain:
    """The files of one domain.

    Attributes:
        train: Training files, sorted.
        test: Test files, sorted; none of them is a training file.
        folder: The folder that test files' names are relative to.
        held_out: Whether the test files are a share of the training folder.
        found: How many samples the training folder holds.
    """

    train: Sequence[Path]
    test: Sequence[Path]
    folder: Path
    held_out: bool
    found: int = 0

    def test_name(self, file: Path) -> str:
        """A test file's path inside its folder without suffix: equal names make a pair.

        So do names that differ only in ending in ``_A`` and ``_B``, as published sets have them.
        """
        name = file.relative_to(self.folder).with_suffix("").as_posix()
        return name[:-2] if name.endswith(("_A", "_B")) else name


@dataclass(frozen=True)
class Collections:
    """Both domains, and the files of ``data.extra``.

    Attributes:
        domains: By name.
        extra: Files of no domain.
        parallel: Whether held-out files of equal names are the same thing, seen from both sides.
        others: How many files of each kind were passed over, since they are no samples.
        doubts: What looks wrong about the folders.
        unrelated: Whether equal names are known to mean nothing.
    """

    domains: dict[str, Domain]
    extra: Sequence[Path]
    parallel: bool = False
    others: Kinds = field(default_factory=dict)
    doubts: Sequence[str] = ()
    unrelated: bool = False

    @property
    def has_tests(self) -> bool:
        """Whether every domain has test files."""
        return all(domain.test for domain in self.domains.values())

    @property
    def paired(self) -> dict[str, tuple[Path, Path]]:
        """Test files with the same name in both domains: the same thing, seen from both sides.

        Held-out files are paired only where the recipe says that the folders are parallel: equal
        names in two unrelated folders mean nothing.
        """
        a, b = (self.domains[name] for name in DOMAINS)
        if self.unrelated or ((a.held_out or b.held_out) and not self.parallel):
            return {}
        twins = {b.test_name(file): file for file in b.test}
        names = ((a.test_name(file), file) for file in a.test)
        return {name: (file, twins[name]) for name, file in names if name in twins}

    def remarks(self) -> list[str]:
        """What was done with the folders that a person need not worry about."""
        return [f"passed over what is no sample: {counted(self.others)}"] if self.others else []

    def warnings(self) -> list[str]:
        """What a person should know before training starts."""
        found = [*self.doubts]
        for name, domain in self.domains.items():
            if len(domain.train) == 1:
                found.append(
                    f"domain {name.upper()} has one training file: its discriminator will learn it "
                    f"by heart"
                )
            if domain.held_out and domain.test:
                found.append(
                    f"no test folder for domain {name.upper()}: {len(domain.test)} of "
                    f"{domain.found} files are held out"
                )
        return found


def find_collections(
    settings: DataSettings,
    codec: Codec[Any] | None = None,
    root: Path | None = None,
    seed: int = 0,
) -> Collections:
    """Find the files that ``settings`` describe.

    Args:
        settings: The recipe's ``[data]`` table.
        codec: Says which files are samples; without one all are.
        root: Overrides ``settings.root`` (where built-in data was made).
        seed: Chooses the training files where ``settings`` ask for a part of them.

    Raises:
        DataError: If a folder is missing or has no samples; says what is expected.
    """
    if settings.a is not None and settings.b is not None:
        folders: Folders = {
            "a": (settings.a, settings.test_a),
            "b": (settings.b, settings.test_b),
        }
    else:
        folders = _by_layout(settings, root or (Path(settings.root) if settings.root else None))
    others = Counter[str]()

    def samples(folder: str | Path) -> Files:
        found = list_samples(_existing(Path(folder), settings), codec)
        others.update(found.others)
        return found.samples

    domains = {}
    for name, (train, test) in folders.items():
        files = samples(train)
        if not files:
            raise DataError(f"Domain {name.upper()} is empty: {nothing(train, others, codec)}")
        if test is not None:
            kept, held_out = files, samples(test)
        else:
            kept, held_out = split(files, Path(train), settings.held_out, _usable(codec, name))
        part = limited(kept, settings.limit, seed, name)
        domains[name] = Domain(part, held_out, Path(test or train), test is None, len(files))
    extra = samples(settings.extra) if settings.extra else ()
    doubts = [*_doubts(folders), *_copied(domains)]
    return Collections(domains, extra, settings.parallel, others, doubts)


def _by_layout(settings: DataSettings, root: Path | None) -> Folders:
    if root is None:
        raise DataError(
            f"No data was named. Give --data DIR, a folder with {LAYOUT}, or set data.a and data.b "
            f"to two folders.{_publication(settings)}"
        )
    _existing(root, settings)
    missing = [name for name in ("trainA", "trainB") if not (root / name).is_dir()]
    if missing:
        inside = sorted(path.name for path in root.iterdir() if path.is_dir())
        found = f"it holds {', '.join(inside)}" if inside else "it holds no folders"
        raise DataError(
            f"{root} lacks {' and '.join(missing)}: expected {LAYOUT} (the last two may be "
            f"missing), {found}. Two folders with other names are set as data.a and data.b."
        )
    tests = (settings.test_a, settings.test_b)
    return {
        domain: (root / f"train{letter}", own or _if_folder(root / f"test{letter}"))
        for domain, letter, own in zip(DOMAINS, "AB", tests, strict=True)
    }


def _doubts(folders: Folders) -> list[str]:
    """What looks wrong about the folders by their names and places alone."""
    (a, test_a), (b, test_b) = (folders[domain] for domain in DOMAINS)
    inside, where = sorted((os.path.realpath(a), os.path.realpath(b)), key=len, reverse=True)
    if inside == where:
        found = [f"both domains are the folder {a}: there is nothing to translate"]
    elif Path(where) in Path(inside).parents:
        found = [f"{inside} lies in the other domain's folder: its files are in both domains"]
    else:
        found = _swapped("domain A is {} and domain B is {}", a, b)
    found += _swapped("the test files of domain A are {}, those of B {}", test_a, test_b)
    for domain, (train, test) in folders.items():
        if test is not None and os.path.realpath(train) == os.path.realpath(test):
            found.append(
                f"domain {domain.upper()}'s test files are its training files: figures will not "
                f"say what becomes of new ones"
            )
    return found


def _swapped(how: str, a: str | Path | None, b: str | Path | None) -> list[str]:
    """The doubt about folders whose names end in the other domain's letter."""
    if a and b and Path(a).name.endswith("B") and Path(b).name.endswith("A"):
        return [f"{how.format(a, b)}: are they swapped?"]
    return []


def _copied(domains: Mapping[str, Domain]) -> list[str]:
    """What is there twice, by the first files that have a name and a size in common."""
    a, b = (domains[name] for name in DOMAINS)
    found = []
    for one, other, what, so in (
        (a.train, b.train, "domains A and B", "there is little to translate"),
        (a.train, a.test, "A's training and test files", "figures will look too good"),
        (b.train, b.test, "B's training and test files", "figures will look too good"),
    ):
        twins = {file.name: file for file in islice(other, MOST_COMPARED)}
        both = [(file, twins[file.name]) for file in one if file.name in twins]
        copies = sum(_same(*pair) for pair in both)
        if copies > MOST_COPIES * min(len(one), len(twins)):
            found.append(f"{what} have {copies} files in common, byte for byte: {so}")
    return found


def _same(one: Path, other: Path) -> bool:
    try:
        return one.stat().st_size > 0 and filecmp.cmp(one, other, shallow=False)
    except OSError:  # whoever reads it next says so
        return False


def limited(files: Files, limit: float | None, seed: int, domain: str) -> Files:
    """A part of some files, by chance: so many of them, or, where it is a float, a share."""
    if limit is None:
        return files
    count = limit if isinstance(limit, int) else max(round(limit * len(files)), 1)
    if count >= len(files):
        return files
    chosen = numpy_generator("limit", seed, domain).permutation(len(files))[:count]
    return Files(tuple(files.names[index] for index in sorted(chosen)))


def split(
    files: Files,
    folder: Path,
    share: float,
    usable: Callable[[Path], bool] = lambda file: not what_it_is(file),
) -> tuple[Files, Files]:
    """Hold out a share of the files, chosen by a hash of their names so that it stays put.

    Those that are not ``usable`` come last: training names them.
    """
    wanted = min(max(1, round(len(files) * share)), len(files) - 1) if share else 0

    def key(name: str) -> bytes:
        inside = name[len(str(folder)) + 1 :]
        return hashlib.sha256(inside.encode(errors="replace")).digest()

    order = sorted(files.names, key=key) if wanted else []
    chosen = set(islice((name for name in order if usable(Path(name))), wanted))
    chosen |= set(islice((name for name in order if name not in chosen), wanted - len(chosen)))
    kept = tuple(name for name in files.names if name not in chosen)
    return Files(kept), Files(tuple(name for name in files.names if name in chosen))


def _usable(codec: Codec[Any] | None, domain: str) -> Callable[[Path], bool]:
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


def _existing(folder: Path, settings: DataSettings) -> Path:
    if folder.is_dir():
        return folder
    what = "is a file, not a folder" if folder.exists() else "does not exist"
    raise DataError(
        f"{folder} {what}. Expected a folder with {LAYOUT}; name yours with --data DIR, or set "
        f"data.a and data.b.{_publication(settings)}"
    )


def _publication(settings: DataSettings) -> str:
    brought = f" To get the published set: cyclekit data get {settings.fetch}"
    elsewhere = f" The set is published at {settings.published}"
    return (brought if settings.fetch else "") + (elsewhere if settings.published else "")


def _if_folder(path: Path) -> Path | None:
    return path if path.is_dir() else None
