"""Translating many files: what is there already, what is noted, what results are called."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from support import Cli, draw

import cyclekit


def test_what_is_there_is_skipped_and_noted(cli: Cli, trained: Path, tmp_path: Path) -> None:
    first, second = (draw(tmp_path / "in" / name, 1) for name in ("x.png", "deep/y.png"))
    out = tmp_path / "out"

    def translate(*options: object) -> str:
        done = cli("translate", trained, tmp_path / "in", "-o", out, "--direction=a2b",
                   "--skip-existing", *options)  # fmt: skip
        assert done.code == 0, done.err
        return done.err

    def lines() -> list[dict[str, object]]:
        return [json.loads(line) for line in (out / "translations.jsonl").read_text().splitlines()]

    assert "2 of 2 files" in translate()
    assert {line["output"] for line in lines()} == {"x.png", "deep/y.png"}
    assert {line["source"] for line in lines()} == {str(first), str(second)}
    assert all(line["checkpoint"] == 4 and line["direction"] == "a2b" for line in lines())
    assert "skipped 2 of 2 files" in translate()
    assert len(lines()) == 2

    (out / "x.png").unlink()
    assert "skipped 1 of 2" in translate()
    changed = (out / "x.png").stat().st_mtime + 10
    os.utime(first, (changed, changed))
    assert "skipped 1 of 2" in translate()
    assert "files, translated before" not in translate("--checkpoint=2")

    (out / "translations.jsonl").write_text('broken\n["no entry"]\n')
    assert "files, translated before" not in translate()


def test_names_can_end_otherwise(cli: Cli, trained: Path, tmp_path: Path) -> None:
    file = draw(tmp_path / "x.png", 0)
    before = file.read_bytes()
    command = ("translate", trained, file, "-o", tmp_path, "--direction=a2b")
    assert cli(*command, "--suffix=-striped").code == 0
    assert (tmp_path / "x-striped.png").is_file()
    assert file.read_bytes() == before
    wrong = cli(*command, "--suffix=/../y")
    assert (wrong.code, "--suffix" in wrong.err) == (2, True)


def test_what_comes_back_and_all_of_it_side_by_side_have_folders(
    cli: Cli, trained: Path, tmp_path: Path
) -> None:
    draw(tmp_path / "in/x.png", 1, (48, 32))
    draw(tmp_path / "in/deep/y.png", 2, (33, 40))
    out = tmp_path / "out"
    command = ("translate", trained, tmp_path / "in", "-o", out, "--direction=a2b", "--cycle")
    assert cli(*command).code == 0
    done = cli(*command, "--side-by-side", "--skip-existing")
    assert (done.code, "skipped" in done.err) == (0, False), done.err
    for name in ("x.png", "deep/y.png"):
        source, made, back = (
            np.asarray(Image.open(folder / name)) for folder in (tmp_path / "in", out, out / "back")
        )
        width, whole = source.shape[1], np.asarray(Image.open(out / "side-by-side" / name))
        rest = (whole.shape[1] - 3 * width) // 2
        starts = (0, width + rest, 2 * (width + rest))
        for start, part in zip(starts, (source, made, back), strict=True):
            assert np.array_equal(whole[:, start : start + width], part)
        model = cyclekit.load(trained, accelerator="cpu")
        assert np.abs(model.translate(made, "b2a").astype(int) - back).max() <= 1
    assert "skipped 2 of 2" in cli(*command, "--side-by-side", "--skip-existing").err
    (out / "back/x.png").unlink()
    assert "skipped 1 of 2" in cli(*command, "--side-by-side", "--skip-existing").err

    inside = cli("translate", trained, out / "back", out, "-o", out, "--direction=a2b", "--cycle")
    assert (inside.code, "lies" in inside.err or "lie in" in inside.err) == (2, True), inside.err


@pytest.mark.slow
def test_a_file_goes_through_pipes(
    cli: Cli, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = draw(tmp_path / "x.png", 3)
    assert cli("translate", trained, source, "-o", tmp_path, "--direction=a2b", "--suffix=-b",
               "--accelerator=cpu").code == 0  # fmt: skip
    command = [sys.executable, "-m", "cyclekit", "translate", trained, "-", "-o", "-",
               "--direction=a2b", "--accelerator=cpu"]  # fmt: skip

    done = subprocess.run(list(map(str, command)), input=source.read_bytes(), capture_output=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout == (tmp_path / "x-b.png").read_bytes()

    for options, code, said in (
        ((), 1, "input: "),
        (("--cycle",), 2, "ask for more: leave them out"),
        (("--suffix=zebra",), 2, "--suffix 'zebra'"),
    ):
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"no picture")))
        wrong = cli(*command[3:], *options)
        assert (wrong.code, wrong.out, said in wrong.err) == (code, "", True), wrong.err


def test_the_result_of_one_input_may_have_a_name(cli: Cli, trained: Path, tmp_path: Path) -> None:
    source = draw(tmp_path / "x.png", 3)
    other = draw(tmp_path / "y.png", 4)
    command = ("translate", trained, source, "--direction=a2b", "--accelerator=cpu", "-o")
    for name, kind in (("made/one.png", "PNG"), ("made/one.JPG", "JPEG")):
        done = cli(*command, tmp_path / name)
        assert done.code == 0, done.err
        assert Image.open(tmp_path / name).format == kind
    assert {file.name for file in (tmp_path / "made").iterdir()} == {"one.png", "one.JPG"}
    other_kind = cli(*command, tmp_path / "two/one.webp")
    assert (other_kind.code, "results are .png files" in other_kind.err) == (0, True)
    assert [file.name for file in (tmp_path / "two").iterdir()] == ["one.webp.png"]
    before = source.read_bytes()  # of which the result has the kind
    assert cli(*command, source.with_suffix(".webp")).code == 0
    assert source.read_bytes() == before
    (tmp_path / "folder.png").mkdir()
    assert cli(*command, tmp_path / "folder.png").code == 0
    assert (tmp_path / "folder.png/x.png").is_file()
    for output, options, said in (
        ("made/one.wav", (), "are no .wav files. Name one of its kinds"),
        ("made/two.png", (other,), "is a single file: name one input"),
        ("made/two.png", ("--cycle",), "ask for more: leave them out"),
    ):
        wrong = cli(*command, tmp_path / output, *options)
        assert (wrong.code, said in wrong.err, "Traceback" in wrong.err) == (2, True, False)
    assert {file.name for file in (tmp_path / "made").iterdir()} == {"one.png", "one.JPG"}


@pytest.mark.slow
def test_shared_out_files_are_the_same(cli: Cli, trained: Path, tmp_path: Path) -> None:
    for index in range(5):
        draw(tmp_path / "in" / f"{index}.png", index, (40 + index % 2, 40))
    (tmp_path / "in" / "broken.png").write_bytes(b"no picture")
    command = ("translate", trained, tmp_path / "in", "--direction=a2b", "--accelerator=cpu")
    alone, shared = tmp_path / "alone", tmp_path / "shared"
    assert cli(*command, "-o", alone).code == 1
    done = cli(*command, "-o", shared, "--devices=2", "--side-by-side")
    assert (done.code, "1 of 6 inputs" in done.err) == (1, True), done.err
    assert "broken.png: " in done.err
    for index in range(5):
        name = f"{index}.png"
        # Which files share a batch decides on how sums are rounded.
        one, other = (np.asarray(Image.open(at / name), dtype=int) for at in (alone, shared))
        assert np.abs(one - other).max() <= 1
        assert (shared / "side-by-side" / name).is_file()
    lines = (shared / "translations.jsonl").read_text().splitlines()
    assert {json.loads(line)["output"] for line in lines} == {f"{i}.png" for i in range(5)}
    again = cli(*command, "-o", shared, "--devices=2", "--side-by-side", "--skip-existing")
    assert "skipped 5 of 6" in again.err
