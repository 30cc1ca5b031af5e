"""Which files belong to which domain and split."""

import filecmp
import hashlib
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations, islice
from pathlib import Path
from typing import Any

from cyclekit.contract import Codec
from cyclekit.data.contents import what_it_is
from cyclekit.data.encoded import load_file
from cyclekit.data.listing import Files, Kinds, counted, list_samples, nothing
from cyclekit.errors import BadSample, DataError, suggest
from cyclekit.names import heading
from cyclekit.randomness import numpy_generator
from cyclekit.recipe.settings import DataSettings

MOST_COMPARED, MOST_COPIES = 200, 0.1  # files of two folders; share of them that may be the same
MOST_READ = 32  # held-out files of a domain that are read to see whether they can be

Folders = dict[str, tuple[str | Path, str | Path | None]]
"""Training and test folder of each domain."""


@dataclass(frozen=True)
class Domain:
    """The files of one domain.

    Attributes:
        name: The domain.
        train: Training files, sorted.
        test: Test files, sorted; none of them is a training file.
        train_folder: The folder that training files' names are relative to.
        folder: The folder that test files' names are relative to.
        held_out: Whether the test files are a share of the training folder.
        found: How many samples the training folder holds.
    """

    name: str
    train: Sequence[Path]
    test: Sequence[Path]
    train_folder: Path
    folder: Path
    held_out: bool
    found: int = 0

    def test_name(self, file: Path) -> str:
        """A test file's path inside its folder without suffix: equal names make a pair.

        So do names that differ only in ending in ``_A`` and ``_B``, as published sets have them.
        """
        return pair_name(file, self.folder, self.name)

    def train_name(self, file: Path) -> str:
        """The same of a training file."""
        return pair_name(file, self.train_folder, self.name)


@dataclass(frozen=True)
class Collections:
    """All domains, and the files of ``data.extra``.

    Attributes:
        domains: By name.
        extra: Files of no domain.
        parallel: Whether held-out files of equal names are the same thing, seen from all sides.
        others: How many files of each kind were passed over, since they are no samples.
        doubts: What looks wrong about the folders.
        unrelated: Pairs of domains between which equal names are known to mean nothing.
    """

    domains: dict[str, Domain]
    extra: Sequence[Path]
    parallel: bool = False
    others: Kinds = field(default_factory=dict)
    doubts: Sequence[str] = ()
    unrelated: frozenset[frozenset[str]] = frozenset()

    @property
    def has_tests(self) -> bool:
        """Whether every domain has test files."""
        return all(domain.test for domain in self.domains.values())

    def pairs(self, source: str, target: str) -> dict[str, tuple[Path, Path]]:
        """Test files with the same name in two domains: the same thing, seen from both sides.

        Held-out files are paired only where the recipe says that the folders are parallel: equal
        names in two unrelated folders mean nothing.
        """
        a, b = self.domains[source], self.domains[target]
        if frozenset((source, target)) in self.unrelated:
            return {}
        if (a.held_out or b.held_out) and not self.parallel:
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
                    f"domain {heading(name)} has one training file: its discriminator will learn "
                    f"it by heart"
                )
            if domain.held_out and domain.test:
                found.append(
                    f"no test folder for domain {heading(name)}: {len(domain.test)} of "
                    f"{domain.found} files are held out"
                )
        return found


def pair_name(file: Path, folder: Path, domain: str) -> str:
    """A file's path inside its folder, without suffix and without its domain at the end."""
    name = file.relative_to(folder).with_suffix("").as_posix()
    return name.removesuffix(f"_{heading(domain)}")


