"""Trainings that end when their minutes are over, on a clock that tests turn."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.torch import load_file
from support import QUICK, SMALL, Cli, copied, records, training

from cyclekit.engine.trainer import Trainer
from cyclekit.preparing import budget as budgets
from cyclekit.preparing.budget import Budget, Costs, times_due
from cyclekit.recipe.settings import TrainSettings
from cyclekit.training.recorder import Recorder

train = training("image", "horse2zebra", SMALL | QUICK)
CADENCES = {
    "train__batch_size": 1,
    "train__log_every": 2,
    "train__checkpoint_every": 10,
    "train__preview_every": 0,
    "train__evaluate_every": 20,
}


class Clock:
    """Stands still but for what is done.

    Attributes:
        time: Seconds.
        step: Says how long a step takes, by its number.
        evaluation: Seconds.
    """

    def __init__(self) -> None:
        self.time = 1000.0
        self.step: Callable[[int], float] = lambda _: 1.0
        self.evaluation = 5.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    step, evaluate = Trainer.train_step, Recorder._evaluate

    def slow_step(trainer: Trainer) -> None:
        step(trainer)
        clock.time += clock.step(trainer.step)

    def slow_evaluation(recorder: Recorder) -> bool:
        clock.time += clock.evaluation
        return evaluate(recorder)

    monkeypatch.setattr(budgets, "now", lambda: clock.time)
    monkeypatch.setattr(Trainer, "train_step", slow_step)
    monkeypatch.setattr(Recorder, "_evaluate", slow_evaluation)
    return clock


def plans(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "plans.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("seconds", [4.0, pytest.param(2.0, marks=pytest.mark.slow)])
def test_a_training_ends_in_time_whatever_the_machine(
    cli: Cli, folders: Path, tmp_path: Path, clock: Clock, seconds: float
) -> None:
    clock.step, begun = lambda _: seconds, clock.time
    arguments = train(folders, tmp_path / "run", train__steps=100_000, **CADENCES)
    tried = cli(*arguments, "--minutes=2", "--dry-run").err
    assert "2 min, in steps of" in tried
    assert "100000 steps" not in tried
    begun = clock.time
    done = cli(*arguments, "--minutes=2")
    assert done.code == 0, done.err
    assert 0.9 * 120 <= clock.time - begun <= 1.1 * 120
    first, *others = plans(tmp_path / "run")
    assert (first["step"], first["steps"], first["minutes"]) == (0, 100_000, 2)
    assert 1 <= len(others) <= 2  # the evaluation takes longer than had been thought
    steps = others[-1]["steps"]
    evaluated = [record["step"] for record in records(tmp_path / "run") if "evaluation" in record]
    assert evaluated[-1] == steps
    assert (tmp_path / "run/evaluations" / f"step-{steps:08d}.json").is_file()


def test_a_neighbour_that_comes_makes_for_fewer_steps(
    cli: Cli, folders: Path, tmp_path: Path, clock: Clock
) -> None:
    clock.step, begun = lambda step: 4.0 if step >= 20 else 2.0, clock.time
    run = tmp_path / "run"
    done = cli(*train(folders, run, train__steps=500, **CADENCES), "--minutes=2")
    assert done.code == 0, done.err
    assert 0.9 * 120 <= clock.time - begun <= 1.1 * 120
    assert len(plans(run)) > 2
    rates = [r["learning_rate_generators"] for r in records(run) if "cycle_a" in r]
    assert rates == sorted(rates, reverse=True)
    page = Path(cli("report", run).out.strip()).read_text()
    assert f"of {plans(run)[-1]['steps']:,}" in page
    assert "steps in all were planned at step" in page
    fewer = cli("resume", run, "--accelerator=cpu", "--steps=5").err
    assert f"none for the {plans(run)[-1]['steps']} that were planned" in fewer


def test_a_resumed_run_follows_the_plans_that_were_recorded(
    cli: Cli, folders: Path, tmp_path: Path, clock: Clock
) -> None:
    """Killed between a plan and the next checkpoint; then the clock runs differently."""
    clock.step = lambda step: 4.0 if step >= 10 else 2.0
    whole, halved = tmp_path / "whole", tmp_path / "halved"
    assert cli(*train(folders, whole, train__steps=500, **CADENCES), "--minutes=2").code == 0
    recorded = plans(whole)
    assert any(10 < plan["step"] < 20 for plan in recorded)
    copied(whole, halved)
    checkpoints = halved / "checkpoints"
    for folder in checkpoints.glob("step-*"):
        if folder.name != "step-00000010":
            shutil.rmtree(folder)
    for name in ("latest", "best"):
        (checkpoints / name).unlink(missing_ok=True)
    clock.step = lambda _: 2.0
    done = cli("resume", halved, "--accelerator=cpu")
    assert done.code == 0, done.err
    again = plans(halved)
    assert again[: len(recorded)] == recorded
    following = again[len(recorded)]["step"] if len(again) > len(recorded) else 10**9
    same = [r for r in records(whole) if r["step"] <= following]
    assert [r for r in records(halved) if r["step"] <= following][: len(same)] == same


def test_exact_to_the_end_where_no_further_plan_is_made(
    cli: Cli, folders: Path, tmp_path: Path, clock: Clock
) -> None:
    whole, halved, clock.step = tmp_path / "whole", tmp_path / "halved", lambda _: 3.0
    clock.evaluation = 1.0
    assert cli(*train(folders, whole, train__steps=500, **CADENCES), "--minutes=1.5").code == 0
    copied(whole, halved)
    last = (whole / "checkpoints/latest").readlink().name
    shutil.rmtree(halved / "checkpoints" / last)
    (halved / "checkpoints/latest").unlink()
    (halved / "checkpoints/best").unlink(missing_ok=True)
    assert cli("resume", halved, "--accelerator=cpu").code == 0
    assert (halved / "checkpoints/latest").readlink().name == last
    for file in (whole / "checkpoints/latest").glob("*.safetensors"):
        other = load_file(halved / "checkpoints/latest" / file.name)
        assert all(tensor.equal(other[name]) for name, tensor in load_file(file).items())
    again = cli("resume", halved, "--accelerator=cpu")
    assert "is finished" in again.err
    more = cli("resume", halved, "--accelerator=cpu", f"--steps={int(last[5:]) + 2}")
    assert more.code == 0, more.err
    assert [plan["minutes"] for plan in plans(halved)] == [None]
    rates = [r["learning_rate_generators"] for r in records(halved) if "cycle_a" in r]
    assert rates[-1] > 0.01 * rates[0], "as in a training of so many steps"
    fewer = cli("resume", halved, "--accelerator=cpu", "--steps=3")
    assert fewer.code == 2
    assert "which is more than the 3 that were asked for" in fewer.err


def test_more_minutes_for_what_is_finished(
    cli: Cli, folders: Path, trained: Path, tmp_path: Path, clock: Clock
) -> None:
    """For a run that had minutes already, and for one that had not."""
    clock.step, clock.evaluation = lambda _: 1.0, 1.0
    limited = tmp_path / "limited"
    cadences = {**CADENCES, "train__steps": 500}
    assert cli(*train(folders, limited, **cadences), "--minutes=1").code == 0
    for run in (limited, copied(trained, tmp_path / "plain")):
        before = int((run / "checkpoints/latest").readlink().name[5:])
        more = cli("resume", run, "--accelerator=cpu", "--minutes=1")
        assert more.code == 0, more.err
        after = int((run / "checkpoints/latest").readlink().name[5:])
        assert 40 <= after - before <= 60  # a second each, and something for evaluations
        assert plans(run)[0]["seconds_before"] == pytest.approx(60 if run == limited else 0, abs=5)
        rates = [r["learning_rate_generators"] for r in records(run) if "cycle_a" in r]
        assert rates[-1] < rates[-3] < rates[0]
    both = cli("resume", run, "--minutes=1", "--steps=900")
    assert (both.code, "Give one of them" in both.err) == (2, True)


def test_damaged_plans_are_named(cli: Cli, trained: Path, tmp_path: Path) -> None:
    run = copied(trained, tmp_path / "run")
    for line in ('{"step": 5, "steps": 9}', '{"step": 0, "steps": "many"}'):
        (run / "plans.jsonl").write_text(line + "\n")
        done = cli("resume", run, "--accelerator=cpu")
        assert done.code == 1
        assert "plans.jsonl is damaged" in done.err


def test_steps_and_minutes_are_one_too_many(cli: Cli, folders: Path, tmp_path: Path) -> None:
    done = cli(*train(folders, tmp_path / "run"), "--minutes=3", "--steps=3")
    assert done.code == 2
    assert "Give one of them" in done.err


@pytest.mark.parametrize(
    ("every", "step", "steps", "times"),
    [(0, 0, 100, 0), (40, 0, 100, 3), (50, 0, 100, 2), (40, 40, 100, 2), (200, 30, 100, 1),
     (10, 100, 100, 0)],
)  # fmt: skip
def test_how_often_something_is_still_done(every: int, step: int, steps: int, times: int) -> None:
    assert times_due(every, step, steps) == times


def test_what_fits_leaves_time_for_all_that_follows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budgets, "now", lambda: 0.0)
    settings = TrainSettings(evaluate_every=100, preview_every=50, checkpoint_every=0)
    costs = Costs({"evaluation": 10.0, "preview": 2.0, "checkpoint": 3.0})
    budget = Budget(10, settings, costs, begun=0.0)
    budget.pace = 1.0
    steps = budget.fitting(0)
    assert (
        steps + costs.between(0, steps, settings)
        <= 588
        < steps + 1 + costs.between(0, steps + 1, settings)
    )


@pytest.mark.parametrize("minutes", [5, 15, 60])
@pytest.mark.parametrize(
    "pace",
    [
        lambda share, _: 0.05,
        lambda share, _: 2.0,
        lambda share, _: 0.3 if share < 0.4 else 0.6,  # somebody takes half of it
        lambda share, _: 0.6 if share < 0.5 else 0.3,  # and leaves again
        lambda share, _: 0.3 if share < 0.9 else 0.6,
        lambda share, rng: 0.3 * rng.lognormal(0, 0.8),  # now this, now that
    ],
)
def test_off_by_less_than_a_tenth(
    minutes: float, pace: Callable[[float, Any], float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is trained: seconds alone, with evaluations that nobody foresaw."""
    rng, time = np.random.default_rng(0), 0.0
    monkeypatch.setattr(budgets, "now", lambda: time)
    settings = TrainSettings(evaluate_every=300, preview_every=150, checkpoint_every=300)
    budget = Budget(minutes, settings, costs := Costs(), begun=-8.0)
    step, steps = 0, 1000
    while step < steps:
        time += pace(time / 60 / minutes, rng)
        step += 1
        steps = budget.suggest(step, steps) or steps
        for kind, every, seconds in (("evaluation", 300, 6.0), ("preview", 150, 1.0)):
            if step % every == 0 or step == steps:
                with costs.measuring(kind):
                    time += seconds
    assert 0.9 <= budget.spent / 60 / minutes <= 1.1
