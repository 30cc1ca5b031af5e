"""A loss that is no finite number: the step is not taken, its batch is kept, the run stops."""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins import MixedPrecision
from safetensors.torch import load_file
from support import SMALL, Cli, make_trainer, records, state_of, training

from cyclekit.data.sampling import Batches
from cyclekit.errors import CyclekitError

BAD_STEP = 5  # counted from 1
LONGER = SMALL | {
    "train.steps": 12,
    "train.log_every": 4,
    "train.checkpoint_every": 4,
    "train.preview_every": 0,
    "train.evaluate_every": 0,
}
arguments = training("image", "horse2zebra", LONGER)


@contextmanager
def poisoned(monkeypatch: pytest.MonkeyPatch, number: float = torch.nan) -> Iterator[None]:
    """One number of one sample of one batch is not finite."""
    draw = Batches.draw

    def drawn(batches: Any, step: int, positions: Any, device: Any) -> Any:
        batch = draw(batches, step, positions, device)
        if step == BAD_STEP - 1 and 1 in positions:
            batch["a"][list(positions).index(1), 0, 3, 3] = number
        return batch

    with monkeypatch.context() as patch:
        patch.setattr(Batches, "draw", drawn)
        yield


@pytest.mark.slow
@pytest.mark.parametrize("number", [torch.nan, torch.inf])
def test_a_run_stops_with_its_last_good_checkpoint_and_the_batch(
    cli: Cli, folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: float
) -> None:
    run, whole = tmp_path / "run", tmp_path / "whole"
    with poisoned(monkeypatch, number):
        outcome = cli(*arguments(folders, run))
    assert outcome.code == 1
    assert re.search(r"at step 5, in the generators phase: .*cycle_a.*gradient", outcome.err)
    assert "last good checkpoint is of step 4" in outcome.err
    assert f"cyclekit resume {run}" in outcome.err
    assert [record["step"] for record in records(run)] == [4]
    batch = load_file(run / "nonfinite/step-00000005.safetensors")
    assert set(batch) == {"a.0", "a.1", "b.0", "b.1"}
    assert [name for name, sample in batch.items() if not sample.isfinite().all()] == ["a.1"]
    about = json.loads((run / "nonfinite/step-00000005.json").read_text())
    assert {Path(file).parent.name for file in about["files"].values()} == {"trainA", "trainB"}

    # Nothing of the bad step is left: without it the run goes on as if it had never been.
    assert cli("resume", run, "--accelerator=cpu").code == 0
    assert cli(*arguments(folders, whole)).code == 0
    assert records(run) == records(whole)


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [{}, {"generator__norm": "batch"}, {"train__precision": "64-true", "train__log_every": 1}],
    ids=["default", "batch norm", "64-true"],
)
def test_a_step_can_be_skipped_and_counted(
    cli: Cli,
    folders: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    settings: dict[str, object],
) -> None:
    run = tmp_path / "run"
    with poisoned(monkeypatch):
        skipping = settings | {"train__nonfinite": "skip", "train__ema": 0.9}
        outcome = cli(*arguments(folders, run, **skipping))
    assert outcome.code == 0, outcome.err
    skipped = {record["step"]: record["skipped"] for record in records(run)}
    assert (skipped[4], skipped[8], skipped[12]) == (0, 1, 1)
    assert "skipped 1" in outcome.err
    for file in (run / "checkpoints/latest").glob("*.safetensors"):
        assert all(tensor.isfinite().all() for tensor in load_file(file).values()), file
    assert state_of(run / "checkpoints/latest").skipped == (1, 0)


def test_nothing_but_skipped_steps_stops_the_run(
    folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cyclekit.engine.trainer.MOST_SKIPPED", 3)
    trainer, prepared = make_trainer(folders, tmp_path, train__nonfinite="skip")
    next(prepared.model.networks["generator_a2b"].parameters()).data.fill_(torch.nan)
    for _ in range(2):
        trainer.train_step()
    with pytest.raises(CyclekitError, match=r"the last 3 steps .* were not finite"):
        trainer.train_step()


def test_fp16_skips_and_clips(
    folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer, _ = make_trainer(
        folders, tmp_path, half_precision(), train__nonfinite="skip", train__clip=1.0
    )
    with poisoned(monkeypatch):
        while trainer.step < 8:
            trainer.train_step()
            trainer.step += 1
    assert trainer.skipped == 1
    assert trainer.read_losses()


def half_precision() -> Fabric:
    """fp16 with a loss scale, which Fabric itself only offers on GPUs."""
    scaler = torch.amp.GradScaler("cpu")
    return Fabric(accelerator="cpu", plugins=[MixedPrecision("16-mixed", "cpu", scaler)])


@pytest.mark.slow
@pytest.mark.parametrize("clip", [0.0, 1.0])
@pytest.mark.parametrize("fabric", [lambda: None, half_precision], ids=["32-true", "16-mixed"])
def test_weights_stay_what_they_were_before(
    folders: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    fabric: Callable[[], Fabric | None],
    clip: float,
) -> None:
    until = {"objective__identity__until_step": 2}  # terms that come and go
    trainer, prepared = make_trainer(
        folders, tmp_path, fabric(), train__steps=9, train__clip=clip, **until
    )
    weights = []
    with poisoned(monkeypatch):
        while trainer.step < 9:
            networks = prepared.model.networks.values()
            weights.append(
                torch.cat([p.detach().flatten() for n in networks for p in n.parameters()])
            )
            trainer.train_step()
            trainer.step += 1
    for step, (before, after) in enumerate(pairwise(weights), 1):
        assert before.equal(after) == (step >= BAD_STEP), step
    found = trainer.guard.read()
    assert found is not None
    assert (found.step, found.phase) == (BAD_STEP - 1, "generators")


def test_a_gradient_is_looked_at_as_well(folders: Path, tmp_path: Path) -> None:
    trainer, prepared = make_trainer(folders, tmp_path)
    weight = next(prepared.model.networks["discriminator_a"].parameters())
    weight.requires_grad_(True).register_hook(lambda gradient: gradient * torch.inf)
    trainer.train_step()
    found = trainer.guard.read()
    assert found is not None
    assert (found.phase, found.terms) == ("discriminators", ["gradient"])


def test_an_overflow_that_the_loss_scale_makes_is_no_error(folders: Path, tmp_path: Path) -> None:
    trainer, _ = make_trainer(folders, tmp_path, half_precision())
    scaler = trainer.fabric.strategy.precision.scaler
    scaler._init_scale = 2.0**40
    trainer.train_step()
    assert scaler.get_scale() < 2.0**40
    assert trainer.guard.read() is None