def find_collections(
    settings: DataSettings,
    domains: Sequence[str],
    codec: Codec[Any] | None = None,
    root: Path | None = None,
    seed: int = 0,
    tied: Sequence[Sequence[str]] = (),
) -> Collections:
    """Find the files that ``settings`` describe.

    Args:
        settings: The recipe's ``[data]`` table.
        domains: Whose files are wanted.
        codec: Says which files are samples; without one all are.
        root: Overrides ``settings.root`` (where built-in data was made).
        seed: Chooses the training files where ``settings`` ask for a part of them.
        tied: Domains whose files of equal names belong together: held out together, and chosen
            together where only a part is wanted.

    Raises:
        DataError: If a folder is missing or has no samples; says what is expected.
    """
    joint = codec is not None and codec.joint
    folders = _folders(settings, domains, root, joint)
    others = Counter[str]()

    def samples(folder: str | Path) -> Files:
        found = list_samples(_existing(Path(folder), settings, domains), codec)
        others.update(found.others)
        return found.samples

    train: dict[str, Files] = {}
    test: dict[str, Files] = {}
    counts: dict[str, int] = {}
    for name, (folder, apart) in folders.items():
        train[name] = samples(folder)
        counts[name] = len(train[name])
        if not train[name]:
            raise DataError(f"Domain {heading(name)} is empty: {nothing(folder, others, codec)}")
        if apart is not None:
            test[name] = samples(apart)
    for group in tied or ():
        _hold_out_together(group, folders, train, test, settings.held_out)
    for name, (folder, _) in folders.items():
        if name not in test:
            usable = _usable(codec, name)
            train[name], test[name] = split(train[name], Path(folder), settings.held_out, usable)
    alike = {name: group for group in tied for name in group}
    found = {}
    for name, (folder, apart) in folders.items():
        part = limited(train[name], settings.limit, seed, name)
        if name in alike:
            part = _limited_together(name, alike[name], folders, train, settings.limit, seed)
        where = Path(folder)
        tests = Path(apart or where)
        found[name] = Domain(name, part, test[name], where, tests, apart is None, counts[name])
    extra = samples(settings.extra) if settings.extra else ()
    parallel = settings.parallel or bool(tied) or joint
    doubts = [*_doubts(folders, joint), *_copied(found, joint)]
    return Collections(found, extra, parallel, others, doubts)


def layout_folder(split: str, domain: str) -> str:
    """The folder of a domain's training or test files below a root: ``trainA``, ``testWinter``."""
    return f"{split}{domain[:1].upper()}{domain[1:]}"


def layout(domains: Sequence[str]) -> str:
    """What is expected below a root, in words."""
    names = [layout_folder(split, domain) for split in ("train", "test") for domain in domains]
    return f"{', '.join(names[:-1])} and {names[-1]}"


def _below(root: Path, split: str, domain: str) -> Path | None:
    """A domain's folder of training or test files, where there is one."""
    ways = (layout_folder(split, domain), f"{split}/{domain}", f"{split}/{heading(domain)}")
    return next((root / way for way in ways if (root / way).is_dir()), None)


def _joint(root: Path, *splits: str) -> Path | None:
    """The folder of files that hold samples of every domain, where there is one."""
    return next((root / split for split in splits if (root / split).is_dir()), None)


def _folders(
    settings: DataSettings, domains: Sequence[str], root: Path | None, joint: bool
) -> Folders:
    for key, named in (("domains", settings.domains), ("tests", settings.tests)):
        for name in named or ():
            if name not in domains:
                raise DataError(
                    f"data.{key} names a domain {name!r}, but the objective has "
                    f"{' and '.join(domains)}. {suggest(name, domains)}"
                )
    tests = settings.tests or {}
    if settings.domains is None:
        return _by_layout(settings, domains, root or settings.root, joint)
    missing = [f"data.domains.{name}" for name in domains if name not in settings.domains]
    if missing:
        raise DataError(
            f"data.domains names a folder for each of the objective's domains, or none: set "
            f"{' and '.join(missing)} too."
        )
    return {name: (settings.domains[name], tests.get(name)) for name in domains}


def _by_layout(
    settings: DataSettings, domains: Sequence[str], root: Path | str | None, joint: bool
) -> Folders:
    if not root:
        raise DataError(
            f"No data was named. Give --data DIR, a folder with {layout(domains)}, or set "
            f"data.domains to folders.{_publication(settings)}"
        )
    root = _existing(Path(root), settings, domains)
    together = _joint(root, "train") if joint else None
    found = {name: together or _below(root, "train", name) for name in domains}
    missing = [layout_folder("train", name) for name, folder in found.items() if folder is None]
    if missing:
        inside = sorted(path.name for path in root.iterdir() if path.is_dir())
        holds = f"it holds {', '.join(inside)}" if inside else "it holds no folders"
        raise DataError(
            f"{root} lacks {' and '.join(missing)}: expected {layout(domains)} (test folders may "
            f"be missing), {holds}. Folders with other names are set as data.domains."
        )
    tests = settings.tests or {}
    return {
        name: (folder, tests.get(name) or _test_folder(root, name, together is not None))
        for name, folder in found.items()
        if folder is not None
    }


def _test_folder(root: Path, domain: str, joint: bool) -> Path | None:
    """Published sets of files that hold every domain call it ``val`` where there is no ``test``."""
    return _joint(root, "test", "val") if joint else _below(root, "test", domain)


