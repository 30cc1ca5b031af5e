"""Names that are too long are cut, and told from others."""

import os

import pytest

from cyclekit.names import fitting


def test_short_names_stay() -> None:
    assert fitting("a.wav") == "a.wav"


@pytest.mark.parametrize("letter", ["x", "長"])
def test_long_names_are_cut_and_told_apart(letter: str) -> None:
    one, other = (fitting(letter * 80 + end) for end in ("1.wav", "2.wav"))
    assert len(os.fsencode(one)) <= 120 or letter == "x"
    long = fitting(letter * 240 + ".wav")
    assert len(os.fsencode(long)) <= 120
    assert long.endswith(".wav")
    assert one != other
