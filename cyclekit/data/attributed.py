"""Files whose domains a table tells: each is in one of two for every attribute."""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from cyclekit.contract.codec import Codec
from cyclekit.data.attributes import AttributeTable
from cyclekit.data.folders import Collections, Domain, find_collections
from cyclekit.data.listing import Files, list_samples, nothing
from cyclekit.data.splits import limited, split, usable_in
from cyclekit.errors import DataError
from cyclekit.names import without
from cyclekit.recipe.settings import DataSettings

MOST_UNKNOWN = 0.2  # share of the files that the table may lack
NAMED = 3  # of them in a message


def find_files(
    settings: DataSettings,
    domains: Sequence[str],
    table: AttributeTable,
    codec: Codec[Any] | None = None,
    root: Path | None = None,
    seed: int = 0,
    tied: Sequence[Sequence[str]] = (),
) -> Collections:
    """``find_collections``, or, where the domains are a table's attributes, what that makes of one
    folder of files.

    Raises:
        DataError: As that does; or if the table cannot be used, lacks too many files, or an
            attribute has the same value everywhere.
    """
    if not table.names:
        return find_collections(settings, domains, codec, root, seed, tied)
    if settings.domains is not None or not (root or settings.root):
        raise DataError("Attributes are of files in one folder: set data.root, or --data DIR.")
    home = Path(root or settings.root or "")
    if not home.is_dir():
        what = "is a file" if home.exists() else "does not exist"
        raise DataError(f"{home} {what}. Expected a folder with the files of {table.file}.")
    folders = _folders(home)
    others = Counter[str]()
    found: dict[str, Files] = {}
    doubts: list[str] = []
    for name, folder in folders.items():
        listing = list_samples(folder, codec)
        others.update(listing.others)
        found[name] = _known(listing.samples, folder, table, doubts)
        if not found[name]:
            raise DataError(f"There is nothing to learn from: {nothing(folder, others, codec)}")
    others = _without_table(others, table, home)
    count = len(found["train"])
    if "test" not in found:
        usable = usable_in(codec, domains[0])
        found["train"], found["test"] = split(
            found["train"], folders["train"], settings.held_out, usable
        )
    train = limited(found["train"], settings.limit, seed, "attributes")
    made = _views(table, folders, {"train": train, "test": found["test"]}, count)
    apart = frozenset(map(frozenset, combinations(made, 2)))
    return Collections(made, (), False, others, doubts, apart)


def _folders(home: Path) -> dict[str, Path]:
    """Where the files of each split are; without ``train``, all are in one folder."""
    if not (home / "train").is_dir():
        return {"train": home}
    return {kind: home / kind for kind in ("train", "test") if (home / kind).is_dir()}


def _views(
    table: AttributeTable, folders: Mapping[str, Path], found: Mapping[str, Files], count: int
) -> dict[str, Domain]:
    """Two domains of each attribute: the files that have it not, and those that have it.

    Raises:
        DataError: If an attribute has the same value everywhere.
    """
    values = {kind: _values(files, table) for kind, files in found.items()}
    made = {}
    for column, name in enumerate(table.names):
        for value, domain in ((False, without(name)), (True, name)):
            mine = {
                kind: Files(tuple(file for file, own in zip(files.names, values[kind][:, column],
                                                            strict=True) if own == value))
                for kind, files in found.items()
            }  # fmt: skip
            if not mine["train"]:
                raise DataError(
                    f"All {len(found['train'])} training files have the same {name!r}, "
                    f"{int(not value)}: leave it out of objective.attributes."
                )
            made[domain] = Domain(
                domain, mine["train"], mine["test"], folders["train"],
                folders.get("test", folders["train"]), "test" not in folders, count,
            )  # fmt: skip
    return made


def _known(files: Files, folder: Path, table: AttributeTable, doubts: list[str]) -> Files:
    """Those that the table has, each under a name of its own."""
    rows = {file: table.row(file) for file in files}
    unknown = [file for file, row in rows.items() if row is None]
    if len(unknown) > MOST_UNKNOWN * len(files):
        raise DataError(
            f"{table.file} says nothing about {len(unknown)} of the {len(files)} files in "
            f"{folder}: {_listed(unknown)}. It has {len(table)} others."
        )
    if unknown:
        doubts.append(
            f"left out {len(unknown)} of {len(files)} files in {folder}, of which {table.file} "
            f"says nothing: {_listed(unknown)}"
        )
    for row, count in Counter(row for row in rows.values() if row is not None).items():
        if count > 1:
            twice = [str(file) for file, own in rows.items() if own == row]
            raise DataError(
                f"{table.file} says {row!r} once, but {twice[0]} and {twice[1]} are both called "
                f"so. Write their folders into the table."
            )
    return Files(tuple(str(file) for file, row in rows.items() if row is not None))


def _values(files: Files, table: AttributeTable) -> np.ndarray[tuple[int, int], Any]:
    """``(files, attributes)``."""
    return np.array([table.of(file) for file in files], dtype=bool).reshape(-1, len(table.names))


def _without_table(others: Counter[str], table: AttributeTable, home: Path) -> Counter[str]:
    """What was passed over, the table itself aside."""
    if table.file is not None and table.file.resolve().is_relative_to(home.resolve()):
        others[table.file.suffix] -= 1
    return +others


def _listed(files: Sequence[Path]) -> str:
    more = f" and {len(files) - NAMED} more" if len(files) > NAMED else ""
    return ", ".join(file.name for file in files[:NAMED]) + more
