"""What a killed process still owed is done by the next; what changed meanwhile is said."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from support import SMALL, Cli, as_options, copied, draw, records

from cyclekit.engine.trainer import Trainer
from cyclekit.engine.translator import Translator
from cyclekit.judging.judge import Judge


def test_the_last_evaluation_is_made_up(cli: Cli, trained: Path, tmp_path: Path) -> None:
    run = copied(trained, tmp_path / "run")
    kept = run / "evaluations/step-00000004.json"
    before = json.loads(kept.read_text())
    shutil.rmtree(kept.parent)
    done = cli("resume", run, "--accelerator=cpu")
    assert done.code == 0, done.err
    assert "on the test set" in done.out
    assert json.loads(kept.read_text()) == before
    again = cli("resume", run, "--accelerator=cpu")
    assert "is finished: 4 steps are done" in again.err
    assert "on the test set" not in again.out
    assert records(run) == records(trained)


def test_an_evaluation_that_failed_is_made_up(
    cli: Cli, folders: Path, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The step is saved all the same; nothing else is taken for what it was measured at."""
    run = tmp_path / "run"

    def failing(judge: Judge, translator: Translator) -> Any:
        raise OSError("the disk went away")

    with monkeypatch.context() as patch:
        patch.setattr(Judge, "score", failing)
        done = cli("train", "--plugin=image", "--recipe=horse2zebra", f"--data={folders}",
                   f"--run-dir={run}", "--accelerator=cpu", *as_options(SMALL))  # fmt: skip
        assert (done.code, "the disk went away" in done.err) == (1, True)
    assert (run / "checkpoints/latest").readlink() == Path("step-00000004")
    assert cli("resume", run, "--accelerator=cpu").code == 0
    assert records(run) == records(trained)
    report = run / "evaluations/step-00000004.json"
    assert json.loads(report.read_text()) == json.loads(
        (trained / report.relative_to(run)).read_text()
    )
    assert "is finished" in cli("resume", run, "--accelerator=cpu").err


def test_the_best_is_named_and_too_many_are_removed(
    cli: Cli, trained: Path, tmp_path: Path
) -> None:
    """Killed between writing a checkpoint, and naming it and removing others."""
    run = copied(trained, tmp_path / "run")
    best = run / "checkpoints/best"
    best.unlink()
    best.symlink_to("step-00000002")
    (run / "checkpoints/.incoming-0123456789abcdef").mkdir()
    recipe = (run / "recipe.toml").read_text()
    (run / "recipe.toml").write_text(recipe.replace("keep_checkpoints = 3", "keep_checkpoints = 1"))
    assert cli("resume", run, "--accelerator=cpu").code == 0
    assert best.readlink() == Path("step-00000004")
    names = {file.name for file in (run / "checkpoints").iterdir()}
    assert names == {"latest", "best", "step-00000004"}


def test_a_folder_whose_claim_was_cut_short_is_free(
    cli: Cli, folders: Path, trained: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    run.mkdir()
    for name in ("run.json", ".lock", ".owner"):
        if (trained / name).exists():  # older filelocks remove theirs
            (run / name).write_bytes((trained / name).read_bytes())
    (run / ".incoming-0123456789abcdef").write_text("plug")
    refused = cli("resume", run)
    assert (refused.code, "is no run" in refused.err) == (1, True)
    done = cli("train", "--plugin=image", "--recipe=horse2zebra", f"--data={folders}",
               f"--run-dir={run}", "--accelerator=cpu", *as_options(SMALL))  # fmt: skip
    assert done.code == 0, done.err
    assert not list(run.glob(".incoming-*"))
    (run / "recipe.toml").unlink()
    assert "is not empty" in cli("train", "--plugin=image", "--recipe=demo", "--dry-run",
                                 f"--run-dir={run}").err  # fmt: skip


def test_weights_that_are_not_finite_are_not_saved(
    cli: Cli, folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = Trainer.train_step

    def broken(trainer: Trainer) -> None:
        step(trainer)
        if trainer.step == 3:
            next(trainer.model.networks["discriminator_b"].parameters()).data[0] = float("inf")

    monkeypatch.setattr(Trainer, "train_step", broken)
    run = tmp_path / "run"
    done = cli("train", "--plugin=image", "--recipe=horse2zebra", f"--data={folders}",
               f"--run-dir={run}", "--accelerator=cpu", *as_options(SMALL))  # fmt: skip
    assert done.code == 1
    assert "after step 4 weights" in done.err
    assert "The last good checkpoint is of step 2" in done.err
    assert (run / "checkpoints/latest").readlink() == Path("step-00000002")


def interrupted(_: Trainer) -> None:
    raise KeyboardInterrupt


@pytest.mark.slow
def test_files_that_changed_are_counted(
    cli: Cli, folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, run = copied(folders, tmp_path / "data"), tmp_path / "run"
    done = cli("train", "--plugin=image", "--recipe=horse2zebra", f"--data={data}",
               f"--run-dir={run}", "--accelerator=cpu", *as_options(SMALL))  # fmt: skip
    assert done.code == 0, done.err
    resume = ("resume", run, "--accelerator=cpu", "--steps")
    assert "not what they were" not in cli(*resume, 5).err
    draw(data / "trainA/new.png", 77)
    (data / "trainA/0.png").unlink()
    os.utime(data / "trainB/0.png", ns=(1, 1))
    (data / "testB/2.png").unlink()
    recorded = (run / "files.jsonl").read_text()
    refused = cli(*resume, 6, "--strict-data")
    assert refused.code == 2
    assert "A: 1 added, 1 gone; B: 1 changed; B's test files: 1 gone. Put them" in refused.err
    assert (run / "files.jsonl").read_text() == recorded
    with monkeypatch.context() as patch:  # killed before anything was saved
        patch.setattr(Trainer, "train_step", interrupted)
        assert cli(*resume, 6).code == 130
    assert cli(*resume, 6, "--strict-data").code == 2
    taken = cli(*resume, 6)
    assert taken.code == 0
    assert "A: 1 added, 1 gone; B: 1 changed; B's test files: 1 gone. Going on" in taken.err
    assert "not what they were" not in cli(*resume, 7, "--strict-data").err
