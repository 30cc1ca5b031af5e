"""A kill at any operation on a file ends, once resumed, in the same bits and the same files."""

import json
import os
import shutil
from pathlib import Path

import pytest
from support import SMALL, as_options, copied
from torture_support import everything, forked, train_until, trials

from cyclekit.cli import main

SETTINGS = SMALL | {
    "train.steps": 4,
    "train.checkpoint_every": 1,
    "train.evaluate_every": 2,
    "train.preview_every": 2,
    "train.log_every": 1,
    "train.keep_checkpoints": 1,
    "train.ema": 0.9,
}
SAMPLE = 6  # of about two hundred; `make torture` tries them all


@pytest.mark.proof
def test_a_kill_anywhere_leaves_nothing_undone(folders: Path, tmp_path: Path) -> None:
    def command(run: Path) -> list[str]:
        return ["train", "--plugin=image", "--recipe=horse2zebra", f"--data={folders}",
                f"--run-dir={run}", "--accelerator=cpu", *as_options(SETTINGS)]  # fmt: skip

    run, log, count = tmp_path / "run", tmp_path / "log", tmp_path / "count"
    assert forked(lambda: train_until(command(run), None, count), log) == 0, log.read_text()
    wanted = everything(run)
    shutil.rmtree(run)
    operations = int(count.read_text())
    assert operations > 60
    everywhere = "CYCLEKIT_TORTURE" in os.environ
    for operation in trials(operations, None if everywhere else SAMPLE):
        killed = forked(lambda at=operation: train_until(command(run), at), log)
        assert killed == -9, (operation, log.read_text())
        begun = (run / "recipe.toml").exists()
        again = ["resume", str(run), "--accelerator=cpu"] if begun else command(run)
        assert forked(lambda how=again: main(how), log) == 0, (operation, log.read_text())
        found = everything(run)
        assert found.keys() == wanted.keys(), (operation, found.keys() ^ wanted.keys())
        assert [name for name in wanted if found[name] != wanted[name]] == [], operation
        shutil.rmtree(run)


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["evaluate", "translate", "report"])
def test_what_is_killed_is_whole_when_asked_for_again(
    verb: str, trained: Path, folders: Path, tmp_path: Path
) -> None:
    run, out, log, count = (tmp_path / name for name in ("run", "out", "log", "count"))
    more = {
        "evaluate": ["--quick", "--accelerator=cpu"],
        "translate": [str(folders / "testA"), "-o", str(out), "--direction=a2b"],
        "report": ["-o", str(out / "page.html")],
    }
    command = [verb, str(run), *more[verb]]

    def begin() -> None:
        copied(trained, run)
        out.mkdir()

    begin()
    assert forked(lambda: train_until(command, None, count), log) == 0, log.read_text()
    wanted = everything(tmp_path)
    operations = int(count.read_text())
    everywhere = "CYCLEKIT_TORTURE" in os.environ
    for operation in trials(operations, None if everywhere else SAMPLE // 3):
        shutil.rmtree(run)
        shutil.rmtree(out)
        begin()
        assert forked(lambda at=operation: train_until(command, at), log) == -9, log.read_text()
        assert forked(lambda: main(command), log) == 0, (operation, log.read_text())
        found = everything(tmp_path)
        # A manifest says how long each file took, and has one line more of what was begun before.
        uneven = ("log", "translations.jsonl")
        assert [name for name in found.keys() | wanted.keys()
                if not any(part in name for part in uneven)
                and found.get(name) != wanted.get(name)] == [], operation  # fmt: skip
        manifest = out / "translations.jsonl"
        if manifest.exists():
            told = {json.loads(line)["output"] for line in manifest.read_text().splitlines()}
            assert {f"out/{name}" for name in told} == wanted.keys() & {
                name for name in wanted if name.startswith("out/") and name.endswith(".png")
            }
