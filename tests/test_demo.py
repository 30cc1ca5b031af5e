"""The demo keeps its promise: translations at most half as far from the truth as doing nothing."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

COMMAND = Path(sys.executable).with_name("cyclekit")


@pytest.mark.slow
def test_the_demo_learns_stripes(tmp_path: Path) -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [str(COMMAND), *arguments]
        return subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)

    # A process of its own: the tests' own use one thread.
    trained = run("train", "--plugin=image", "--recipe=demo", "--accelerator=cpu")
    assert trained.returncode == 0, trained.stderr
    (sheet,) = [line for line in trained.stdout.splitlines() if line.startswith("samples: ")]
    assert (tmp_path / sheet.removeprefix("samples: ")).is_file()
    report = json.loads(run("evaluate", "runs/00001-image-demo", "--json").stdout)
    for direction in ("a2b", "b2a"):
        identity = report["baselines"]["identity"][direction]["l1"]
        assert report[direction]["l1"] <= 0.5 * identity, direction
