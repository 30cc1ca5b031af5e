"""Which files belong where, and what is said when they don't."""

import os
from pathlib import Path
from typing import Any

import pytest
from support import find_two as find_collections
from support import touch

from cyclekit.contract.codec import Codec
from cyclekit.contract.options import Options
from cyclekit.data.folders import find_collections as find_any
from cyclekit.data.listing import Listing, list_samples
from cyclekit.errors import BadSample, DataError
from cyclekit.recipe.settings import DataSettings


def layout(root: Path) -> DataSettings:
    touch(*(root / split / f"{n}.png" for split in ("trainA", "trainB") for n in range(3)))
    touch(root / "testA" / "x.png", root / "testA" / "only.png", root / "testB" / "x.jpg")
    return DataSettings(root=str(root))


def test_the_known_layout(tmp_path: Path) -> None:
    found = find_collections(layout(tmp_path))
    assert len(found.domains["a"].train) == 3
    assert len(found.domains["b"].test) == 1
    pair = (tmp_path / "testA" / "x.png", tmp_path / "testB" / "x.jpg")
    assert found.pairs("a", "b") == {"x": pair}
    assert found.warnings() == []


def test_names_that_end_in_their_domain_are_pairs(tmp_path: Path) -> None:
    settings = layout(tmp_path)
    touch(tmp_path / "testA" / "1_A.jpg", tmp_path / "testB" / "1_B.jpg")
    assert set(find_collections(settings).pairs("a", "b")) == {"x", "1"}


def test_folders_are_searched_and_hidden_files_passed_over(tmp_path: Path) -> None:
    settings = layout(tmp_path)
    touch(tmp_path / "trainA" / "deep" / "er" / "y.png")
    touch(tmp_path / "trainA" / ".DS_Store", tmp_path / "trainA" / ".git" / "z.png")
    names = [file.name for file in find_collections(settings).domains["a"].train]
    assert sorted(names) == ["0.png", "1.png", "2.png", "y.png"]


def test_two_folders_hold_out_a_share_that_stays_put(tmp_path: Path) -> None:
    touch(*(tmp_path / folder / f"{n}.png" for folder in ("cats", "dogs") for n in range(40)))
    settings = DataSettings(domains={"a": str(tmp_path / "cats"), "b": str(tmp_path / "dogs")})
    found = find_collections(settings)
    cats = found.domains["a"]
    assert (len(cats.train), len(cats.test)) == (36, 4)
    assert not set(cats.train) & set(cats.test)
    assert find_collections(settings) == found
    touch(tmp_path / "cats" / "new.png")
    again = find_collections(settings).domains["a"]
    assert len(set(again.test) & set(cats.test)) >= 3
    assert found.pairs("a", "b") == {}  # equal names in unrelated folders mean nothing
    assert any("4 of 40 files held out" in remark for remark in found.remarks())


def test_of_parallel_folders_equal_names_are_pairs(tmp_path: Path) -> None:
    touch(*(tmp_path / folder / f"{n}.wav" for folder in ("slt", "rms") for n in range(40)))
    folders = {"a": str(tmp_path / "slt"), "b": str(tmp_path / "rms")}
    found = find_collections(DataSettings(domains=folders, parallel=True))
    assert len(found.pairs("a", "b")) == 4
    assert all(a.name == b.name for a, b in found.pairs("a", "b").values())


def test_holding_out_never_takes_every_file(tmp_path: Path) -> None:
    touch(*(tmp_path / folder / f"{n}.png" for folder in ("cats", "dogs") for n in range(4)))
    folders = {"a": str(tmp_path / "cats"), "b": str(tmp_path / "dogs")}
    found = find_collections(DataSettings(domains=folders, held_out=0.95))
    assert (len(found.domains["a"].train), len(found.domains["a"].test)) == (1, 3)


def test_own_test_folders(tmp_path: Path) -> None:
    touch(*(tmp_path / name / "1.png" for name in ("a", "b", "ta", "tb")))
    train, tests = (
        {"a": str(tmp_path / f"{mark}a"), "b": str(tmp_path / f"{mark}b")} for mark in ("", "t")
    )
    found = find_collections(DataSettings(domains=train, tests=tests))
    assert list(found.pairs("a", "b")) == ["1"]


def test_every_domain_needs_its_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"set data\.domains\.b too"):
        find_collections(DataSettings(domains={"a": str(tmp_path)}))
    with pytest.raises(DataError, match=r"names a domain 'c', but the objective has a and b"):
        find_collections(DataSettings(domains=dict.fromkeys("abc", str(tmp_path))))


