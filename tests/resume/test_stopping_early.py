"""Training that ends where nothing gets better, at the same step however often it is resumed."""

import json
import shutil
from pathlib import Path

import pytest
from safetensors.torch import load_file
from support import SMALL, Cli, training

# The first checkpoint is the best: networks that learn nothing never become better.
STOPPING = SMALL | {
    "train.steps": 40,
    "train.evaluate_every": 2,
    "train.checkpoint_every": 4,
    "train.preview_every": 40,
    "train.learning_rate": 1e-12,
    "train.stop.patience": 3,
}


@pytest.mark.slow
def test_training_ends_after_its_patience_and_resumes_to_the_same(
    cli: Cli, folders: Path, tmp_path: Path
) -> None:
    arguments = training("image", "horse2zebra", STOPPING)
    run = tmp_path / "run"
    done = cli(*arguments(folders, run))
    assert done.code == 0, done.err
    checkpoints = run / "checkpoints"
    evaluated = [
        json.loads(line)
        for line in (run / "metrics.jsonl").read_text().splitlines()
        if "evaluation" in line
    ]
    last, best = evaluated[-1]["step"], int((checkpoints / "best").readlink().name[5:])
    assert last == best + 6 < 40
    assert f"stopped after step {last} of 40: no better l1 in 3 evaluations" in done.err
    assert (checkpoints / "latest").readlink().name == f"step-{last:08d}"
    assert (run / "samples" / f"step-{last:08d}").is_dir()
    assert (run / "evaluations" / f"step-{last:08d}.json").is_file()

    again = cli("resume", run, "--accelerator=cpu")
    assert again.code == 0, again.err
    assert f"stopped after step {last} of 40" in again.err
    assert (checkpoints / "latest").readlink().name == f"step-{last:08d}"

    half = tmp_path / "half"
    shutil.copytree(run, half, symlinks=True)
    shutil.rmtree(half / "checkpoints" / f"step-{last:08d}")
    before = sorted((half / "checkpoints").glob("step-*"))[-1]
    (half / "checkpoints" / "latest").unlink()
    (half / "checkpoints" / "latest").symlink_to(before.name)
    assert cli("resume", half, "--accelerator=cpu").code == 0
    for file in (checkpoints / "latest").glob("*.safetensors"):
        other = load_file(half / "checkpoints" / "latest" / file.name)
        assert all(tensor.equal(other[name]) for name, tensor in load_file(file).items())
    assert (half / "metrics.jsonl").read_text() == (run / "metrics.jsonl").read_text()

    more = cli("resume", run, "--accelerator=cpu", "--set=train.stop.patience=4")
    assert more.code == 0, more.err
    assert (checkpoints / "latest").readlink().name == f"step-{last + 2:08d}"


def test_patience_without_evaluations_is_refused(cli: Cli, folders: Path, tmp_path: Path) -> None:
    arguments = training("image", "horse2zebra", STOPPING | {"train.evaluate_every": 0})
    done = cli(*arguments(folders, tmp_path / "run"))
    assert done.code == 2
    assert "give train.evaluate_every" in done.err
