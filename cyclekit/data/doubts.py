"""What looks wrong about folders of data, and about how much they hold."""

import filecmp
import os
from collections.abc import Mapping
from itertools import combinations, islice
from pathlib import Path

from cyclekit.data.layout import Folders, layout_folder
from cyclekit.data.listing import Files
from cyclekit.names import counted, heading

MOST_COMPARED, MOST_COPIES = 200, 0.1  # files of two folders; share of them that may be the same
FEW_WINDOWS, FEW_TESTS = 50, 10  # training windows, test files: with fewer of them a person is told


def scarcities(windows: Mapping[str, int], tests: Mapping[str, int]) -> list[str]:
    """Domains of which there is so little that training, or figures, will come to nothing.

    Args:
        windows: How many there are for training, by domain.
        tests: How many test files, by domain.
    """
    trained = [
        f"domain {heading(name)} has {counted(count, 'training window')} (what a step sees of a "
        f"file), which discriminators learn by heart: some hundred are usual, so add files"
        for name, count in windows.items()
        if count < FEW_WINDOWS
    ]
    tested = [
        f"domain {heading(name)} has {counted(count, 'test file')}: figures of so few are chance"
        for name, count in tests.items()
        if 0 < count < FEW_TESTS
    ]
    return trained + tested


def doubts_about(folders: Folders, joint: bool = False) -> list[str]:
    """What looks wrong about the folders by their names and places alone.

    Args:
        folders: Of each domain.
        joint: Whether files hold samples of every domain, so that they share a folder.
    """
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


def copied(train: Mapping[str, Files], test: Mapping[str, Files], joint: bool = False) -> list[str]:
    """What is there twice, by the first files that have a name and a size in common.

    Args:
        train: Each domain's training files.
        test: Their test files.
        joint: Whether domains share their files.
    """
    compared = [
        (train[a], train[b], f"domains {heading(a)} and {heading(b)}",
         "there is little to translate")
        for a, b in combinations(() if joint else train, 2)
    ] + [
        (train[name], test[name], f"{heading(name)}'s training and test files",
         "figures will look too good")
        for name in train
    ]  # fmt: skip
    found = []
    for one, other, what, so in compared:
        twins = {file.name: file for file in islice(other, MOST_COMPARED)}
        # In folders of folders a name may come again and again.
        named_alike = (file for file in one if file.name in twins)
        both = [(file, twins[file.name]) for file in islice(named_alike, MOST_COMPARED)]
        copies = sum(_same(*pair) for pair in both)
        if copies > MOST_COPIES * min(len(one), len(twins)):
            found.append(f"{what} have {copies} files in common, byte for byte: {so}")
    return found


def _same(one: Path, other: Path) -> bool:
    try:
        return one.stat().st_size > 0 and filecmp.cmp(one, other, shallow=False)
    except OSError:  # whoever reads it next says so
        return False
