"""Which files belong to which domain and split."""

import shlex
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cyclekit.contract.codec import Codec
from cyclekit.data.doubts import copied, doubts_about
from cyclekit.data.generated import is_made
from cyclekit.data.layout import Folders, layout, layout_folder
from cyclekit.data.listing import Files, Kinds, counted_kinds, list_samples, nothing
from cyclekit.data.pair_list import EQUAL_NAMES, EqualNames, counterparts_by
from cyclekit.data.splits import hold_out_together, limited, limited_together, split, usable_in
from cyclekit.errors import DataError, NoSamples, suggest
from cyclekit.names import counted, heading
from cyclekit.recipe.settings import DataSettings


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
        counterparts: How one tells which files of other domains belong to these.
    """

    name: str
    train: Sequence[Path]
    test: Sequence[Path]
    train_folder: Path
    folder: Path
    held_out: bool
    found: int = 0
    counterparts: EqualNames = EQUAL_NAMES

    def test_name(self, file: Path) -> str:
        """What a test file shares with its counterparts in other domains: its path in its folder
        without suffix and without ``_A`` or ``_B`` at the end, or what a list of pairs says."""
        return self.counterparts.of(file, self.folder, self.name)

    def train_name(self, file: Path) -> str:
        """The same of a training file."""
        return self.counterparts.of(file, self.train_folder, self.name)


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
        passed = [f"passed over what is no sample: {counted_kinds(self.others)}"]
        return [*passed[: bool(self.others)]] + [
            f"no test folder for domain {heading(name)}: {len(domain.test)} of "
            f"{counted(domain.found, 'file')} held out for testing"
            for name, domain in self.domains.items()
            if domain.held_out and domain.test
        ]

    def warnings(self) -> list[str]:
        """What a person should know before training starts."""
        found = [*self.doubts]
        for name, domain in self.domains.items():
            if len(domain.train) == 1:
                found.append(
                    f"domain {heading(name)} has one training file: its discriminator will learn "
                    f"it by heart"
                )
        return found


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
        tied: Domains of which whole pairs are held out, and chosen where only a part is wanted.

    Raises:
        DataError: If a folder is missing or has no samples; says what is expected.
    """
    joint = codec is not None and codec.joint
    if joint and settings.pairs:
        raise DataError("data.pairs lists files, but each of these holds a whole pair: drop it.")
    folders = _folders(settings, domains, root, joint)
    counterparts = counterparts_by(settings, domains, root)
    lister = _Lister(settings, domains, codec)
    train, test = lister.all_in(folders)
    counts = {name: len(files) for name, files in train.items()}
    there = [
        (name, Path(folder), files[name])
        for name, both in folders.items()
        for folder, files in zip(both, (train, test), strict=True)
        if folder is not None
    ]
    doubts = [*doubts_about(folders, joint), *counterparts.missing(there)]
    groups = tied or ([tuple(folders)] if settings.pairs else [])
    _hold_out(groups, folders, train, test, settings.held_out, counterparts, codec)
    alike = {name: group for group in tied for name in group}
    found = {}
    for name, (folder, apart) in folders.items():
        part = limited(train[name], settings.limit, seed, name)
        if group := alike.get(name):
            part = limited_together(name, group, folders, train, settings.limit, seed, counterparts)
        where = (Path(folder), Path(apart or folder), apart is None)
        found[name] = Domain(name, part, test[name], *where, counts[name], counterparts)
    extra = lister.samples(settings.extra) if settings.extra else ()
    parallel = settings.parallel or bool(tied) or joint or settings.pairs is not None
    doubts += copied(train, test, joint)
    return Collections(found, extra, parallel, lister.others, doubts)


@dataclass(frozen=True)
class _Lister:
    """Lists folders, and counts what is no sample in them."""

    settings: DataSettings
    domains: Sequence[str]
    codec: Codec[Any] | None
    others: Counter[str] = field(default_factory=Counter)

    def samples(self, folder: str | Path) -> Files:
        found = list_samples(_existing(Path(folder), self.settings, self.domains), self.codec)
        self.others.update(found.others)
        return found.samples

    def all_in(self, folders: Folders) -> tuple[dict[str, Files], dict[str, Files]]:
        """Training files by domain, none of which may lack some, and test files where there are."""
        train: dict[str, Files] = {}
        test: dict[str, Files] = {}
        for name, (folder, apart) in folders.items():
            train[name] = self.samples(folder)
            if not train[name]:
                said = nothing(folder, self.others, self.codec)
                raise NoSamples(f"Domain {heading(name)} is empty: {said}", self.others)
            if apart is not None:
                test[name] = self.samples(apart)
        return train, test


