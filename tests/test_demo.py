"""The demos keep their promises."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import mido
import pretty_midi
import pytest
import symusic

# Once, at the end, is enough.
QUIETLY = ("--set=train.evaluate_every=0", "--set=train.checkpoint_every=0")
COMMAND = Path(sys.executable).with_name("cyclekit")


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A process of its own: the tests' own use one thread."""
    command = [str(COMMAND), *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False)


def report_of_demo(plugin: str, folder: Path, *more: str) -> dict[str, Any]:
    """Train a plugin's demo and measure it."""
    command = ["train", f"--plugin={plugin}", "--recipe=demo", "--accelerator=cpu", *more]
    trained = run(folder, *command)
    assert trained.returncode == 0, trained.stderr
    (samples,) = [line for line in trained.stdout.splitlines() if line.startswith("samples: ")]
    assert (folder / samples.removeprefix("samples: ")).exists()
    report: dict[str, Any] = json.loads(
        run(folder, "evaluate", f"runs/00001-{plugin}-demo", "--json").stdout
    )
    return report


@pytest.mark.slow
def test_two_thirds_of_the_image_demo_learn_stripes(tmp_path: Path) -> None:
    report = report_of_demo("image", tmp_path, "--steps=750", *QUIETLY)
    for direction in ("a2b", "b2a"):
        identity = report["baselines"]["identity"][direction]["l1"]
        assert report[direction]["l1"] <= 0.5 * identity, direction


@pytest.mark.slow
def test_half_of_the_music_demo_makes_chorales_of_jazz_and_keeps_the_harmony(
    tmp_path: Path,
) -> None:
    # The whole demo learns jazz too; there is no time for that here.
    report = report_of_demo("music", tmp_path, "--steps=350", *QUIETLY)
    assert report["b2a"]["called_target"] >= 0.8
    for direction in ("a2b", "b2a"):
        assert report[direction]["classifier_accuracy"] > 0.9
        assert report[direction]["chroma"] > 0.7, direction
        assert report["baselines"]["random_pair"][direction]["chroma"] < 0.5
    charts = tmp_path / "runs/00001-music-demo/data/testA"
    source, run_name = charts / "0000.mid", "runs/00001-music-demo"
    done = run(tmp_path, "translate", run_name, str(source), "-o", "out", "--direction=a2b")
    assert done.returncode == 0, done.stderr
    file = tmp_path / "out/0000.mid"
    assert pretty_midi.PrettyMIDI(str(file)).instruments[0].notes
    assert symusic.Score(file).end() > 0
    assert mido.MidiFile(file).length == pytest.approx(mido.MidiFile(source).length, rel=0.1)
