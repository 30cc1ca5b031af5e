"""`cyclekit runs`: what the folders of runs say about themselves."""

import json
from pathlib import Path

import pytest
from support import Cli, copied


@pytest.fixture
def place(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two runs below ``runs/``, one of them deeper."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    copied(trained, tmp_path / "runs/00001-image-horse2zebra")
    copied(trained, tmp_path / "runs/old/other")
    return tmp_path


def test_all_runs_are_listed_with_step_figures_and_size(cli: Cli, place: Path) -> None:
    listed = cli("runs", "list")
    assert listed.code == 0, listed.err
    for said in ("runs/00001-image-horse2zebra", "runs/old/other", "4 of 4", "l1 0.", "image: "):
        assert said in listed.out
    found = json.loads(cli("runs", "list", "--json").out)
    assert [run["run"] for run in found] == ["runs/00001-image-horse2zebra", "runs/old/other"]
    files = (place / "runs/old/other").rglob("*")
    size = sum(file.lstat().st_size for file in files if file.is_file() and not file.is_symlink())
    assert found[1]["bytes"] == size
    report = json.loads((place / "runs/old/other/evaluations/step-00000004.json").read_text())
    assert found[1]["figures"]["l1"] == pytest.approx(report["both"]["l1"])
    assert "l1" in report["higher_is_better"]


def test_a_run_shows_what_it_is(cli: Cli, place: Path) -> None:
    shown = cli("runs", "show", "runs/00001-image-horse2zebra")
    assert shown.code == 0, shown.err
    for said in ("a: 6 files", "b: 7 files", "4 of 4", "cycle", "size on disk", "figure l1"):
        assert said in shown.out
    assert "cyclekit report runs/00001-image-horse2zebra" in shown.err


def test_a_damaged_run_does_not_hide_the_others(cli: Cli, place: Path) -> None:
    (place / "runs/old/other/run.json").write_text("{")
    listed = cli("runs", "list")
    assert listed.code == 0
    assert "runs/00001-image-horse2zebra" in listed.out
    assert "runs/old/other/run.json cannot be read" in listed.err


def test_where_there_are_none_it_says_how_to_make_one(cli: Cli, place: Path) -> None:
    (place / "empty").mkdir()
    listed = cli("runs", "list", "empty")
    assert (listed.code, listed.out) == (0, "")
    assert "cyclekit train --plugin image --recipe demo" in listed.err


def test_nothing_heavy_is_needed(place: Path) -> None:
    import subprocess
    import sys

    script = (
        "import sys\nfrom cyclekit.cli import main\n"
        "try:\n    main(['runs', 'list'])\nexcept SystemExit:\n    pass\n"
        "print('TORCH', 'torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=place
    )
    assert "TORCH False" in done.stdout
