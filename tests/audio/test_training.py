"""Voices through the command line: train, resume exactly, translate whole files, judge."""

import json
import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from audio_support import SMALL_AUDIO, stored, tone, write_voices
from support import Cli, assert_resumes_exactly, results, training

import cyclekit
from cyclekit.cli import main

arguments = training("audio", "slt2rms", SMALL_AUDIO)


@pytest.fixture(scope="session")
def voices(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_voices(tmp_path_factory.mktemp("voices"))


@pytest.fixture(scope="session")
def run(voices: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("audio") / "run"
    main(arguments(voices, folder))
    return folder


def test_previews_can_be_seen_and_heard(run: Path) -> None:
    names = {path.name for path in (run / "samples" / "step-00000004").iterdir()}
    assert {"sheet.png", "00-0-real-A.wav", "00-0-A-to-B.wav", "00-0-A-to-B-to-A.wav"} <= names
    assert {"01-0-real-B.wav", "01-0-B-to-A.wav", "01-0-B-to-A-to-B.wav"} <= names


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"objective__frame_mask__longest": 8, "objective__second_adversarial__weight": 1},
        {"generator__name": "vc2", "generator__channels": 8, "train__ema": 0.9,
         "objective__identity__until_step": 3, "objective__identity__weight": 1},
        {"codec__frames": 48},
    ],
    ids=["default", "masked", "vc2", "padded"],
)  # fmt: skip
def test_a_resumed_run_ends_where_an_uninterrupted_one_does(
    voices: Path, tmp_path: Path, settings: dict[str, object], cli: Cli
) -> None:
    whole, halved = tmp_path / "whole", tmp_path / "halved"
    assert cli(*arguments(voices, whole, **settings)).code == 0
    assert_resumes_exactly(whole, halved, lambda run: cli("resume", run))


def test_padded_utterances_are_counted(voices: Path, tmp_path: Path, cli: Cli) -> None:
    done = cli(*arguments(voices, tmp_path / "run", codec__frames=40, train__steps=1))
    assert done.code == 0, done.err
    assert "padded 0.333" in done.err
    lines = [json.loads(line) for line in (tmp_path / "run/files.jsonl").read_text().splitlines()]
    learned = [line for line in lines if line["domain"] == "a" and "test" not in line]
    assert [line["padded"] for line in learned] == [1, 0, 0]


def test_what_was_mixed_down_and_rates_that_differ_are_said_once(
    voices: Path, tmp_path: Path, cli: Cli
) -> None:
    data = shutil.copytree(voices, tmp_path / "data")
    wave = tone(0.5, 44_100).samples
    for file in (data / "trainB").iterdir():
        soundfile.write(file, np.stack([wave, wave], axis=1), 44_100)
    for file in (data / "trainA").iterdir():
        soundfile.write(file, tone(0.5, 8000).samples, 8000)
    done = cli(*arguments(data, tmp_path / "run", train__steps=1))
    assert done.code == 0, done.err
    assert done.err.count("3 of 3 files of domain B have several channels") == 1
    assert done.err.count("the domains differ in sampling rate (A 8000 Hz, B 44100 Hz)") == 1
    assert "codec.mel.high to 4000" in done.err
    even = cli(*arguments(voices, tmp_path / "even", train__steps=1))
    assert "several channels" not in even.err
    assert "sampling rate" not in even.err


def test_a_whole_file_keeps_its_length_to_the_sample(run: Path, tmp_path: Path, cli: Cli) -> None:
    wave = tone(3.217, 44_100).samples
    soundfile.write(tmp_path / "long.flac", np.stack([wave, wave], axis=1), 44_100)
    done = cli("translate", run, tmp_path / "long.flac", "-o", tmp_path / "out", "--direction=a2b")
    assert done.code == 0, done.err
    made, rate = soundfile.read(tmp_path / "out" / "long.wav")
    assert (made.shape, rate) == (wave.shape, 44_100)
    assert np.abs(made).max() <= 1
    assert np.sqrt(np.mean(made**2)) == pytest.approx(np.sqrt(np.mean(wave**2)), rel=0.05)


