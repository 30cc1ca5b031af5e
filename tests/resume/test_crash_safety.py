"""Full disks, half-written checkpoints, damaged ones, second owners."""

import errno
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from support import SMALL, Cli, as_options, copied

from cyclekit.runs.directory import RunDirectory
from cyclekit.storage.tree import save_tree


def test_leftovers_are_no_checkpoints_and_are_removed(
    cli: Cli, trained: Path, tmp_path: Path
) -> None:
    run = copied(trained, tmp_path / "run")
    left = run / "checkpoints/.incoming-step-00000006"
    shutil.copytree(run / "checkpoints/step-00000004", left)
    (run / "checkpoints/.incoming-latest").symlink_to("step-00000006")
    (run / ".incoming-metrics.jsonl").write_text("{")
    assert list(RunDirectory.open(run).checkpoints.all()) == [2, 4]
    assert cli("resume", run, "--steps=5", "--accelerator=cpu").code == 0
    assert not list(run.rglob(".incoming-*"))


@pytest.mark.slow
def test_a_full_disk_leaves_the_checkpoint_before_it(
    cli: Cli, folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save, calls = save_tree, []

    def full(*arguments: Any, **more: Any) -> None:
        calls.append(1)
        if len(calls) > 1:
            raise OSError(errno.ENOSPC, "No space left on device")
        save(*arguments, **more)

    monkeypatch.setattr("cyclekit.runs.checkpoints.save_tree", full)
    run = tmp_path / "run"
    outcome = cli("train", "--plugin=image", "--recipe=horse2zebra", f"--data={folders}",
                  f"--run-dir={run}", "--accelerator=cpu", *as_options(SMALL))  # fmt: skip
    assert outcome.code == 1
    assert "No space left on device" in outcome.err
    assert "The one of step 2 is intact" in outcome.err
    assert f"cyclekit resume {run}" in outcome.err
    assert (run / "checkpoints/latest").resolve().name == "step-00000002"
    monkeypatch.setattr("cyclekit.runs.checkpoints.save_tree", save)
    assert cli("resume", run, "--accelerator=cpu").code == 0
    assert (run / "checkpoints/latest").resolve().name == "step-00000004"


def test_the_one_before_a_damaged_checkpoint_can_be_used(
    cli: Cli, trained: Path, tmp_path: Path
) -> None:
    run = copied(trained, tmp_path / "run")
    damaged = run / "checkpoints/step-00000004"
    (damaged / "generator_a2b.safetensors").write_bytes(b"")
    refused = cli("resume", run, "--steps=5", "--accelerator=cpu")
    assert refused.code == 1
    assert f"Remove {damaged} to go on from the one before it (step 2)" in refused.err
    shutil.rmtree(damaged)
    resumed = cli("resume", run, "--accelerator=cpu")
    assert resumed.code == 0, resumed.err
    for name, tensor in load_file(trained / "checkpoints/latest/generator_a2b.safetensors").items():
        again = load_file(run / "checkpoints/latest/generator_a2b.safetensors")[name]
        assert torch.equal(tensor, again)


@pytest.mark.slow
def test_a_second_owner_is_refused_while_the_first_lives(
    cli: Cli, trained: Path, tmp_path: Path
) -> None:
    run = copied(trained, tmp_path / "run")
    script = (
        "import sys; from pathlib import Path\n"
        "from cyclekit.runs.directory import RunDirectory\n"
        f"with RunDirectory.open(Path({str(run)!r})).owned():\n"
        "    print('owned', flush=True)\n"
        "    sys.stdin.read()\n"
    )
    owner = subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert owner.stdout is not None
    assert owner.stdout.readline() == "owned\n"
    refused = cli("resume", run, "--steps=5", "--accelerator=cpu")
    owner.kill()
    owner.wait()
    assert refused.code == 1
    assert f"is in use by another process (process {owner.pid} on " in refused.err
    assert cli("resume", run, "--steps=5", "--accelerator=cpu").code == 0


def test_tensorboard_forgets_what_the_killed_run_logged(
    cli: Cli, trained: Path, tmp_path: Path
) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run = copied(trained, tmp_path / "run")
    shutil.rmtree(run / "checkpoints/step-00000004")
    assert cli("resume", run, "--accelerator=cpu").code == 0
    events = EventAccumulator(str(run / "tensorboard")).Reload()
    assert [event.step for event in events.Scalars("train/cycle_a")] == [2, 4]
