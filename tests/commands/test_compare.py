"""Which run is better, and whether that is more than chance: the command, its page, Python."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support import Cli, copied

import cyclekit
from cyclekit.errors import CyclekitError

Changed = Callable[[dict[str, Any]], None]


def rewritten(run: Path, to: Path, change: Changed) -> Path:
    """A copy of a run with another evaluation."""
    copied(run, to)
    (file,) = (to / "evaluations").iterdir()
    report = json.loads(file.read_text())
    change(report)
    file.write_text(json.dumps(report))
    return to


def shifted(by: float, noise: float = 0.0) -> Changed:
    """Each translation's distance to its truth changed."""

    def change(report: dict[str, Any]) -> None:
        for way, figures in report["values"]["translated"].items():
            figures["l1"] = [v + by + noise * (-1) ** n for n, v in enumerate(figures["l1"])]
            report[way]["l1"] = sum(figures["l1"]) / len(figures["l1"])
        report["both"]["l1"] += by

    return change


def multiplied(report: dict[str, Any]) -> None:
    """As many test items as a verdict needs."""
    for figures in report["values"]["translated"].values():
        figures.update({name: values * 4 for name, values in figures.items()})
    for way, names in report["items"].items():
        report["items"][way] = [f"{number}-{name}" for number in range(4) for name in names]


def test_evaluations_keep_values_and_intervals(cli: Cli, trained: Path) -> None:
    (file,) = (trained / "evaluations").iterdir()
    report = json.loads(file.read_text())
    values = report["values"]["translated"]["a2b"]["l1"]
    assert report["items"]["a2b"] == ["0.png", "1.png", "2.png"]
    assert sum(values) / 3 == pytest.approx(report["a2b"]["l1"], abs=1e-5)
    for way in ("a2b", "b2a", "both"):
        low, high = report["intervals"]["translated"][way]["l1"]
        assert low <= report[way]["l1"] <= high
    assert report["intervals"]["identity"]["a2b"]["l1"]
    shown = cli("evaluate", trained, "--quick", "--checkpoint=latest")
    assert f"[{report['intervals']['translated']['a2b']['l1'][0]:.4f}, " in shown.out
    assert "3 of A and 3 of B, test items" in shown.out


def test_a_clear_difference_is_told_from_chance(cli: Cli, trained: Path, tmp_path: Path) -> None:
    first = rewritten(trained, tmp_path / "first", multiplied)
    clear = rewritten(first, tmp_path / "clear", shifted(-0.02))
    unclear = rewritten(first, tmp_path / "unclear", shifted(-0.0001, noise=0.05))
    done = cli("compare", first, clear)
    assert done.code == 0, done.err
    assert "clear has the better l1, " in done.out
    assert "of first: more than chance among 24 test items" in done.out
    assert "it may be chance" in cli("compare", first, unclear).out
    told = json.loads(cli("compare", first, clear, "--json").out)
    row = told["figures"]["both"]["l1"]
    assert row["differences"][0]["value"] == pytest.approx(-0.02, abs=1e-6)
    assert told["verdicts"][0]["better"] == "clear"
    assert told["same_items"]
    assert told == cyclekit.compare(first, clear)


def test_few_items_tell_nothing_about_chance(cli: Cli, trained: Path, tmp_path: Path) -> None:
    other = rewritten(trained, tmp_path / "other", shifted(-0.02))
    told = json.loads(cli("compare", trained, other, "--json").out)["verdicts"][0]
    assert told["better"] == "other"
    assert not told["more_than_chance"]
    assert "With 6 test items nobody can tell" in told["said"]


def test_a_figure_whose_chance_can_be_told_decides_where_there_are_no_pairs(
    cli: Cli, trained: Path, tmp_path: Path
) -> None:
    def unpaired(report: dict[str, Any]) -> None:
        multiplied(report)
        report["higher_is_better"] = {"patch_distance": False, "taken_for_target": True}
        for way in ("a2b", "b2a", "both"):
            report[way] = {"patch_distance": 0.2, "taken_for_target": 0.5}
        for way in ("a2b", "b2a"):
            report["values"]["translated"][way] = {"taken_for_target": [0.0, 1.0] * 6}

    def taken(report: dict[str, Any]) -> None:
        for way in ("a2b", "b2a", "both"):
            report[way] = {"patch_distance": 0.3, "taken_for_target": 1.0}
        for way in ("a2b", "b2a"):
            report["values"]["translated"][way] = {"taken_for_target": [1.0] * 12}

    first = rewritten(trained, tmp_path / "first", unpaired)
    told = json.loads(cli("compare", first, rewritten(first, tmp_path / "other", taken),
                          "--json").out)["verdicts"][0]  # fmt: skip
    assert (told["better"], told["figure"]) == ("other", "taken_for_target")
    assert told["more_than_chance"]


def test_the_page_shows_verdict_sheets_and_recipes(cli: Cli, trained: Path, tmp_path: Path) -> None:
    other = rewritten(trained, tmp_path / "<other>", shifted(-0.02))
    recipe = other / "recipe.toml"
    recipe.write_text(recipe.read_text().replace("log_every = 2", "log_every = 3"))
    done = cli("compare", trained, other, "-o", tmp_path / "page.html")
    assert done.code == 0, done.err
    assert "train.log_every: 2 | 3" in done.out
    (other / "plans.jsonl").write_text('{"step": 0, "steps": 17, "minutes": 5}\n')
    assert "train.steps: 4 | 17" in cli("compare", trained, other).out
    page = (tmp_path / "page.html").read_text()
    assert page.count("data:image/png;base64,") == 2
    assert "&lt;other&gt; has the better l1" in page
    assert "<other>" not in page
    assert "train.log_every" in page
    assert "default-src &#x27;none&#x27;" in page


def test_what_cannot_be_compared_is_told(cli: Cli, trained: Path, tmp_path: Path) -> None:
    assert "two runs" in cli("compare", trained).err
    assert "named twice" in cli("compare", trained, trained).err
    bare = copied(trained, tmp_path / "bare")
    (next((bare / "evaluations").iterdir())).unlink()
    done = cli("compare", trained, bare)
    assert done.code == 2
    assert f"cyclekit evaluate {bare}" in done.err
    with pytest.raises(CyclekitError, match="does not exist"):
        cyclekit.compare(trained, tmp_path / "none")


def test_evaluations_of_before_have_no_intervals(cli: Cli, trained: Path, tmp_path: Path) -> None:
    def older(report: dict[str, Any]) -> None:
        for key in ("intervals", "items", "values"):
            del report[key]

    done = cli("compare", trained, rewritten(trained, tmp_path / "old", older))
    assert done.code == 0, done.err
    assert "have the same l1" in done.out
    assert cli("report", tmp_path / "old").code == 0
