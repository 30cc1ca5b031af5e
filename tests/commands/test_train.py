"""Training, resuming and what they leave behind, through the command line."""

import json
import shutil
import tomllib
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from support import SMALL, Cli, as_options, draw, records, state_of

import cyclekit
from cyclekit.errors import CyclekitError


def train(cli: Cli, data: Path, run: Path, *more: object, **settings: object) -> Any:
    changed = SMALL | {key.replace("__", "."): value for key, value in settings.items()}
    return cli("train", "--plugin=image", "--recipe=horse2zebra", "--data", data, "--run-dir", run,
               "--accelerator=cpu", *as_options(changed), *more)  # fmt: skip


def test_a_run_directory_holds_everything(trained: Path) -> None:
    names = {path.name for path in trained.iterdir()}
    assert {"recipe.toml", "run.json", "metrics.jsonl", "timing.jsonl", "samples", "checkpoints",
            "tensorboard"} <= names  # fmt: skip
    assert any("tfevents" in path.name for path in (trained / "tensorboard").iterdir())
    recipe = tomllib.loads((trained / "recipe.toml").read_text())
    assert (recipe["train"]["steps"], recipe["codec"]["crop"]) == (4, 32)
    about = json.loads((trained / "run.json").read_text())
    assert about["plugin"]["name"] == "image"
    assert {"seed", "device", "torch", "cyclekit", "started"} <= set(about)


def test_checkpoints_are_safetensors_and_plain_state(trained: Path) -> None:
    checkpoints = trained / "checkpoints"
    assert (checkpoints / "latest").resolve().name == "step-00000004"
    assert (checkpoints / "best").resolve().name == "step-00000004"
    assert {path.name for path in checkpoints.glob("step-*")} == {"step-00000002", "step-00000004"}
    folder = checkpoints / "latest"
    names = {path.stem for path in folder.glob("*.safetensors")}
    networks = {"generator_a2b", "generator_b2a", "discriminator_a", "discriminator_b"}
    assert names == networks | {"codec", "state"}
    assert all(
        tensor.isfinite().all()
        for tensor in load_file(folder / "generator_a2b.safetensors").values()
    )
    state = state_of(folder)
    assert state.step == 4
    assert set(state.optimizers) == {"generators", "discriminators"}
    assert not list(checkpoints.glob(".incoming*"))


def test_metrics_say_what_happened(trained: Path) -> None:
    losses = [record for record in records(trained) if "generators" in record]
    assert [record["step"] for record in losses] == [2, 4]
    assert {"cycle_a", "identity_b", "adversarial_a2b", "discriminator_a"} <= set(losses[0])
    assert losses[0]["learning_rate_generators"] == 2e-4
    (measured,) = [record["evaluation"] for record in records(trained) if "evaluation" in record]
    assert set(measured["a2b"]) == {"l1", "psnr", "ssim", "cycle_l1"}


def test_tensorboard_has_scalars_and_sheets(trained: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(trained / "tensorboard")).Reload()
    assert [event.step for event in events.Scalars("train/cycle_a")] == [2, 4]
    assert [event.step for event in events.Scalars("test/a2b/l1")] == [4]
    assert [event.step for event in events.Images("samples")] == [0, 4]


def test_sheets_show_what_was_seen(trained: Path) -> None:
    sheets = sorted((trained / "samples").glob("*/sheet.png"))
    assert [sheet.parent.name for sheet in sheets] == ["step-00000000", "step-00000004"]
    with Image.open(sheets[-1]) as sheet:
        assert sheet.width > 8 * 150, "real, translated, cycled and truth, both ways"
        assert len(sheet.getcolors(1 << 24) or []) > 100


def test_the_end_is_reported(cli: Cli, folders: Path, tmp_path: Path) -> None:
    outcome = train(cli, folders, tmp_path / "run")
    assert outcome.code == 0
    for said in ("identity", "colour", "l1", "samples:", "step-00000004/sheet.png"):
        assert said in outcome.out
    for said in ("step 4/4", "samples/s", "horse2zebra.toml"):
        assert said in outcome.err


