"""The learning rate over a run."""

from pathlib import Path

import pytest
from support import as_restored, make_trainer

from cyclekit.engine.schedule import SCHEDULES, rate_factor
from cyclekit.recipe.settings import TrainSettings


def factors(steps: int = 10, **settings: object) -> list[float]:
    train = TrainSettings.model_validate({"steps": steps, **settings})
    return [rate_factor(step, train) for step in range(steps)]


def test_constant_then_falling_to_zero_after_the_last_step() -> None:
    found = factors(decay_from=0.5)
    assert found[:6] == [1.0] * 6
    assert found[6:] == pytest.approx([0.8, 0.6, 0.4, 0.2])


@pytest.mark.parametrize("schedule", ["linear", "cosine"])
def test_the_last_step_still_learns(schedule: str) -> None:
    for steps in (1, 2, 3, 10, 266_800):
        settings = TrainSettings.model_validate({"steps": steps, "schedule": schedule})
        assert rate_factor(steps - 1, settings) > 0


@pytest.mark.parametrize("schedule", ["linear", "cosine"])
def test_decay_from_the_start_and_never(schedule: str) -> None:
    falling = factors(4, decay_from=0.0, schedule=schedule)
    assert falling[0] == 1.0
    assert falling == sorted(falling, reverse=True)
    assert falling[1] < 1.0
    assert factors(4, decay_from=1.0, schedule=schedule) == [1.0] * 4


def test_cosine_falls_gently_at_both_ends() -> None:
    found = factors(12, schedule="cosine", decay_from=0.5)
    assert found[:7] == [1.0] * 7
    assert found[9] == pytest.approx(0.5)
    drops = [one - other for one, other in zip(found[6:], [*found[7:], 0.0], strict=True)]
    assert drops[0] == pytest.approx(drops[-1])
    assert drops[0] < drops[1] < drops[2]


def test_steps_fall_at_each_share_of_the_run() -> None:
    found = factors(8, schedule="step", step_every=0.25, step_factor=0.5)
    assert found == [1, 1, 0.5, 0.5, 0.25, 0.25, 0.125, 0.125]
    assert factors(10, schedule="step", step_every=0.7, step_factor=0.1) == [1] * 7 + [0.1] * 3
    assert factors(2, schedule="step", step_every=0.1, step_factor=0.5) == [1, 0.5]


def test_constant_stays() -> None:
    assert factors(schedule="constant", decay_from=0.0) == [1.0] * 10


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_a_restored_trainer_goes_on_at_the_same_rate(
    schedule: str, folders: Path, tmp_path: Path
) -> None:
    """The rate follows from the step and the recipe alone: nothing of it needs to be saved."""
    settings = {
        "train__schedule": schedule,
        "train__decay_from": 0.25,
        "train__discriminator_learning_rate": 1e-4,
    }
    one, two = (make_trainer(folders, tmp_path, **settings)[0] for _ in range(2))
    one.step = 3
    two.load_state(as_restored(one.state_dict()))
    for phase, peak in zip(one.model.objective.phases, (2e-4, 1e-4), strict=True):
        rates = [trainer.learning_rate(phase, trainer.step) for trainer in (one, two)]
        assert rates[0] == rates[1] == peak * rate_factor(3, one.settings)
        assert (rates[0] < peak) == (schedule != "constant")
