"""Pairs that a list names, since their files are called otherwise."""

from pathlib import Path

import pytest
from support import touch

from cyclekit.data.folders import find_collections
from cyclekit.errors import DataError
from cyclekit.recipe.settings import DataSettings

LINES = "A,B\n0.png,shot-7\nsub/1.png,shot-8.png\n2.png,shot-9\n"


def listed(root: Path, lines: str = LINES) -> DataSettings:
    """A folder with three files a side, of which a list says which belong together."""
    touch(*(root / "trainA" / name for name in ("0.png", "sub/1.png", "2.png", "shot-7.png")))
    touch(*(root / "trainB" / f"shot-{number}.png" for number in (7, 8, 9)))
    (root / "pairs.csv").write_text(lines)
    return DataSettings(root=str(root), pairs="pairs.csv", held_out=0.4)


def test_listed_files_are_pairs_and_equal_names_are_none(tmp_path: Path) -> None:
    found = find_collections(listed(tmp_path), ("a", "b"), tied=[("a", "b")])
    a, b = found.domains.values()
    twins = {a.train_name(file): file.name for file in a.train}
    both = {(twins.get(b.train_name(file)), file.name) for file in b.train}
    held = {(one.name, other.name) for one, other in found.pairs("a", "b").values()}
    assert len(held) == 1
    assert both | held == {
        ("0.png", "shot-7.png"), ("1.png", "shot-8.png"), ("2.png", "shot-9.png")
    }  # fmt: skip


def test_figures_know_listed_pairs_of_objectives_without_pairs(tmp_path: Path) -> None:
    found = find_collections(listed(tmp_path), ("a", "b"))
    assert len(found.pairs("a", "b")) == 1


def test_files_that_are_not_there_are_counted(tmp_path: Path) -> None:
    settings = listed(tmp_path, "A,B,note\n0.png,shot-7.png,good\n5.png,shot-8.png,\n")
    (doubt,) = find_collections(settings, ("a", "b")).doubts
    assert doubt.endswith("names 1 files that are not there: 5.png")


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ("0.png,shot-7.png\n", "expected CSV with a column for each domain, its first line A,B"),
        ("A,B\n", "lists no pairs"),
        ("", "expected CSV with a column"),
        ("A,B\n0.png\n", "line 2: expected a file of A and of B, found '0.png'"),
        ("A,B\n0.png,shot-7\n0.png,shot-8\n", "line 3: '0.png' of A is in an earlier line"),
        ("A,B\nx.png,y.png\n", "none of the files that .* names is there: x.png, y.png"),
    ],
)
def test_what_is_no_list_is_told(tmp_path: Path, lines: str, says: str) -> None:
    with pytest.raises(DataError, match=says):
        find_collections(listed(tmp_path, lines), ("a", "b"))


def test_a_list_must_be_there(tmp_path: Path) -> None:
    settings = listed(tmp_path).model_copy(update={"pairs": "elsewhere.csv"})
    with pytest.raises(DataError, match=r"data\.pairs: elsewhere\.csv does not exist"):
        find_collections(settings, ("a", "b"))