@pytest.mark.slow
def test_the_same_seed_trains_the_same_weights(
    cli: Cli, folders: Path, trained: Path, tmp_path: Path
) -> None:
    train(cli, folders, tmp_path / "again")
    train(cli, folders, tmp_path / "other", "--seed=1")
    weights = [
        load_file(run / "checkpoints/latest/generator_a2b.safetensors")
        for run in (trained, tmp_path / "again", tmp_path / "other")
    ]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    assert not all(torch.equal(weights[0][name], weights[2][name]) for name in weights[0])


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        {},
        {
            "train__ema": 0.9, "train__accumulate": 2, "train__clip": 1.0,
            "objective__adversarial__loss": "hinge", "objective__input_noise__sigma": 0.1,
            "objective__second_adversarial__weight": 1, "objective__mixed_domain__weight": 1,
            "generator__dropout": 0.5, "generator__norm": "batch", "train__log_every": 3,
            "discriminator__spectral_norm": "true", "objective__history_size": 3,
        },
        {"train__precision": "bf16-mixed", "objective__adversarial__loss": "wgan-gp"},
    ],
    ids=["default", "everything", "bf16"],
)  # fmt: skip
def test_resuming_ends_where_the_uninterrupted_run_ends(
    cli: Cli, folders: Path, tmp_path: Path, options: dict[str, object]
) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert train(cli, folders, whole, train__evaluate_every=0, **options).code == 0
    shutil.copytree(whole, parts, symlinks=True)
    # As a run looks that was killed after step 3: the checkpoint of step 2, and records beyond it.
    checkpoints = parts / "checkpoints"
    shutil.rmtree(checkpoints / "step-00000004")
    (checkpoints / "latest").unlink()
    (checkpoints / "latest").symlink_to("step-00000002")
    with (parts / "metrics.jsonl").open("a") as stream:
        stream.write('{"step": 3, "gener')
    outcome = cli("resume", parts, "--accelerator=cpu")
    assert outcome.code == 0, outcome.err
    assert "from step 2 of 4" in outcome.err
    for file in (whole / "checkpoints/latest").glob("*.safetensors"):
        resumed = load_file(parts / "checkpoints/latest" / file.name)
        for name, tensor in load_file(file).items():
            assert torch.equal(tensor, resumed[name]), (file.name, name)
    assert (whole / "metrics.jsonl").read_text() == (parts / "metrics.jsonl").read_text()


