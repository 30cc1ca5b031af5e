"""Several processes and one run: readers see whole checkpoints, nobody takes what is another's."""

import json
import os
import shutil
import time
from pathlib import Path

import pytest
from support import SMALL, Cli, as_options, copied

from cyclekit.runs.directory import RunDirectory
from cyclekit.storage.folder import Storage
from cyclekit.storage.handle import Refused


def write_and_prune(run: Path) -> None:
    """What a training does that saves at each step and keeps one."""
    source = run / "checkpoints/step-00000004"
    step = 4
    while True:
        step += 1
        checkpoints = RunDirectory.open(run).checkpoints
        storage = Storage(run).below("checkpoints")
        with storage.aside() as aside:
            made = aside.make(f"step-{step:08d}")
            for file in source.iterdir():
                shutil.copyfile(file, made / file.name)
            about = json.loads((made / "checkpoint.json").read_text())
            (made / "checkpoint.json").write_text(json.dumps(about | {"step": step}))
            source = aside.keep(made.name)
        checkpoints.point("latest", source)
        checkpoints.point("best", source)
        checkpoints.prune(1)


@pytest.mark.slow
def test_readers_find_whole_checkpoints_while_training_writes_and_removes(
    cli: Cli, trained: Path, folders: Path, tmp_path: Path
) -> None:
    run = copied(trained, tmp_path / "run")
    writer = os.fork()
    if writer == 0:
        try:
            write_and_prune(run)
        finally:
            os._exit(1)
    try:
        for number in range(12):
            which = ("latest", "best")[number % 2]
            done = cli("translate", run, folders / "testA/0.png", "-o", tmp_path / "out",
                       "--direction=a2b", "--accelerator=cpu", f"--checkpoint={which}")  # fmt: skip
            assert done.code == 0, (number, done.err)
            assert cli("report", run).code == 0
        with RunDirectory.open(run).checkpoints.open("latest") as checkpoint:
            held = checkpoint.step
            deadline = time.monotonic() + 20
            while checkpoint.folder.exists() and time.monotonic() < deadline:
                time.sleep(0.01)
            assert not checkpoint.folder.exists()
            assert checkpoint.recipe()["plugin"] == "image"  # of a checkpoint that is no more
        assert held > 4
    finally:
        os.kill(writer, 9)
        os.waitpid(writer, 0)


def test_whoever_comes_second_changes_nothing(
    cli: Cli, folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two begin with one folder, and both saw that it was free."""
    run = tmp_path / "run"
    free = RunDirectory.require_free
    monkeypatch.setattr(RunDirectory, "require_free", lambda self: None)
    train = ("train", "--plugin=image", "--recipe=horse2zebra", f"--data={folders}",
             f"--run-dir={run}", "--accelerator=cpu", *as_options(SMALL))  # fmt: skip
    run.mkdir()
    with RunDirectory(run).owned():
        refused = cli(*train)
        assert refused.code == 1
        assert "is in use by another process" in refused.err
        assert not (run / "recipe.toml").exists()
    monkeypatch.setattr(RunDirectory, "require_free", free)
    assert cli(*train).code == 0


def test_a_trainer_whose_folder_was_replaced_leaves_the_new_one_alone(
    trained: Path, tmp_path: Path
) -> None:
    run = RunDirectory.open(copied(trained, tmp_path / "run"))
    with run.owned():
        run.log({"step": 5})
        shutil.rmtree(run.folder)
        (run.folder / "checkpoints").mkdir(parents=True)
        with pytest.raises(Refused, match="is not the folder any more"):
            run.log({"step": 6})
        with pytest.raises(Refused, match="is not the folder any more"):
            run.checkpoints.point("best", run.folder / "checkpoints/step-00000004")
    assert [file.name for file in run.folder.rglob("*")] == ["checkpoints"]


@pytest.mark.parametrize("name", ["full", "link"])
def test_a_report_replaces_no_device(cli: Cli, trained: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "link").symlink_to("/dev/full")
    output = Path("/dev/full") if name == "full" else tmp_path / "link"
    done = cli("report", trained, "-o", output)
    assert done.code == 1
    assert "was left alone" in done.err
    assert Path("/dev/full").is_char_device()
