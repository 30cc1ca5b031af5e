"""Several voices by one generator: train, resume exactly, translate to each, judge."""

import json
from itertools import permutations
from pathlib import Path

import pytest
import soundfile
import torch
from audio_support import SMALL_AUDIO, tone
from cyclekit_audio.networks import VC2Discriminator
from cyclekit_audio.waveform import write_waveform
from support import Cli, assert_resumes_exactly, training

from cyclekit.api import TensorSpec
from cyclekit.cli import main
from cyclekit.plugins.discovery import find_plugin
from cyclekit.plugins.host import load_plugin
from cyclekit.recipe.finding import find_recipes
from cyclekit.recipe.layers import read_layers
from cyclekit.recipe.resolve import resolve

VOICES = {"slt": 200.0, "rms": 110.0, "kal 16": 150.0}
arguments = training("audio", "stargan-vc", SMALL_AUDIO)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("voices")
    for voice, pitch in VOICES.items():
        for split, first in (("train", 0), ("test", 7)):
            folder = root / split / voice
            folder.mkdir(parents=True)
            for index in range(2 if split == "train" else 1):
                sound = tone(0.4 + 0.1 * index, 16_000, pitch * 1.03 ** (first + index))
                write_waveform(sound, folder / f"{index}")
    return root


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("many") / "run"
    main(arguments(data, folder))
    return folder


@pytest.mark.slow
def test_resumed_exactly(run: Path, tmp_path: Path, cli: Cli) -> None:
    assert_resumes_exactly(run, tmp_path / "halved", lambda halved: cli("resume", halved))


def test_each_voice_has_statistics_of_its_own(run: Path) -> None:
    from safetensors.torch import load_file

    learned = load_file(run / "checkpoints/latest/codec.safetensors")
    assert {*VOICES} <= {*learned}
    assert not learned["slt"].equal(learned["rms"])


@pytest.mark.slow
def test_translated_to_each_and_judged(run: Path, data: Path, tmp_path: Path, cli: Cli) -> None:
    out = tmp_path / "out"
    done = cli("translate", run, data / "test", "-o", out, "--to=all", "--accelerator=cpu")
    assert done.code == 0, done.err
    for source, target in permutations(VOICES, 2):
        sound, rate = soundfile.read(out / target / source / "0.wav")
        before, same = soundfile.read(data / "test" / source / "0.wav")
        assert (len(sound), rate) == (len(before), same)
    done = cli("evaluate", run, "--quick", "--accelerator=cpu")
    assert done.code == 0, done.err
    assert "mel_l1 (lower is better), latest: from, to" in done.out
    report = json.loads((run / "evaluations/step-00000004.json").read_text())
    assert {f"{source}2{target}" for source, target in permutations(VOICES, 2)} <= {*report}


def test_previews_show_a_row_for_each_target(run: Path) -> None:
    names = {path.name for path in (run / "samples/step-00000004").iterdir()}
    assert "sheet.png" in names
    for source, target in permutations(VOICES, 2):
        way = f"{source} to {target}".replace(" ", "-")
        assert any(name.endswith(f"-{way}.wav") for name in names), way


def test_the_discriminator_that_names_voices_begins_by_telling_inputs_apart() -> None:
    """With weights of .02 and no norms, next to nothing of a voice comes through four layers."""
    info, modality = find_plugin("audio"), load_plugin("audio").modality
    options = resolve(read_layers(find_recipes(info)["stargan-vc"], info), modality).discriminator
    spec = TensorSpec(1, sizes=(80, None), range=None)
    torch.manual_seed(0)
    spread = {}
    for init in ("normal", options.init):
        changed = options.model_copy(update={"init": init})
        network = VC2Discriminator(spec, spec.logits(), changed, classes=4)
        logits, names = network(torch.randn(8, 1, 80, 64))
        spread[init] = (logits.std(0).mean().item(), names.std(0).mean().item())
    assert max(spread["normal"]) < 1e-4
    assert min(spread["kaiming"]) > 0.01