def _hold_out(
    groups: Sequence[Sequence[str]],
    folders: Folders,
    train: dict[str, Files],
    test: dict[str, Files],
    share: float,
    counterparts: EqualNames,
    codec: Codec[Any] | None,
) -> None:
    """Hold out a share of the training files where a domain has no test files: of groups of
    domains whole pairs, of others each for itself."""
    for group in groups:
        hold_out_together(group, folders, train, test, share, counterparts)
    for name, (folder, _) in folders.items():
        if name not in test:
            usable = usable_in(codec, name)
            train[name], test[name] = split(train[name], Path(folder), share, usable)


def found_domains(settings: DataSettings) -> list[str]:
    """Domains that the data has: the keys of ``data.domains``, or the names that folders of
    training files have below ``data.root``, as ``train/NAME`` or ``trainNAME``. None where nothing
    was named, and none of data that has to be made.

    Raises:
        DataError: If there is no such root, or nothing of that kind in it.
    """
    if settings.domains is not None:
        return list(settings.domains)
    if settings.root is None or is_made(settings):
        return []
    root = _existing(Path(settings.root), settings, ("NAME",))
    inside = sorted(path.name for path in root.iterdir() if path.is_dir())
    if _joint(root, "train"):
        names = sorted(path.name for path in (root / "train").iterdir() if path.is_dir())
        found = [name for name in names if not name.startswith(".")]
    else:
        rests = [name.removeprefix("train") for name in inside if name.startswith("train")]
        found = [rest for rest in rests if rest and layout_folder("", rest) == rest]
    if not found:
        holds = f"it holds {', '.join(inside)}" if inside else "it holds no folders"
        raise DataError(
            f"{root} has no domains: expected a folder train/NAME for each (and test/NAME, which "
            f"may be missing), {holds}. Folders elsewhere are set as data.domains."
        )
    return found


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
        raise DataError(_lacks(root, domains, missing))
    tests = settings.tests or {}
    return {
        name: (folder, tests.get(name) or _test_folder(root, name, together is not None))
        for name, folder in found.items()
        if folder is not None
    }


def _test_folder(root: Path, domain: str, joint: bool) -> Path | None:
    """Published sets of files that hold every domain call it ``val`` where there is no ``test``."""
    return _joint(root, "test", "val") if joint else _below(root, "test", domain)


def _lacks(root: Path, domains: Sequence[str], missing: Sequence[str]) -> str:
    """What a folder without some domains' folders is, and what to do."""
    around = root.resolve().parent
    ones = {_below(around, split, name) for split in ("train", "test") for name in domains}
    if root.resolve() in ones:
        return (
            f"{root} holds the files of one domain: name the folder that all domains are in, "
            f"--data {shlex.quote(str(around))}"
        )
    inside = sorted(path.name for path in root.iterdir() if path.is_dir())
    said = f"{root} lacks {' and '.join(missing)}"
    spelt = {name.lower(): name for name in inside}
    if all(name.lower() in spelt for name in missing):
        renamed = " and ".join(f"{spelt[name.lower()]} to {name}" for name in missing)
        return f"{said}: rename {renamed}, since upper and lower case matter."
    expected = f"expected {layout(domains)} (test folders may be missing)"
    if not inside:
        files = sum(path.is_file() for path in root.iterdir())
        holds = f"it holds {counted(files, 'file')} and no folder" if files else "it is empty"
        return f"{said}: {expected}, {holds}. Put the files of each domain into its folder."
    if len(missing) < len(domains):
        there = ", ".join(inside)
        return f"{said}: {expected}, it holds {there}. Add {' and '.join(missing)}."
    named = inside if len(inside) == len(domains) else ["FOLDER"] * len(domains)
    set_so = " ".join(
        f"--set data.domains.{name}={shlex.quote(str(root / folder))}"
        for name, folder in zip(domains, named, strict=True)
    )
    return (
        f"{said}: {expected}, it holds {', '.join(inside)}. Folders with other names are set as "
        f"data.domains: {set_so}"
    )


def _existing(folder: Path, settings: DataSettings, domains: Sequence[str]) -> Path:
    if folder.is_dir():
        return folder
    what = "is a file, not a folder" if folder.exists() else "does not exist"
    if settings.root and folder.is_relative_to(Path.cwd()):
        meant = Path(settings.root) / folder.relative_to(Path.cwd())
        if meant.is_dir() and meant != folder:
            raise DataError(
                f"{folder} {what}. Folders of data.domains are looked for where you are, not in "
                f"--data: name {meant}, and leave out --data."
            )
    raise DataError(
        f"{folder} {what}. Expected a folder with {layout(domains)}; name yours with --data DIR, "
        f"or set data.domains.{_publication(settings)}"
    )


def _publication(settings: DataSettings) -> str:
    brought = f" To get the published set: cyclekit data get {settings.fetch}"
    elsewhere = f" The set is published at {settings.homepage}"
    return (brought if settings.fetch else "") + (elsewhere if settings.homepage else "")
