"""How sure figures are: what bootstrap intervals cover, and what a difference says."""

import math

import numpy as np
import pytest

from cyclekit.judging.intervals import difference_of, interval_of
from cyclekit.judging.scorer import _by_item, _number


def drawn(seed: int, count: int = 60, mean: float = 0.0) -> list[float]:
    return list(np.random.default_rng(seed).normal(mean, 1, count))


def test_an_interval_covers_the_mean_about_as_often_as_it_says() -> None:
    found = [interval_of([drawn(seed)], 0) for seed in range(200)]
    hits = [ends is not None and ends.low <= 0 <= ends.high for ends in found]
    assert 0.88 < np.mean(hits) < 0.99
    assert found[0] == interval_of([drawn(0)], 0)
    assert found[0] != interval_of([drawn(0)], 1)


def test_more_items_are_surer() -> None:
    few, many = (interval_of([drawn(1, count)], 0) for count in (20, 2000))
    assert few is not None
    assert many is not None
    assert many.high - many.low < (few.high - few.low) / 5


def test_one_value_has_no_interval() -> None:
    assert interval_of([[1.0]], 0) is None
    assert interval_of([[1.0, math.nan]], 0) is None
    assert interval_of([[1.0, math.nan, 1.0]], 0) == (1.0, 1.0)


def test_pairs_show_what_strangers_hide() -> None:
    first = drawn(2, 80)
    second = [value + 0.05 + 0.01 * noise for value, noise in zip(first, drawn(3, 80), strict=True)]
    paired = difference_of([first], [second], paired=True, seed=0)
    strange = difference_of([first], [second], paired=False, seed=0)
    assert paired is not None
    assert strange is not None
    assert paired.value == strange.value == pytest.approx(0.05, abs=0.01)
    assert paired.is_clear
    assert not strange.is_clear
    same = difference_of([first], [first], paired=True, seed=0)
    assert same is not None
    assert not same.is_clear


def test_items_without_a_value_are_left_out_and_too_few_values_refused() -> None:
    assert _number([1.0, math.nan, 3.0]) == 2
    assert _by_item({"x": [1.0, 2.0], "y": 3.0}, 2) == {"x": [1.0, 2.0]}
    with pytest.raises(ValueError, match="x has 1 values for 2 items"):
        _by_item({"x": [1.0]}, 2)
