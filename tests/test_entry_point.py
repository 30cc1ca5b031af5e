"""The installed command, in a process of its own."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from support import SMALL, as_options

COMMAND = Path(sys.executable).with_name("cyclekit")


def run(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [str(argument) for argument in arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, check=False)


@pytest.mark.slow
def test_train_translate_evaluate_as_a_user_would(folders: Path, tmp_path: Path) -> None:
    trained = run(COMMAND, "train", "--plugin=image", "--recipe=horse2zebra", "--data", folders,
                  *as_options(SMALL), cwd=tmp_path)  # fmt: skip
    assert trained.returncode == 0, trained.stderr
    home = tmp_path / "runs" / "00001-image-horse2zebra"
    assert home.is_dir()
    translated = run(sys.executable, "-m", "cyclekit", "translate", home, folders / "testB", "-o",
                     "out", "--direction", "b2a", cwd=tmp_path)  # fmt: skip
    assert translated.returncode == 0, translated.stderr
    assert len(list((tmp_path / "out").glob("*.png"))) == 3
    evaluated = run(COMMAND, "evaluate", home, "--quick", "--json", cwd=tmp_path)
    assert evaluated.returncode == 0, evaluated.stderr
    assert {"a2b", "b2a", "baselines"} <= set(json.loads(evaluated.stdout))


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["train", "--help"], ["--version"]])
def test_help(arguments: list[str], tmp_path: Path) -> None:
    shown = run(COMMAND, *arguments, cwd=tmp_path)
    assert shown.returncode == 0
    assert "cyclekit" in shown.stdout
    if arguments != ["--version"]:
        assert "Examples:" in shown.stdout


@pytest.mark.slow
def test_errors_reach_the_shell(tmp_path: Path) -> None:
    failed = run(COMMAND, "train", "--plugin", "image", "--recipe", "demoo", cwd=tmp_path)
    assert failed.returncode == 2
    assert failed.stderr.startswith("error: No recipe called 'demoo'")
    assert "Traceback" not in failed.stderr
