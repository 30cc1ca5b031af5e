"""What a person sees fits what they look at."""

import io
import re
from typing import Any

import pytest
from rich.console import Console as RichConsole

from cyclekit.console import Console, StepProgress

NARROW = 80


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("COLUMNS", str(NARROW))
    monkeypatch.setenv("TERM", "xterm")
    out = Terminal()
    console = Console()
    console._console = console._results = RichConsole(
        file=out, force_terminal=True, no_color=True, width=NARROW
    )
    return console, out


def test_figures_of_many_ways_fit_a_narrow_terminal(narrow: Any) -> None:
    console, out = narrow
    ways = ("translated", "identity", "matching", "codec", "colour")
    figures = {"l1": 0.123456, "ssim": 0.9, "to_target": 123.4}
    console.table("figures", {way: {"a2b": figures, "b2a": figures} for way in ways})
    shown = re.sub(r"\x1b\[\d*m", "", out.getvalue())
    assert all(len(line) <= NARROW for line in shown.splitlines())
    assert shown.count("0.1235") == 2 * len(ways)
    assert all(way in shown for way in ways)


def test_losses_fit_a_narrow_terminal(narrow: Any) -> None:
    console, out = narrow
    with console.progress(1000, 0) as progress:
        assert isinstance(progress, StepProgress)
        progress.advance()
        losses = {"cycle_a": 0.1234, "cycle_b": 0.1, "generators": 3.2, "discriminators": 0.5}
        progress.show(1, losses, 12.3)
    assert "discriminators 0.500" in " ".join(out.getvalue().split())


def test_slow_steps_are_told_before_their_first_losses(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter(range(0, 1000, 15))
    monkeypatch.setattr("cyclekit.console.time.monotonic", lambda: float(next(clock)))
    with Console().progress(100, 0) as progress:  # a step takes 15 s
        for _ in range(3):
            progress.advance()
    told = capsys.readouterr().err
    assert "step 1/100" not in told
    assert "step 2/100" in told
    assert "left" in told


def test_what_takes_long_beside_training_says_so(
    narrow: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    console, out = narrow
    with console.progress(1000, 0):
        assert list(console.track(range(3), 3, "a2b, and back")) == [0, 1, 2]
        console._training.refresh()
    assert "a2b, and back" not in out.getvalue().splitlines()[-1]
    monkeypatch.setattr("cyclekit.console.TRACKED_EVERY", 0.0)
    plain = Console()
    with plain.progress(1000, 0):
        assert list(plain.track(range(3), 3, "a2b")) == [0, 1, 2]
    said = capsys.readouterr().err
    assert "a2b: 2 of 3, about" in said
    assert "a2b: 3\n" not in said


def test_the_first_thing_says_nothing_of_how_long_the_others_take(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It waits for code that is loaded, a minute on a busy machine."""
    clock = iter([0.0, 60.0, 80.0, 100.0])
    monkeypatch.setattr("cyclekit.console.time.monotonic", lambda: next(clock))
    list(Console().track(range(3), 3, "reading"))
    said = capsys.readouterr().err.splitlines()
    assert said == ["reading: 3", "reading: 1 of 3", "reading: 2 of 3, about 20 s left"]


def test_bytes_that_come_are_told_with_the_time_that_is_left(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("cyclekit.console.TRACKED_EVERY", 0.0)
    with Console().transfer("fetching x.zip", 3_000_000, 1_000_000) as progress:
        progress.advance(500_000)
    with Console().transfer("fetching y.zip", None) as progress:
        progress.advance(500_000)
    said = capsys.readouterr().err
    assert "fetching x.zip: 3.0 MB\n" in said
    assert "fetching x.zip: 1.5 MB of 3.0 MB, about" in said
    assert "fetching y.zip: 500.0 kB\n" in said
