"""The learning rate over a run."""

import pytest

from cyclekit.engine.schedule import linear_decay


def test_constant_then_falling_to_zero_after_the_last_step() -> None:
    factors = [linear_decay(step, 10, 0.5) for step in range(10)]
    assert factors[:6] == [1.0] * 6
    assert factors[6:] == pytest.approx([0.8, 0.6, 0.4, 0.2])


def test_the_last_step_still_learns() -> None:
    assert all(linear_decay(steps - 1, steps, 0.5) > 0 for steps in (1, 2, 3, 10, 266_800))


def test_decay_from_the_start_and_never() -> None:
    assert linear_decay(0, 4, 0.0) == 1.0
    assert linear_decay(3, 4, 0.0) == pytest.approx(0.25)
    assert [linear_decay(step, 4, 1.0) for step in range(4)] == [1.0] * 4
