"""The examples work, installed as a stranger would install them."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from packages import BIN, install, lines_of_code, run
from support import Cli, results

import cyclekit
from cyclekit.testing import check_modality

EXAMPLES = Path(cyclekit.__file__).parents[1] / "examples"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "suffix", "settings"),
    [
        pytest.param("timeseries", ".csv", (), marks=pytest.mark.proof),
        ("volumes", ".npy", ("--steps=8", "--set=train.preview_every=8")),
    ],
)
def test_packages(name: str, suffix: str, settings: tuple[str, ...], tmp_path: Path) -> None:
    site = tmp_path / "site"
    package = shutil.copytree(EXAMPLES / f"cyclekit_{name}", tmp_path / "package")
    install(package, site)
    cyclekit_command = BIN / "cyclekit"
    assert f"cyclekit-{name} 0.1.0" in run(tmp_path, site, cyclekit_command, "plugins", "list")
    tested = run(package, site, BIN / "python", "-m", "pytest", "-q", "tests")
    assert "1 passed" in tested
    said = run(tmp_path, site, cyclekit_command, "train", "--plugin", name, "--recipe", "demo",
               "--accelerator=cpu", *settings)  # fmt: skip
    trained = tmp_path / "runs" / f"00001-{name}-demo"
    run(tmp_path, site, cyclekit_command, "translate", trained, trained / "data" / "testA",
        "-o", "out", "--direction", "a2b")  # fmt: skip
    assert len(list((tmp_path / "out").glob(f"*{suffix}"))) >= 8
    if name == "volumes":
        assert (trained / "samples/step-00000008/slices.png").is_file()
    else:
        (figures,) = [line for line in said.splitlines() if "a2b l1" in line]
        made, identity = (float(cell) for cell in figures.split("│")[2:4])
        assert made < 0.1 * identity


@pytest.mark.proof
@pytest.mark.slow
def test_an_objective_for_any_modality(tmp_path: Path) -> None:
    package, site = (
        shutil.copytree(EXAMPLES / "objectives", tmp_path / "package"),
        tmp_path / "site",
    )
    module = (package / "cyclekit_varied/__init__.py").read_text()
    assert lines_of_code(module) <= 120
    install(package, site)
    tested = run(package, site, BIN / "python", "-m", "pytest", "-q", "tests")
    assert "3 passed" in tested


@pytest.mark.proof
@pytest.mark.parametrize("modality", ["audio", "music"])
def test_that_objective_keeps_the_contract_elsewhere(modality: str, cli: Cli) -> None:
    module = EXAMPLES / "objectives/cyclekit_varied/__init__.py"
    done = cli("plugins", "check", modality, f"--extension={module}", "--objective=varied")
    assert done.code == 0, done.out
    assert "ok       step" in done.out


@pytest.mark.slow
def test_the_single_file(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plugin = EXAMPLES / "single_file.py"
    assert lines_of_code(plugin.read_text()) <= 40
    check_modality(str(plugin))
    trained = cli("train", f"--plugin={plugin}", "--recipe=demo", f"--run-dir={tmp_path / 'run'}",
                  "--accelerator=cpu", "--steps=6")  # fmt: skip
    assert trained.code == 0, trained.err
    files = tmp_path / "run" / "data" / "testA"
    done = cli("translate", tmp_path / "run", files, "-o", tmp_path / "out", "--direction=a2b")
    assert done.code == 0, done.err
    made = [np.load(file) for file in results(tmp_path / "out")]
    assert len(made) == 10
    assert all(np.isfinite(array).all() and array.shape == (64, 64) for array in made)
    monkeypatch.setattr("cyclekit.judging.classifier.STEPS", 4)
    judged = cli("evaluate", tmp_path / "run", "--json")
    assert judged.code == 0, judged.err
    assert {"taken_for_target", "classifier_accuracy"} <= set(json.loads(judged.out)["both"])
