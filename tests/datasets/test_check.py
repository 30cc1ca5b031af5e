"""``data check`` says of a folder what a training would find in it."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support import Cli, draw

from cyclekit.datasets import inspection
from cyclekit.datasets.decoding import Group, Listed
from cyclekit.datasets.fingerprints import comparable, copies, nearest, peek, thumbnail

COUNTS = {"trainA": 20, "trainB": 20, "testA": 8, "testB": 8}


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Pictures none of which is like another, with other names in each folder."""
    root = tmp_path / "pictures"
    for first, (folder, count) in enumerate(COUNTS.items()):
        for number in range(count):
            draw(root / folder / f"{folder}{number}.png", 1000 * first + number)
    return root


OF_AMOUNTS = re.compile(r"domain [AB] has \d+ (?:training windows|test files)")


def checked(cli: Cli, root: Path, *options: object, code: int = 0) -> dict[str, Any]:
    done = cli("data", "check", root, "--plugin=image", "--json", *options)
    assert done.code == code, done.err
    report: dict[str, Any] = json.loads(done.out)
    return report


def others(report: dict[str, Any]) -> list[str]:
    """Warnings of anything but how little there is."""
    return [warning for warning in report["warnings"] if not OF_AMOUNTS.match(warning)]


def duplicates(report: dict[str, Any]) -> dict[tuple[str, str, str], int]:
    return {(d["kind"], d["in"], d["again_in"]): d["files"] for d in report["duplicates"]}


def test_what_is_as_it_should_be(cli: Cli, pictures: Path) -> None:
    report = checked(cli, pictures)
    assert {(g["domain"], g["split"]): g["files"] for g in report["groups"]} == {
        ("a", "train"): 20, ("a", "test"): 8, ("b", "train"): 20, ("b", "test"): 8,
    }  # fmt: skip
    sizes = [file.stat().st_size for file in (pictures / "trainA").iterdir()]
    assert report["groups"][0]["bytes"] == sum(sizes)
    assert report["groups"][0]["largest"] == max(sizes)
    assert report["shapes"] == [{"shape": [3, 40, 40], "files": 56}]
    assert (report["decoded"], report["files"], report["pairs"]) == (56, 56, 0)
    for nothing in ("bad", "duplicates", "refusals"):
        assert report[nothing] == []
    said = [OF_AMOUNTS.findall(warning) for warning in report["warnings"]]
    assert [amount for amounts in said for amount in amounts] == [
        "domain A has 20 training windows", "domain B has 20 training windows",
        "domain A has 8 test files", "domain B has 8 test files",
    ]  # fmt: skip


def test_enough_is_not_warned_about(cli: Cli, tmp_path: Path) -> None:
    for seed, domain in enumerate("AB"):
        for number in range(50):
            draw(tmp_path / f"train{domain}/{domain}{number}.png", 2 * number + seed)
        for number in range(10):
            draw(tmp_path / f"test{domain}/{domain}-{number}.png", 200 + 2 * number + seed)
    assert checked(cli, tmp_path)["warnings"] == []


def test_what_a_person_reads(cli: Cli, pictures: Path) -> None:
    draw(pictures / "trainA" / "large.png", 7, (60, 30))
    (pictures / "trainA" / "notes.txt").write_text("none")
    done = cli("data", "check", pictures)
    assert done.code == 0
    assert "read by the plugin image" in done.err
    assert "A train             21 files" in done.out
    assert "tensors: 3 x 40 x 40 (56 files), 3 x 30 x 60 (1 files)" in done.out
    assert "passed over what is no sample: 1 .txt" in done.out
    assert done.out.endswith("A training would start.\n")


def test_files_that_are_there_twice(cli: Cli, pictures: Path) -> None:
    shutil.copy(pictures / "trainA/trainA3.png", pictures / "testA/same.png")
    shutil.copy(pictures / "trainB/trainB3.png", pictures / "trainA/other.png")
    shutil.copy(pictures / "trainB/trainB4.png", pictures / "trainB/again.png")
    report = checked(cli, pictures)
    assert duplicates(report) == {
        ("copies", "A test", "A train"): 1,
        ("copies", "A train", "B train"): 1,
        ("copies", "B train", "B train"): 1,
    }
    assert len(others(report)) == 2
    assert len(report["notes"]) == 1
    assert str(pictures / "testA/same.png") in str(report["warnings"])


