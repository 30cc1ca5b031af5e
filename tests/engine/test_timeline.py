"""A training that is planned anew goes on evenly: no rate jumps, and the last one is near zero."""

from itertools import pairwise

import pytest

from cyclekit.engine.schedule import SCHEDULES, rate_factor
from cyclekit.engine.timeline import Planned, Timeline
from cyclekit.recipe.settings import TrainSettings


def test_one_plan_is_its_steps() -> None:
    timeline = Timeline(1000)
    assert [timeline.place(step) for step in (0, 3, 999)] == [0, 3, 999]
    assert timeline.steps(5) == 1000


@pytest.mark.parametrize("schedule", ["linear", "cosine"])
@pytest.mark.parametrize("steps", [130, 420])
def test_rates_neither_jump_nor_rise(schedule: str, steps: int) -> None:
    """With fewer steps than were planned, and with more; before the decay, and within it."""
    settings = TrainSettings.model_validate({"steps": 200, "schedule": schedule})
    for planned in (40, 120):
        timeline = Timeline(200, [Planned(planned, steps)])
        factors = [rate_factor(timeline.place(step), settings) for step in range(steps)]
        assert factors == sorted(factors, reverse=True)
        largest = max(one - other for one, other in pairwise(factors))
        assert largest < 0.15
        assert 0 < factors[-1] < 0.15


def test_each_plan_holds_from_its_step_on() -> None:
    timeline = Timeline(100, [Planned(10, 50), Planned(30, 90)])
    assert [timeline.steps(step) for step in (0, 9, 10, 29, 30, 89)] == [100, 100, 50, 50, 90, 90]
    # After ten steps a tenth is done; twenty of the next forty do half of what was left.
    assert timeline.place(30) == pytest.approx(55)
    assert timeline.place(60) == pytest.approx(77.5)
    assert timeline.last == Planned(30, 90)


def test_an_end_at_once() -> None:
    timeline = Timeline(100, [Planned(10, 10)])
    assert timeline.steps(10) == 10


@pytest.mark.parametrize("plan", [Planned(5, 50), Planned(40, 39)])
def test_plans_follow_one_another(plan: Planned) -> None:
    timeline = Timeline(100, [Planned(10, 60)])
    with pytest.raises(ValueError, match="cannot follow"):
        timeline.replan(plan)


def test_every_schedule_takes_parts_of_steps() -> None:
    settings = TrainSettings.model_validate({"steps": 10})
    assert all(0 < schedule(4.5, settings) <= 1 for schedule in SCHEDULES.values())
