"""Sound made of spectrograms has those spectrograms, and no seams."""

import json
from pathlib import Path

import pytest
import torch
from audio_support import speech
from cyclekit_audio import vocoder as module
from cyclekit_audio.mel import MelOptions, MelSpectrogram
from cyclekit_audio.vocoder import (
    LibrosaGriffinLim,
    MelGriffinLim,
    VocoderOptions,
    build_vocoder,
    synthesize,
)
from pydantic import ValidationError
from torch import Tensor

from cyclekit.api import RecipeError

MEL = MelSpectrogram(MelOptions())


@pytest.fixture(scope="module")
def log_mel() -> Tensor:
    return MEL(torch.from_numpy(speech(3).at(22_050))[None])


def error(wave: Tensor, wanted: Tensor) -> float:
    """Mean distance of log-mel spectrograms where something sounds, in nepers."""
    loud = wanted > -7
    return (MEL(wave) - wanted)[loud].abs().mean().item()


@pytest.mark.slow
def test_the_mel_constraint_beats_librosas_way(log_mel: Tensor) -> None:
    made = MelGriffinLim(MEL, 30)(log_mel)
    assert made.shape == (1, log_mel.shape[-1] * 256)
    assert error(made, log_mel) < 0.1
    assert error(made, log_mel) < 0.6 * error(LibrosaGriffinLim(MEL, 30)(log_mel), log_mel)


def test_librosas_sound_comes_at_the_right_time(log_mel: Tensor) -> None:
    wave = LibrosaGriffinLim(MEL, 30)(log_mel)
    right = error(wave, log_mel)
    for shift in (-256, -128, 128, 256):
        assert error(wave.roll(shift), log_mel) > right


def test_the_same_spectrogram_gives_the_same_sound(log_mel: Tensor) -> None:
    vocoder = MelGriffinLim(MEL, 3)
    assert torch.equal(vocoder(log_mel), vocoder(log_mel))


def test_a_batch_is_its_items(log_mel: Tensor) -> None:
    other = log_mel.flip(-1)
    vocoder = MelGriffinLim(MEL, 3)
    together = vocoder(torch.cat([log_mel, other]))
    for one, alone in zip(together, (log_mel, other), strict=True):
        torch.testing.assert_close(one, vocoder(alone)[0], atol=1e-4, rtol=1e-3)


def test_chunks_join_without_a_seam(log_mel: Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    vocoder = MelGriffinLim(MEL, 30)
    whole = synthesize(vocoder, log_mel, 256)
    monkeypatch.setattr(module, "CHUNK", 64)
    chunked = synthesize(vocoder, log_mel, 256)
    assert chunked.shape == whole.shape
    assert error(chunked, log_mel) < 1.3 * error(whole, log_mel) + 0.01
    # No click: where chunks meet, sample follows sample as it does around it.
    bend = chunked[0].diff().diff().abs()
    seams = torch.arange(32, log_mel.shape[-1] - 64, 32) * 256
    assert len(seams) > 1
    for seam in seams.tolist():
        for place in (seam, seam + 16 * 256):
            around = bend[max(place - 4096, 0) : place + 4096]
            assert bend[place - 3 : place + 3].max() <= around.quantile(0.999)


def test_a_click_would_be_found(log_mel: Tensor) -> None:
    wave = MelGriffinLim(MEL, 5)(log_mel)
    wave[:, 8192:] *= -1
    bend = wave[0].diff().diff().abs()
    assert bend[8189:8195].max() > bend[4096:12_288].quantile(0.999)


def test_memory_does_not_grow_with_length(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def counting(log_mel: Tensor, before: Tensor | None = None) -> Tensor:
        seen.append(log_mel.shape[-1])
        return torch.zeros(1, log_mel.shape[-1] * 256)

    monkeypatch.setattr(module, "CHUNK", 64)
    assert synthesize(counting, torch.zeros(1, 80, 1000), 256).shape == (1, 256_000)
    assert max(seen) == 64


class Stand(torch.nn.Module):
    """A vocoder that a user might bring."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean(dim=1, keepdim=True).repeat_interleave(256, dim=2)


HIFIGAN = {
    "sampling_rate": 22050, "n_fft": 1024, "hop_size": 256, "win_size": 1024, "num_mels": 80,
    "fmin": 0, "fmax": 8000, "resblock": "1",
}  # fmt: skip


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "vocoder.pt"
    torch.jit.script(Stand()).save(str(path))
    (tmp_path / "config.json").write_text(json.dumps(HIFIGAN))
    return path


def test_a_trained_vocoder_is_used(file: Path, log_mel: Tensor) -> None:
    options = VocoderOptions(name="torchscript", file=str(file))
    made = build_vocoder(options, MEL)(log_mel)
    assert torch.equal(made[0, ::256], log_mel[0].mean(dim=0))


def test_a_vocoder_of_other_mels_is_refused(file: Path) -> None:
    options = VocoderOptions(name="torchscript", file=str(file))
    mel = MelSpectrogram(MelOptions.model_validate("melgan"))
    with pytest.raises(RecipeError, match=r"fmax is 8000 there and 11025.* log is natural there"):
        build_vocoder(options, mel)


def test_what_is_missing_is_named(file: Path, tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="goes with name"):
        VocoderOptions(name="torchscript")
    with pytest.raises(RecipeError, match=r"cannot read .*other\.json"):
        build_vocoder(
            VocoderOptions(name="torchscript", file=str(file), config=str(tmp_path / "other.json")),
            MEL,
        )
    file.write_bytes(b"no torchscript")
    with pytest.raises(RecipeError, match="no TorchScript file"):
        build_vocoder(VocoderOptions(name="torchscript", file=str(file)), MEL)