def test_files_that_are_nearly_the_same(cli: Cli, pictures: Path) -> None:
    with Image.open(pictures / "trainA/trainA5.png") as picture:
        picture.resize((55, 55)).save(pictures / "testA/resized.png")
    with Image.open(pictures / "trainA/trainA6.png") as picture:
        brighter = np.clip(np.asarray(picture).astype(float) * 0.9 + 20, 0, 255)
    Image.fromarray(brighter.astype(np.uint8)).save(pictures / "trainB/jpeg.jpg", quality=60)
    assert duplicates(checked(cli, pictures)) == {
        ("nearly the same", "A test", "A train"): 1,
        ("nearly the same", "A train", "B train"): 1,
    }


def test_pairs_may_look_alike(cli: Cli, pictures: Path) -> None:
    for number in range(8):
        for side in ("A", "B"):
            (pictures / f"test{side}" / f"test{side}{number}.png").unlink()
        draw(pictures / "testA" / f"{number}.png", 5000 + number)
        draw(pictures / "testB" / f"{number}.png", 5000 + number, mode="L")
    report = checked(cli, pictures)
    assert report["pairs"] == 8
    assert report["duplicates"] == []
    assert others(report) == []


def test_pairs_by_name_alone_are_doubted(cli: Cli, pictures: Path) -> None:
    for number in range(8):
        for side in ("A", "B"):
            file = pictures / f"test{side}" / f"test{side}{number}.png"
            file.rename(file.with_name(f"{number}.png"))
    (warning,) = others(checked(cli, pictures))
    assert "no more alike than any others" in warning


def test_bad_files_with_their_reasons(cli: Cli, pictures: Path) -> None:
    (pictures / "trainA/empty.png").touch()
    (pictures / "trainB/page.png").write_text("<!doctype html><p>not found")
    report = checked(cli, pictures)
    why = {Path(bad["file"]).name: bad["why"] for bad in report["bad"]}
    assert why["empty.png"] == "is empty"
    assert "web page" in why["page.png"]
    assert report["refusals"] == []
    for number in range(8):
        (pictures / "trainA" / f"bad{number}.png").write_text("no picture")
    (refusal,) = checked(cli, pictures, code=1)["refusals"]
    assert "9 of 29 files of A train" in refusal


def test_domains_that_are_unbalanced_or_empty(cli: Cli, pictures: Path) -> None:
    for number in range(60):
        draw(pictures / "trainB" / f"more{number}.png", 9000 + number)
    (warning,) = others(checked(cli, pictures))
    assert warning.startswith("B has 4 times as many training files as A")
    shutil.rmtree(pictures / "trainA")
    (pictures / "trainA").mkdir()
    empty = cli("data", "check", pictures, "--plugin=image")
    assert empty.code == 1
    assert "Domain A is empty" in empty.err


def test_windows_of_which_no_batch_can_be_made(cli: Cli, pictures: Path) -> None:
    draw(pictures / "trainA" / "wide.png", 1, (90, 50))
    options = ["--set=codec.preprocess=none", "--set=train.batch_size=4"]
    (refusal,) = checked(cli, pictures, *options, code=1)["refusals"]
    assert "wide.png" in refusal
    assert "train.batch_size to 1" in refusal
    assert checked(cli, pictures, options[0])["refusals"] == []
    cropped = ["--set=codec.resize=36", "--set=codec.crop=32", options[1]]
    assert checked(cli, pictures, *cropped)["refusals"] == []


