"""What goes wrong is said once while training, kept in the run, and shown in its page."""

import json
import shutil
from pathlib import Path

import pytest
from support import QUICK, SMALL, Cli, copied, training

from cyclekit.training import watching

train = training("image", "horse2zebra", SMALL | QUICK)
LOOKS = {
    "train__steps": 24,
    "train__log_every": 2,
    "train__preview_every": 6,
    "train__checkpoint_every": 12,
}


def looks(run: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (run / "checkups.jsonl").read_text().splitlines()]


@pytest.fixture
def early(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run of few steps is looked at, too."""
    monkeypatch.setattr(watching, "FEWEST", 1)


@pytest.mark.usefixtures("early")
def test_a_discriminator_that_does_not_learn_is_told_of_once(
    cli: Cli, folders: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    done = cli(*train(folders, run, train__discriminator_learning_rate=1e-9, **LOOKS))
    assert done.code == 0, done.err
    for side in "ab":
        assert done.err.count(f"discriminator lost: discriminator_{side} tells") == 1
    said = [look["said"] for look in looks(run)]
    assert ["discriminator lost", "discriminator_a"] in said[1]
    page = Path(cli("report", run).out.strip()).read_text()
    assert "Discriminator lost (from step 6 on; still at step 24)" in page
    assert "raise train.discriminator_learning_rate" in page


@pytest.mark.slow
@pytest.mark.usefixtures("early")
def test_a_discriminator_that_has_won(cli: Cli, folders: Path, tmp_path: Path) -> None:
    """Against generators that do not learn."""
    run = tmp_path / "run"
    rates = {"train__learning_rate": 1e-9, "train__discriminator_learning_rate": 1e-2}
    longer = {"train__steps": 120, "train__preview_every": 40, "train__log_every": 10}
    done = cli(*train(folders, run, **LOOKS | rates | longer))
    assert done.code == 0, done.err
    assert "discriminator won: discriminator_b tells real from made" in done.err


@pytest.mark.usefixtures("early")
def test_a_resumed_run_saw_the_same(cli: Cli, folders: Path, tmp_path: Path) -> None:
    whole, halved = tmp_path / "whole", tmp_path / "halved"
    settings = LOOKS | {"train__discriminator_learning_rate": 1e-9}
    assert cli(*train(folders, whole, **settings)).code == 0
    copied(whole, halved)
    shutil.rmtree(halved / "checkpoints" / "step-00000024")
    (halved / "checkpoints" / "latest").unlink()
    assert cli("resume", halved, "--accelerator=cpu").code == 0
    assert looks(halved) == looks(whole)


def test_a_short_run_is_not_looked_at(trained: Path) -> None:
    assert not (trained / "checkups.jsonl").exists()


@pytest.mark.usefixtures("early")
def test_what_cannot_be_looked_at_does_not_end_a_training(
    cli: Cli, folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("no room")

    monkeypatch.setattr(watching.Checkup, "measure", fail)
    done = cli(*train(folders, tmp_path / "run", **LOOKS))
    assert done.code == 0, done.err
    assert done.err.count("nobody looks any more whether training goes wrong") == 1
