"""The built-in speakers."""

from pathlib import Path

import numpy as np
import pytest
from cyclekit_audio import speakers
from cyclekit_audio.metrics import compare_mels
from cyclekit_audio.speakers import SPEAKERS, draw_sentence, make_speakers, say
from cyclekit_audio.waveform import Waveform, read_waveform


def said(speaker: str, seed: int) -> Waveform:
    rng = np.random.default_rng(seed)
    return say(draw_sentence(rng), SPEAKERS[speaker], rng)


def test_the_same_seed_makes_the_same_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(speakers, "TRAIN", 2)
    monkeypatch.setattr(speakers, "TEST", 2)
    for name, seed in (("one", 0), ("again", 0), ("other", 1)):
        (tmp_path / name).mkdir()
        make_speakers(tmp_path / name, seed)
    files = sorted(path.relative_to(tmp_path / "one") for path in (tmp_path / "one").glob("*/*"))
    assert [str(file) for file in files] == [
        f"{split}{letter}/000{n}.wav" for split in ("test", "train") for letter in "AB"
        for n in (0, 1)
    ]  # fmt: skip
    for file in files:
        one, again, other = (read_waveform(tmp_path / n / file) for n in ("one", "again", "other"))
        assert np.array_equal(one.samples, again.samples)
        assert not np.array_equal(one.samples, other.samples)
    lengths = {len(read_waveform(tmp_path / "one" / f"test{d}" / "0000.wav").samples) for d in "AB"}
    assert len(lengths) == 1


def test_where_they_are_paired_both_say_the_same_in_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(speakers, "TRAIN", 2)
    monkeypatch.setattr(speakers, "TEST", 1)
    for paired in (False, True):
        make_speakers(tmp_path / str(paired), 0, paired)
    same, other = (
        [read_waveform(tmp_path / str(paired) / f"train{d}/0001.wav") for d in "AB"]
        for paired in (True, False)
    )
    assert len({len(sound.samples) for sound in same}) == 1
    assert len({len(sound.samples) for sound in other}) == 2


def test_sentences_differ_more_than_their_speakers() -> None:
    a, b = said("A", 0), said("B", 0)
    assert compare_mels(a, said("A", 1)) > 0.2
    assert compare_mels(a, b) > 0.2
    assert np.abs(a.samples).max() < 0.6


def test_the_speakers_share_their_pitch_and_not_their_tract() -> None:
    def pitch(sound: Waveform) -> float:
        middle = sound.samples[len(sound.samples) // 3 :][:4096].astype(float)
        correlation = np.correlate(middle, middle, "full")[len(middle) - 1 :]
        lags = slice(sound.rate // 300, sound.rate // 70)
        return float(sound.rate / (np.argmax(correlation[lags]) + lags.start))

    def brightness(sound: Waveform) -> float:
        power = np.abs(np.fft.rfft(sound.samples)) ** 2
        frequencies = np.fft.rfftfreq(len(sound.samples), 1 / sound.rate)
        return float((power * frequencies).sum() / power.sum())

    pairs = [(said("A", seed), said("B", seed)) for seed in range(5)]
    assert np.median([pitch(a) / pitch(b) for a, b in pairs]) == pytest.approx(1, abs=0.05)
    assert all(brightness(b) != pytest.approx(brightness(a), rel=0.1) for a, b in pairs)
