"""Spectrograms are the ones that vocoders know."""

import librosa
import numpy as np
import pytest
import torch
from audio_support import speech, tone
from cyclekit_audio.mel import MelOptions, MelSpectrogram
from pydantic import ValidationError


def test_hifigans_mels_are_librosas_with_its_framing() -> None:
    wave = speech().at(22_050)
    wave = wave[: len(wave) // 256 * 256]
    padded = np.pad(wave, 384, mode="reflect")
    power = np.abs(librosa.stft(padded, n_fft=1024, hop_length=256, center=False)) ** 2
    filters = librosa.filters.mel(sr=22_050, n_fft=1024, n_mels=80, fmin=0, fmax=8000)
    expected = np.log(np.maximum(filters @ np.sqrt(power + 1e-9), 1e-5))
    made = MelSpectrogram(MelOptions())(torch.from_numpy(wave)[None])[0].numpy()
    assert made.shape == (80, len(wave) // 256)
    np.testing.assert_allclose(made, expected, atol=2e-3)


def test_melgans_mels_are_decimal_and_reach_half_the_rate() -> None:
    options = MelOptions.model_validate("melgan")
    assert (options.log, options.high) == ("decimal", 11_025)
    wave = torch.from_numpy(tone().samples)[None]
    natural = MelOptions.model_validate({"preset": "melgan", "log": "natural"})
    torch.testing.assert_close(
        MelSpectrogram(options)(wave) * np.log(10), MelSpectrogram(natural)(wave)
    )


def test_a_table_changes_what_its_preset_says() -> None:
    options = MelOptions.model_validate({"preset": "16k", "bins": 40})
    assert (options.rate, options.bins, options.hop) == (16_000, 40, 256)
    again = MelOptions.model_validate(options.model_dump())
    assert again == options
    assert not torch.equal(options.fingerprint, MelOptions.model_validate("16k").fingerprint)


@pytest.mark.parametrize(
    "wrong", [{"high": 12_000.0}, {"hop": 2048}, {"hop": 255}, {"bins": 4}, {"preset": "hifi"}]
)
def test_impossible_spectrograms_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        MelOptions.model_validate(wrong)


@pytest.mark.parametrize("samples", [1, 100, 400, 512, 1000, 22_050])
def test_every_sample_is_in_a_frame(samples: int) -> None:
    mel = MelSpectrogram(MelOptions())
    made = mel(torch.randn(2, samples))
    assert made.shape == (2, 80, mel.frames(samples))
    assert mel.frames(samples) * 256 >= samples
    assert made.isfinite().all()


def test_parts_of_a_long_sound_are_those_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    mel, wave = MelSpectrogram(MelOptions()), torch.randn(1, 50_000)
    whole = mel(wave)
    monkeypatch.setattr("cyclekit_audio.mel.AT_ONCE", 16)
    torch.testing.assert_close(mel(wave), whole)


def test_a_spectrum_leads_back_to_its_signal() -> None:
    mel = MelSpectrogram(MelOptions())
    padded = torch.randn(1, 256 * 20 + 768)
    back = mel.signal(mel.spectrum(padded))
    torch.testing.assert_close(back[:, 300:-300], padded[:, 300:-300], atol=1e-4, rtol=1e-4)


def test_compressing_can_be_undone() -> None:
    for preset in ("hifigan", "melgan"):
        mel = MelSpectrogram(MelOptions.model_validate(preset))
        magnitudes = torch.rand(1, 80, 7) + 1e-3
        torch.testing.assert_close(mel.expand(mel.compress(magnitudes)), magnitudes)
