"""Trainings without a recipe, on a clock that the test turns: planned, written down, kept."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support import Cli

from cyclekit.contract.planning import Candidate, Survey
from cyclekit.engine.trainer import Trainer
from cyclekit.errors import PluginError, RecipeError
from cyclekit.plugins.host import load_plugin
from cyclekit.preparing import budget as budgets
from cyclekit.preparing import designing
from cyclekit.preparing.designing import proposed
from cyclekit.preparing.probing import surveyed
from cyclekit.recipe.reading import read_recipe
from cyclekit.testing.faults import Fault
from cyclekit.testing.planner_checks import planned
from cyclekit.testing.subject import Subject

SMALL = ["--set=generator.channels=4", "--set=generator.blocks=1", "--set=discriminator.channels=4",
         "--set=train.batch_size=1"]  # fmt: skip


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Steps take four seconds, all else none."""
    time, step = [1000.0], Trainer.train_step

    def slow_step(trainer: Trainer) -> None:
        step(trainer)
        time[0] += 4.0

    monkeypatch.setattr(budgets, "now", lambda: time[0])
    monkeypatch.setattr(Trainer, "train_step", slow_step)
    return time


def planning(data: Path, run: Path, *settings: str) -> list[str]:
    return ["train", "--plugin=image", f"--data={data}", "--minutes=2", f"--run-dir={run}",
            "--accelerator=cpu", *SMALL, *settings]  # fmt: skip


def test_a_training_without_a_recipe_ends_in_time_and_can_be_done_again(
    cli: Cli, folders: Path, tmp_path: Path, clock: list[float]
) -> None:
    run, begun = tmp_path / "run", clock[0]
    done = cli(*planning(folders, run))
    assert done.code == 0, done.err
    assert 0.9 * 120 <= clock[0] - begun <= 1.1 * 120
    assert "codec.crop" in done.out
    assert "pictures are 40 px" in done.out
    first = json.loads((run / "plans.jsonl").read_text().splitlines()[0])
    kept = read_recipe(run / "plan.toml")
    assert (first["step"], first["minutes"], first["seconds_per_step"]) == (0, 2, 4)
    assert 20 <= kept["train"]["steps"] <= 30
    assert kept["generator"] | {"channels": 4, "blocks": 1} == kept["generator"]
    assert kept["data"]["root"] == str(folders)
    again = cli("train", "--plugin=image", f"--recipe={run / 'plan.toml'}", "--dry-run",
                f"--run-dir={tmp_path / 'again'}", "--accelerator=cpu")  # fmt: skip
    assert again.code == 0, again.err
    assert f"{kept['train']['steps']} steps of 1 sample of" in again.err


def test_a_dry_run_shows_the_plan_and_writes_nothing(
    cli: Cli, folders: Path, tmp_path: Path, clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = tmp_path / "run"
    done = cli(*planning(folders, run, "--dry-run", "--set=codec.crop=32"))
    assert done.code == 0, done.err
    assert "you said so (--set)" in done.out
    assert not list(tmp_path.iterdir())


def test_on_a_machine_that_hardly_computes_nothing_is_tried_out(
    cli: Cli, folders: Path, tmp_path: Path, clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Looking at the data has taken half of the time: a step is taken to be as slow."""

    def look(*arguments: Any) -> Survey:
        clock[0] += 60
        return surveyed(*arguments)

    monkeypatch.setattr(designing, "surveyed", look)
    begun = clock[0]
    done = cli(*planning(folders, tmp_path / "run"))
    assert done.code == 0, done.err
    assert "1 min 0 s are over, so nothing is tried out and the smallest is taken" in done.err
    assert 0.9 * 120 <= clock[0] - begun <= 1.1 * 120


def test_settings_that_go_with_no_plan_are_one_sentence(
    cli: Cli, folders: Path, tmp_path: Path
) -> None:
    done = cli(*planning(folders, tmp_path / "run", "--set=codec.crop=100"))
    assert done.code != 0
    assert "codec.crop (100) cannot be larger than codec.resize" in done.err
    assert "Traceback" not in done.err


def test_a_modality_without_a_planner_trains_its_defaults(
    cli: Cli, folders: Path, tmp_path: Path, clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(designing, "proposed", lambda *_: designing.DEFAULTS)
    run = tmp_path / "run"
    small = ("--set=codec.resize=36", "--set=codec.crop=32", "--set=discriminator.layers=2")
    done = cli(*planning(folders, run, "--dry-run", *small))
    assert done.code == 0, done.err
    assert "steps of 1 sample of" in done.err


def test_what_is_missing_is_one_sentence(cli: Cli, folders: Path, tmp_path: Path) -> None:
    for arguments, said in (
        (["--minutes=2"], "name that with --data DIR, or name a recipe with --recipe"),
        ([f"--data={folders}"], "Missing option '--recipe'"),
        ([f"--data={tmp_path / 'none'}", "--minutes=2"], "does not exist"),
        ([f"--data={folders}", "--minutes=2", "--steps=3"], "Give one of them"),
    ):
        done = cli("train", "--plugin=image", f"--run-dir={tmp_path / 'run'}", *arguments)
        assert done.code != 0
        assert said in done.err
        assert "Traceback" not in done.err


@pytest.mark.parametrize(
    ("planner", "said"),
    [
        (lambda _: [], "must return Candidate objects"),
        (lambda _: [{"train": {}}], "must return Candidate objects"),
        (lambda _: 1 / 0, "failed in its planner"),
    ],
)
def test_a_planner_that_fails_is_named(planner: Any, said: str) -> None:
    modality = replace(load_plugin("image").modality, planner=planner)
    with pytest.raises(PluginError, match=said):
        proposed(modality, Survey({"a": []}, {"a": 0}, 60, "cpu"))


def test_voices_and_music_have_plans_too() -> None:
    for plugin in ("audio", "music"):
        found = proposed(load_plugin(plugin).modality, Survey({"a": []}, {"a": 9}, 60, "cpu"))
        assert all(isinstance(each, Candidate) and each.reasons for each in found)


def test_plugins_check_looks_at_planners(folders: Path) -> None:
    files = {side: sorted((folders / f"train{side.upper()}").iterdir()) for side in "ab"}
    for plugin, mine in (("image", files), ("audio", {"a": []}), ("music", {"a": []})):
        planned(Subject(load_plugin(plugin).modality, None, None, folders, files=mine))
    long = replace(
        load_plugin("image").modality, planner=lambda _: [Candidate({"train": {"steps": 9}})]
    )
    with pytest.raises(Fault, match="say least_steps"):
        planned(Subject(long, None, None, folders, files=files))
    wrong = replace(long, planner=lambda _: [Candidate({"codec": {"windows": 9}})])
    with pytest.raises(RecipeError, match=r"codec.windows \(from Modality.planner\)"):
        planned(Subject(wrong, None, None, folders, files=files))
