"""The objective keeps the contract of anybody's modality, and every verb works with it."""

import subprocess
import sys

import numpy as np
import pytest
from cyclekit.testing import run_checks
from PIL import Image

SMALL = {
    "extensions": "['varied']",
    "objective.name": "varied",
    "objective.size": 3,
    "generator.channels": 4,
    "generator.blocks": 1,
    "discriminator.channels": 4,
    "train.precision": "32-true",
    "train.steps": 4,
    "train.checkpoint_every": 2,
    "train.preview_every": 4,
    "train.preview_items": 1,
    "train.evaluate_every": 0,
}


def cyclekit(folder, *arguments):
    done = subprocess.run(
        [sys.executable, "-m", "cyclekit", *map(str, arguments)],
        capture_output=True, text=True, check=False, cwd=folder,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    settings = [f"--set={key}={value}" for key, value in SMALL.items()]
    where = ("--run-dir", folder / "run", "--accelerator=cpu")
    cyclekit(folder, "train", "--plugin=image", "--recipe=demo", *where, *settings)
    return folder / "run"


def test_the_contract():
    results = run_checks("image", objective="varied", extensions=["varied"])
    assert {r.name: r.message for r in results if r.outcome == "failed"} == {}


def test_a_seed_chooses_among_answers(run, tmp_path):
    # The code scales and shifts maps from the first step on, since its layer is drawn at random.
    made = {}
    files = sorted((run / "data/testA").iterdir())[:2]
    for name, seed in (("one", 1), ("same", 1), ("other", 2)):
        cyclekit(
            tmp_path, "translate", run, *files, "-o", name, "--seed", seed, "--accelerator=cpu"
        )
        made[name] = [np.asarray(Image.open(tmp_path / name / file.name)) for file in files]
    for one, same, other in zip(made["one"], made["same"], made["other"], strict=True):
        assert (one == same).all()
        assert (one != other).any()


def test_it_is_resumed_evaluated_and_reported(run, tmp_path):
    cyclekit(tmp_path, "resume", run, "--steps=5", "--accelerator=cpu")
    assert "a2b" in cyclekit(tmp_path, "evaluate", run, "--quick", "--json", "--accelerator=cpu")
    cyclekit(tmp_path, "report", run, "-o", tmp_path / "page.html")
    assert "A → B" in (tmp_path / "page.html").read_text(encoding="utf-8")