def _doubts(folders: Folders, joint: bool) -> list[str]:
    """What looks wrong about the folders by their names and places alone."""
    found = []
    for one, other in combinations(folders, 2):
        (train, test), (other_train, other_test) = folders[one], folders[other]
        found += [] if joint else _nested(train, other_train)
        said = "domain {} is {} and domain {} is {}"
        found += _swapped(said, (one, train), (other, other_train))
        said = "the test files of domain {} are {}, those of {} {}"
        found += _swapped(said, (one, test), (other, other_test))
    for domain, (train, test) in folders.items():
        if test is not None and os.path.realpath(train) == os.path.realpath(test):
            found.append(
                f"domain {heading(domain)}'s test files are its training files: figures will not "
                f"say what becomes of new ones"
            )
    return found


def _nested(a: str | Path, b: str | Path) -> list[str]:
    """The doubt about two domains' folders of which one holds the other."""
    inside, where = sorted((os.path.realpath(a), os.path.realpath(b)), key=len, reverse=True)
    if inside == where:
        return [f"both domains are the folder {a}: there is nothing to translate"]
    if Path(where) in Path(inside).parents:
        return [f"{inside} lies in the other domain's folder: its files are in both domains"]
    return []


def _swapped(
    said: str, one: tuple[str, str | Path | None], other: tuple[str, str | Path | None]
) -> list[str]:
    """The doubt about folders whose names end in the other domain's."""
    (name, folder), (other_name, other_folder) = one, other
    if folder and other_folder and _ends_in(folder, other_name) and _ends_in(other_folder, name):
        said = said.format(heading(name), folder, heading(other_name), other_folder)
        return [f"{said}: are they swapped?"]
    return []


def _ends_in(folder: str | Path, domain: str) -> bool:
    """Whether a folder is called as a domain's would be: ``B``, ``trainWinter``, ``winter``."""
    return Path(folder).name.endswith((heading(domain), layout_folder("", domain)))


def _copied(domains: Mapping[str, Domain], joint: bool) -> list[str]:
    """What is there twice, by the first files that have a name and a size in common."""
    compared = [
        (a.train, b.train, f"domains {heading(a.name)} and {heading(b.name)}",
         "there is little to translate")
        for a, b in combinations(() if joint else domains.values(), 2)
    ] + [
        (of.train, of.test, f"{heading(of.name)}'s training and test files",
         "figures will look too good")
        for of in domains.values()
    ]  # fmt: skip
    found = []
    for one, other, what, so in compared:
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


def _named(files: Files, folder: str | Path, domain: str) -> dict[str, str]:
    """Files by the names that pairs share."""
    return {pair_name(file, Path(folder), domain): str(file) for file in files}


def _hold_out_together(
    group: Sequence[str],
    folders: Folders,
    train: dict[str, Files],
    test: dict[str, Files],
    share: float,
) -> None:
    """Hold out whole pairs, where none of the domains has test files."""
    if any(name in test for name in group):
        return
    named = {name: _named(train[name], folders[name][0], name) for name in group}
    shared = set.intersection(*(set(names) for names in named.values()))
    wanted = min(max(1, round(len(shared) * share)), len(shared) - 1) if share and shared else 0
    chosen = sorted(shared, key=lambda name: hashlib.sha256(os.fsencode(name)).digest())[:wanted]
    for name in group:
        held = {named[name][each] for each in chosen}
        test[name] = Files(tuple(file for file in train[name].names if file in held))
        train[name] = Files(tuple(file for file in train[name].names if file not in held))


def _limited_together(
    name: str,
    group: Sequence[str],
    folders: Folders,
    train: Mapping[str, Files],
    limit: float | None,
    seed: int,
) -> Files:
    """A part of a domain's files, the same pairs as of the others of its group."""
    if limit is None:
        return train[name]
    named = {other: _named(train[other], folders[other][0], other) for other in group}
    shared = sorted(set.intersection(*(set(names) for names in named.values())))
    chosen = limited(Files(tuple(shared)), limit, seed, " ".join(group)).names
    return Files(tuple(sorted(named[name][each] for each in chosen)))


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


def _existing(folder: Path, settings: DataSettings, domains: Sequence[str]) -> Path:
    if folder.is_dir():
        return folder
    what = "is a file, not a folder" if folder.exists() else "does not exist"
    raise DataError(
        f"{folder} {what}. Expected a folder with {layout(domains)}; name yours with --data DIR, "
        f"or set data.domains.{_publication(settings)}"
    )


def _publication(settings: DataSettings) -> str:
    brought = f" To get the published set: cyclekit data get {settings.fetch}"
    elsewhere = f" The set is published at {settings.published}"
    return (brought if settings.fetch else "") + (elsewhere if settings.published else "")