def test_of_many_files_some_are_looked_into(
    cli: Cli, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inspection, "LOOKED_INTO", 24)
    (pictures / "trainB/trainB1.png").write_bytes(b"\x1f\x8b" + bytes(100))
    (pictures / "trainA/trainA1.png").write_bytes(b"")
    report = checked(cli, pictures)
    assert 20 <= report["decoded"] <= 24
    assert "trainA1.png" in str(report["bad"])
    assert "trainB1.png" in str(report["bad"] + report["warnings"])
    assert "looked into" in cli("data", "check", pictures, "--plugin=image").out
    assert checked(cli, pictures, "--all")["decoded"] == 56


def test_files_of_equal_names_are_looked_into_together() -> None:
    train = [f"/data/trainA/{number}.png" for number in range(1000)]
    test = [f"/data/testA/{number}.jpg" for number in range(0, 1000, 10)]
    listed = Listed([Group("a", "train", train, 0), Group("a", "test", test, len(train))])
    names = [Path(listed.files[number]) for number in listed.sample(100)]
    tests = {file.stem for file in names if file.suffix == ".jpg"}
    trains = {file.stem for file in names if file.suffix == ".png"}
    assert len(tests) == 50
    assert tests == trains


@pytest.mark.parametrize("shape", [(1, 500), (3, 64, 48), (2, 5, 7), (1, 20, 30, 9)])
def test_thumbnails_of_any_number_of_axes(shape: tuple[int, ...]) -> None:
    import torch

    rng = torch.Generator().manual_seed(0)
    samples = [torch.rand(shape, generator=rng) for _ in range(20)]
    again = [2 * sample + 0.001 * torch.rand(shape, generator=rng) for sample in samples[:3]]
    flat = [torch.zeros(shape), torch.zeros(shape)]
    values = comparable(torch.stack([thumbnail(x) for x in (*samples, *again, *flat)]))
    assert nearest(values[20:], values[:20]) == [(0, 0), (1, 1), (2, 2)]


def test_copies_are_told_by_all_of_their_bytes(tmp_path: Path) -> None:
    base = np.random.default_rng(0).bytes(50_000)
    changed = base[:25_000] + b"x" + base[25_001:]
    for name, content in (("a", base), ("b", changed), ("c", base), ("d", b""), ("e", b"")):
        (tmp_path / name).write_bytes(content)
    files = [str(tmp_path / name) for name in "abcdef"]
    assert copies(files, [peek(file) for file in files]) == [[0, 2]]


def test_data_that_nobody_knows_or_that_is_made(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "trainA").mkdir()
    (tmp_path / "trainA/x.xyz").touch()
    unknown = cli("data", "check", tmp_path)
    assert unknown.code == 2
    assert "--plugin NAME" in unknown.err
    assert "does not exist" in cli("data", "check", tmp_path / "nowhere").err
    made = cli("data", "check", "--plugin=image", "--recipe=demo")
    assert made.code == 2
    assert "made, not found" in made.err
    assert cli("data", "check").code == 2


def test_a_strangers_modality_is_read_by_its_own_codec(cli: Cli, tmp_path: Path) -> None:
    plugin = Path(__file__).parents[2] / "examples" / "single_file.py"
    for number, folder in enumerate(("trainA", "trainB")):
        (tmp_path / folder).mkdir()
        for index in range(6):
            rng = np.random.default_rng(10 * number + index)
            np.save(tmp_path / folder / f"{index}.npy", rng.standard_normal((64, 64)).cumsum(1))
    shutil.copy(tmp_path / "trainA/0.npy", tmp_path / "trainB/copy.npy")
    done = cli("data", "check", tmp_path, f"--plugin={plugin}", "--json")
    assert done.code == 0, done.err
    assert any(kind == "copies" for kind, *_ in duplicates(json.loads(done.out)))


def test_slow_files_are_not_waited_for_where_there_are_many(
    cli: Cli, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inspection, "LOOKED_INTO", 24)
    monkeypatch.setattr(inspection, "PATIENCE", -1.0)
    report = checked(cli, pictures)
    assert report["decoded"] == 1
    assert report["refusals"] == []
    assert checked(cli, pictures, "--all")["decoded"] == 56