def test_resume_of_a_finished_run_and_beyond(cli: Cli, trained: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(trained, run, symlinks=True)
    finished = cli("resume", run)
    assert finished.code == 0
    assert "is finished: 4 steps are done" in finished.err
    longer = cli("resume", run, "--steps=6", "--accelerator=cpu")
    assert longer.code == 0, longer.err
    assert (run / "checkpoints/latest").resolve().name == "step-00000006"
    assert tomllib.loads((run / "recipe.toml").read_text())["train"]["steps"] == 6


def test_resume_before_the_first_checkpoint_starts_over(
    cli: Cli, trained: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(trained, run, symlinks=True)
    shutil.rmtree(run / "checkpoints")
    outcome = cli("resume", run, "--accelerator=cpu")
    assert "from step 0 of 4" in outcome.err
    assert (run / "metrics.jsonl").read_text() == (trained / "metrics.jsonl").read_text()


@pytest.mark.slow
def test_best_and_latest_part_ways(cli: Cli, folders: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    train(cli, folders, run, train__steps=6, train__checkpoint_every=1, train__evaluate_every=1,
          train__keep=1, train__learning_rate=0.05)  # fmt: skip
    scores = {
        record["step"]: sum(record["evaluation"][way]["l1"] for way in ("a2b", "b2a"))
        for record in records(run)
        if "evaluation" in record
    }
    best = min(scores, key=scores.__getitem__)
    kept = {path.name for path in (run / "checkpoints").glob("step-*")}
    assert (run / "checkpoints/best").resolve().name == f"step-{best:08d}"
    assert kept == {f"step-{best:08d}", "step-00000006"}


def test_best_by_another_figure(cli: Cli, folders: Path, tmp_path: Path) -> None:
    train(cli, folders, tmp_path / "run", "--set=train.best.metric=ssim",
          "--set=train.best.direction=a2b", train__evaluate_every=1, train__checkpoint_every=1,
          train__keep=9)  # fmt: skip
    scores = {
        record["step"]: record["evaluation"]["a2b"]["ssim"]
        for record in records(tmp_path / "run")
        if "evaluation" in record
    }
    best = max(scores, key=scores.__getitem__)
    assert (tmp_path / "run/checkpoints/best").resolve().name == f"step-{best:08d}"


def test_two_unrelated_folders(cli: Cli, tmp_path: Path) -> None:
    for index in range(10):
        draw(tmp_path / "cats" / f"{index}.png", index)
        draw(tmp_path / "dogs" / f"{index}.png", 50 + index)
    two = {"data.a": tmp_path / "cats", "data.b": tmp_path / "dogs"}
    outcome = cli("train", "--plugin=image", "--recipe=horse2zebra", "--accelerator=cpu",
                  f"--run-dir={tmp_path / 'run'}", *as_options(SMALL | two))  # fmt: skip
    assert outcome.code == 0, outcome.err
    assert "1 of 10 files held out" in outcome.err


@pytest.mark.slow
@pytest.mark.parametrize("preprocess", ["scale_width", "none", "crop"])
def test_pictures_of_many_shapes(cli: Cli, tmp_path: Path, preprocess: str) -> None:
    for index, split in enumerate(("trainA", "trainB", "testA", "testB")):
        for number, size in enumerate(((40, 40), (64, 40), (33, 70))):
            draw(tmp_path / "data" / split / f"{number}.png", 10 * index + number, size)
    outcome = train(cli, tmp_path / "data", tmp_path / "run", codec__preprocess=preprocess,
                    train__batch_size=2 if preprocess == "crop" else 1)  # fmt: skip
    assert outcome.code == 0, outcome.err
    resumed = cli("resume", tmp_path / "run", "--steps=6", "--accelerator=cpu")
    assert resumed.code == 0, resumed.err


@pytest.mark.slow
def test_a_failure_while_looking_keeps_the_last_checkpoint(
    cli: Cli, folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cyclekit.judging.judge import Judge

    def fail(self: Judge, translator: object) -> None:
        raise MemoryError

    monkeypatch.setattr(Judge, "score", fail)
    outcome = train(cli, folders, tmp_path / "run", train__checkpoint_every=0)
    assert outcome.code == 1
    assert "out of memory" in outcome.err
    assert (tmp_path / "run/checkpoints/latest").resolve().name == "step-00000004"


def test_data_wins_over_the_recipes_folders(cli: Cli, folders: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "mine.toml"
    recipe.write_text('extends = "horse2zebra"\n[data]\na = "/nowhere/a"\nb = "/nowhere/b"\n')
    outcome = cli("train", "--plugin=image", f"--recipe={recipe}", f"--data={folders}",
                  "--dry-run", "--accelerator=cpu", *as_options(SMALL))  # fmt: skip
    assert outcome.code == 0, outcome.err


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["64-true", "bf16-mixed"])
def test_precisions(cli: Cli, folders: Path, tmp_path: Path, precision: str) -> None:
    outcome = train(cli, folders, tmp_path / "run", f"--precision={precision}",
                    objective__adversarial__loss="wgan-gp")  # fmt: skip
    assert outcome.code == 0, outcome.err
    weights = load_file(tmp_path / "run/checkpoints/latest/generator_a2b.safetensors")
    wanted = torch.float64 if precision == "64-true" else torch.float32
    assert {tensor.dtype for tensor in weights.values()} == {wanted}
    made = cyclekit.load(tmp_path / "run").translate(folders / "testA/0.png", "a2b")
    assert made.size == (40, 40)


def test_one_picture_a_domain_works_with_a_warning(cli: Cli, tmp_path: Path) -> None:
    draw(tmp_path / "data/trainA/1.png", 0)
    draw(tmp_path / "data/trainB/1.png", 1)
    outcome = train(cli, tmp_path / "data", tmp_path / "run")
    assert outcome.code == 0, outcome.err
    assert "domain A has one training file" in outcome.err
    assert "nothing will be evaluated" in outcome.err
    assert (tmp_path / "run/samples/step-00000004/sheet.png").exists()


def test_bad_files_are_skipped_counted_and_named(cli: Cli, folders: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(folders, data)
    (data / "trainA" / "broken.png").write_bytes(b"\x89PNG nothing more")
    (data / "testA" / "0.png").write_bytes(b"")  # its twin in testB is sound
    outcome = train(cli, data, tmp_path / "run")
    assert outcome.code == 0, outcome.err
    assert "skipped 1 of 7 files of domain A" in outcome.err
    assert outcome.err.count("warning: skipped") == 2
    assert "broken.png" in (tmp_path / "run/skipped.txt").read_text()
    (measured,) = [
        record["evaluation"] for record in records(tmp_path / "run") if "evaluation" in record
    ]
    assert {"l1", "cycle_l1"} <= set(measured["b2a"]), "the sound pairs are still judged"


def test_a_dry_run_leaves_nothing(
    cli: Cli, folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    outcome = cli("train", "--plugin=image", "--recipe=horse2zebra", f"--data={folders}",
                  "--dry-run", "--accelerator=cpu", *as_options(SMALL))  # fmt: skip
    assert outcome.code == 0
    assert "A: 6 training files, 6 windows, 3 test files" in outcome.err
    assert "generator_a2b: 0.0" in outcome.err
    assert list(tmp_path.iterdir()) == []


def test_runs_are_numbered(
    cli: Cli, folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs" / "00002-image-old").mkdir(parents=True)
    small = as_options(SMALL | {"train.steps": 1, "train.preview_every": 0})
    for _ in range(2):
        cli("train", "--plugin=image", "--recipe=horse2zebra", f"--data={folders}",
            "--accelerator=cpu", *small)  # fmt: skip
    names = sorted(path.name for path in (tmp_path / "runs").iterdir())
    assert names == ["00002-image-old", "00003-image-horse2zebra", "00004-image-horse2zebra"]


@pytest.mark.slow
def test_from_python(folders: Path, tmp_path: Path) -> None:
    result = cyclekit.train("image", "horse2zebra", data=folders, set=SMALL, quiet=True,
                            run_dir=tmp_path / "run")  # fmt: skip
    assert set(result.evaluation) == {"a2b", "b2a"}
    assert result.run == tmp_path / "run"
    with pytest.raises(CyclekitError, match="already holds a run"):
        cyclekit.train("image", "horse2zebra", data=folders, set=SMALL, run_dir=tmp_path / "run")
    with pytest.raises(CyclekitError, match=r"train\.stepz \(from set\)"):
        cyclekit.train("image", "horse2zebra", data=folders, set={"train.stepz": 1})