@pytest.mark.parametrize("place", ["trainHorse", "train/horse"])
def test_domains_have_whatever_names(tmp_path: Path, place: str) -> None:
    touch(tmp_path / place / "1.png", tmp_path / "trainZebra/1.png")
    touch(tmp_path / "test/zebra/2.png")
    found = find_any(DataSettings(root=str(tmp_path)), ("horse", "zebra")).domains
    assert [domain.train[0].name for domain in found.values()] == ["1.png", "1.png"]
    assert [domain.held_out for domain in found.values()] == [True, False]


def test_pairs_are_held_out_and_chosen_as_pairs(tmp_path: Path) -> None:
    touch(*(tmp_path / f"train{side}/{n}.png" for side in "AB" for n in range(20)))
    touch(*(tmp_path / f"trainA/only-{n}.png" for n in range(20)))
    settings = DataSettings(root=str(tmp_path), held_out=0.2, limit=6)
    found = find_collections(settings, tied=[("a", "b")])
    a, b = found.domains.values()
    assert {file.name for file in b.train} <= {file.name for file in a.train}
    assert (len(a.train), len(a.test), len(found.pairs("a", "b"))) == (
        6,
        8,
        4,
    ), "a fifth of those alone, too"


@pytest.mark.parametrize(("limit", "pairs", "count"), [(12, 3, 12), (0.3, 3, 12), (40, 10, 40)])
def test_a_part_of_pairs_and_of_others(
    tmp_path: Path, limit: float, pairs: int, count: int
) -> None:
    touch(*(tmp_path / f"train{side}/{n}.png" for side in "AB" for n in range(10)))
    touch(*(tmp_path / f"train{side}/only-{side}{n}.png" for side in "AB" for n in range(30)))
    settings = DataSettings(root=str(tmp_path), held_out=0, limit=limit)
    a, b = find_collections(settings, tied=[("a", "b")]).domains.values()
    names = [{file.name for file in domain.train} for domain in (a, b)]
    assert [len(each) for each in names] == [count, count]
    assert len(names[0] & names[1]) == pairs
    assert len(names[0] | names[1]) == 2 * count - pairs


def test_one_file_is_enough_and_is_warned_about(tmp_path: Path) -> None:
    touch(tmp_path / "trainA" / "1.png", tmp_path / "trainB" / "1.png", tmp_path / "trainB/2.png")
    found = find_collections(DataSettings(root=str(tmp_path)))
    assert len(found.domains["a"].train) == 1
    assert any("domain A has one training file" in warning for warning in found.warnings())


@pytest.mark.parametrize(
    ("make", "said"),
    [
        ([], "lacks trainA and trainB"),
        ([], "it is empty"),
        (["1.png", "2.png"], "it holds 2 files and no folder. Put the files of each domain"),
        (["trainA/1.png"], "lacks trainB.*it holds trainA. Add trainB."),
        (["traina/1.png", "trainb/1.png"], "rename traina to trainA and trainb to trainB"),
        (["trainA/1.png", "trainB/.hidden"], "Domain B is empty"),
        (
            ["horses/1.png", "zebras/1.png"],
            "--set data.domains.a=.*/horses --set data.domains.b=.*/zebras",
        ),
    ],
)
def test_incomplete_folders_are_explained(tmp_path: Path, make: list[str], said: str) -> None:
    touch(*(tmp_path / name for name in make))
    with pytest.raises(DataError, match=said):
        find_collections(DataSettings(root=str(tmp_path)))


def test_missing_data_says_where_the_set_is_published(tmp_path: Path) -> None:
    settings = DataSettings(root=str(tmp_path / "nowhere"), homepage="http://example.org/x.zip")
    with pytest.raises(DataError, match=r"does not exist.*trainA.*published at http://example"):
        find_collections(settings)
    with pytest.raises(DataError, match=r"No data was named.*--data"):
        find_collections(DataSettings())


class Pictures(Codec[Any]):
    """Takes two suffixes, and what begins like one of them; reads nothing."""

    suffixes = frozenset({".png", ".jpg"})
    spec = encode = decode = save = Codec.fit  # type: ignore[assignment]

    def load(self, path: Path) -> Any:
        return path

    def recognises(self, head: bytes) -> bool:
        return head.startswith(b"PNG")


def found_in(folder: Path) -> Listing:
    return list_samples(folder, Pictures(Options()))


def test_samples_are_told_by_their_suffix_or_by_what_is_inside(tmp_path: Path) -> None:
    touch(
        *(tmp_path / name for name in ("a.PNG", "b.jpg", "b.txt", "c.txt", "README", "Thumbs.db"))
    )
    (tmp_path / "frame.0001").write_bytes(b"PNG and more")
    os.mkfifo(tmp_path / "pipe")
    found = found_in(tmp_path)
    assert [file.name for file in found.samples] == ["a.PNG", "b.jpg", "frame.0001"]
    assert found.others == {".txt": 2, "without suffix": 2}  # one is a pipe