def test_sounds_keep_their_level_and_their_depth(run: Path, tmp_path: Path, cli: Cli) -> None:
    data, out = tmp_path / "data", tmp_path / "out"
    data.mkdir()
    wave = tone(0.5, 16_000).samples
    silence = np.zeros(5000, np.float32)
    soundfile.write(data / "offset.wav", wave + 0.4, 16_000)
    soundfile.write(data / "deep.wav", wave, 16_000, subtype="PCM_24")
    soundfile.write(data / "float.wav", wave, 16_000, subtype="FLOAT")
    soundfile.write(data / "nothing.wav", silence, 8_000, subtype="PCM_24")
    soundfile.write(data / "nothing-but-offset.wav", silence + 0.3, 8_000)
    soundfile.write(data / "nearly.wav", np.stack([wave, -0.97 * wave], axis=1), 16_000)
    soundfile.write(data / "cut.wav", wave, 16_000)
    os.truncate(data / "cut.wav", (data / "cut.wav").stat().st_size // 2)
    done = cli("translate", run, data, "-o", out, "--direction=a2b")
    assert done.code == 1
    assert "cut.wav: is broken off: 0.25 of 0.50 seconds are there" in done.err
    assert "1 of 6 files of domain A have channels out of phase" in done.err
    assert len(results(out)) == 6
    for name in ("offset", "deep", "float", "nearly"):
        samples, rate = stored(out / f"{name}.wav")
        full = 1 if samples.dtype == np.float32 else -int(np.iinfo(samples.dtype).min)
        assert (rate, samples.shape) == (16_000, wave.shape)
        level = np.sqrt(np.mean((samples / full) ** 2))
        assert 20 * np.log10(level / wave.std()) == pytest.approx(0, abs=0.3)
    assert stored(out / "float.wav")[0].dtype == np.float32
    assert soundfile.info(out / "deep.wav").subtype == "PCM_24"
    assert soundfile.info(out / "nothing.wav").subtype == "PCM_24"
    for name in ("nothing", "nothing-but-offset"):
        samples, rate = stored(out / f"{name}.wav")
        assert (rate, samples.shape, samples.any()) == (8_000, silence.shape, False)


def test_silence_teaches_nothing_and_channels_out_of_phase_are_said(
    voices: Path, tmp_path: Path, cli: Cli
) -> None:
    data = shutil.copytree(voices, tmp_path / "data")
    for index in range(3, 7):
        wave = tone(0.5, 16_000, 200 + index).samples
        soundfile.write(data / f"trainA/{index}.wav", np.stack([wave, -wave], axis=1), 16_000)
    soundfile.write(data / "trainA/zeros.wav", np.zeros(8000), 16_000)
    done = cli(*arguments(data, tmp_path / "run", train__steps=1, train__preview_every=0))
    assert done.code == 0, done.err
    assert "skipped 1 of 8 files of domain A" in done.err
    assert "zeros.wav: is silent" in done.err
    assert "4 of 7 files of domain A have channels out of phase" in done.err
    assert "several channels" not in done.err


@pytest.mark.slow
def test_the_judges_figures_have_their_names(run: Path, cli: Cli) -> None:
    deaf = f"metrics.recogniser='{sys.executable}' -c 'print()' {{file}}"
    done = cli("evaluate", run, "--quick", "--json", "--set", deaf)
    assert done.code == 0, done.err
    report = json.loads(done.out)
    for direction in ("a2b", "b2a", "both"):
        names = {"mel_l1", "modulation", "duration_ratio", "cycle_mel_l1"}
        assert names <= set(report[direction])
        assert report[direction]["duration_ratio"] == 1
        assert "wer" not in report[direction], "nobody said a word"
        assert report["baselines"]["codec"][direction]["mel_l1"] > 0
    assert {"identity", "mel_statistics", "codec"} <= set(report["baselines"])
    said = f"metrics.recogniser='{sys.executable}' -c 'print(\"one word\")' {{file}}"
    report = json.loads(cli("evaluate", run, "--quick", "--json", "--set", said).out)
    assert {row["both"]["wer"] for row in (report, *report["baselines"].values())} == {0}
    assert "wer" not in report.get("real", {}).get("a2b", {})


def test_other_spectrograms_than_the_checkpoints_are_refused(
    run: Path, tmp_path: Path, cli: Cli
) -> None:
    other = shutil.copytree(run, tmp_path / "other", symlinks=True)
    recipe = (other / "recipe.toml").read_text()
    assert "high = 8000.0" in recipe  # all of the specification is there
    (other / "recipe.toml").write_text(recipe.replace("high = 8000.0", "high = 7600.0"))
    soundfile.write(tmp_path / "a.wav", tone().samples, 22_050)
    done = cli("translate", other, tmp_path / "a.wav", "-o", tmp_path / "out", "--direction=a2b")
    assert done.code == 1
    assert "other spectrograms" in done.err


def test_python_translates_waveforms(run: Path) -> None:
    sound = tone(1.0, 16_000)
    made = cyclekit.load(run).translate(sound, "b2a")
    assert (made.rate, len(made.samples)) == (16_000, 16_000)