def test_linked_folders_are_followed_and_loops_seen(tmp_path: Path) -> None:
    touch(tmp_path / "elsewhere" / "1.png", tmp_path / "data" / "2.png")
    (tmp_path / "data" / "more").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "back").symlink_to(tmp_path / "data")
    assert [file.name for file in found_in(tmp_path / "data").samples] == ["2.png", "1.png"]


@pytest.mark.parametrize(("limit", "count"), [(3, 3), (0.5, 2), (1.0, 4), (9, 4)])
def test_a_part_of_the_files(tmp_path: Path, limit: float, count: int) -> None:
    touch(*(tmp_path / f"{split}/{n}.png" for split in ("trainA", "trainB") for n in range(4)))
    settings = DataSettings(root=str(tmp_path), limit=limit, held_out=0)
    parts = [find_collections(settings, seed=seed).domains["a"].train for seed in (0, 0, 1, 2)]
    assert len(parts[0]) == count
    assert list(parts[0]) == list(parts[1])
    assert count == 4 or len({tuple(part) for part in parts}) > 1


def test_folders_that_look_wrong_are_doubted(tmp_path: Path) -> None:
    touch(tmp_path / "trainA/1.png", tmp_path / "trainB/1.png", tmp_path / "testA/1.png")
    a, b = str(tmp_path / "trainA"), str(tmp_path / "trainB")

    def doubts(one: str, other: str, **tests: str) -> list[str]:
        settings = DataSettings(held_out=0, domains={"a": one, "b": other}, tests=tests)
        return find_collections(settings).warnings()

    assert "there is nothing to translate" in doubts(a, a)[0]
    assert "are they swapped?" in doubts(b, a)[0]
    assert "test files are its training files" in doubts(a, b, a=a)[0]
    assert not any("?" in doubt for doubt in doubts(a, b))


def test_folders_that_hold_the_same_are_doubted(tmp_path: Path) -> None:
    for folder in ("cats", "copy", "dogs", "testA", "testB"):
        touch(*(tmp_path / folder / f"{n}.png" for n in range(20)))
        for n in range(20):
            (tmp_path / folder / f"{n}.png").write_text(f"{folder.replace('copy', 'cats')} {n}")
    touch(tmp_path / "cats/dogs/7.png")

    def doubts(one: str, other: str, **tests: str) -> list[str]:
        named, own = ({key: str(tmp_path / name) for key, name in some.items()} for some in
                      ({"a": one, "b": other}, tests))  # fmt: skip
        return find_collections(DataSettings(held_out=0, domains=named, tests=own)).warnings()

    assert "20 files in common, byte for byte" in doubts("cats", "copy")[0]
    assert "training and test files have 20" in doubts("cats", "dogs", a="copy")[0]
    assert "lies in the other domain's folder" in doubts("cats", "cats/dogs")[0]
    assert "swapped?" in doubts("cats", "dogs", a="testB", b="testA")[0]
    assert not doubts("cats", "dogs", a="testA", b="testB")


def test_what_cannot_be_read_is_not_held_out(tmp_path: Path) -> None:
    folders = {"a": str(tmp_path / "cats"), "b": str(tmp_path / "dogs")}
    settings = DataSettings(domains=folders, held_out=0.25)
    for n in range(12):
        touch(tmp_path / f"cats/{n}.png", tmp_path / f"dogs/{n}.png")
        (tmp_path / f"cats/{n}.png").write_text("a cat")
    held = find_collections(settings, Pictures(Options())).domains["a"].test
    broken = {file.name for file in held[:2]}

    class Choosy(Pictures):
        def load(self, path: Path) -> Any:
            if path.name in broken:
                raise BadSample(path, "is broken off")
            return super().load(path)

    cats = find_collections(settings, Choosy(Options())).domains["a"]
    assert len(cats.test) == 3
    assert not broken & {file.name for file in cats.test}
    assert broken < {file.name for file in cats.train}


def test_bystanders_are_not_held_out(tmp_path: Path) -> None:
    for folder in ("cats", "dogs"):
        touch(*(tmp_path / folder / f"{n}.png" for n in range(4)))
        touch(*(tmp_path / folder / f"{n}.txt" for n in range(40)))
    settings = DataSettings(domains={"a": str(tmp_path / "cats"), "b": str(tmp_path / "dogs")})
    found = find_collections(settings, Pictures(Options()))
    cats = found.domains["a"]
    assert (len(cats.train), [file.suffix for file in cats.test]) == (3, [".png"])
    assert found.remarks()[0] == "passed over what is no sample: 80 .txt"


def test_a_folder_of_bystanders_says_what_is_expected(tmp_path: Path) -> None:
    settings = layout(tmp_path)
    for file in (tmp_path / "trainB").iterdir():
        file.rename(file.with_suffix(".wav"))
    with pytest.raises(DataError, match=r"trainB holds no sample, but 3 \.wav.*\.jpg, \.png"):
        find_collections(settings, Pictures(Options()))
