"""Sound files of every kind come in; what cannot be used says why."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from audio_support import tone
from cyclekit_audio import torch_audio
from cyclekit_audio.codec import AudioCodec, AudioOptions
from cyclekit_audio.waveform import Waveform, match_level, read_waveform, write_waveform

from cyclekit.api import BadSample, PluginError

WAVE = tone(0.5, 22_050).samples


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.wav", {"subtype": "PCM_16"}),
        ("a.wav", {"subtype": "PCM_U8"}),
        ("a.wav", {"subtype": "PCM_24"}),
        ("a.wav", {"subtype": "FLOAT"}),
        ("a.flac", {}),
        ("a.ogg", {}),
        ("a.mp3", {}),
        ("a.aiff", {}),
    ],
)
def test_formats(tmp_path: Path, name: str, options: dict[str, str]) -> None:
    soundfile.write(tmp_path / name, WAVE, 22_050, **options)
    read = read_waveform(tmp_path / name)
    assert read.rate == 22_050
    assert read.samples.dtype == np.float32
    assert abs(len(read.samples) - len(WAVE)) < 2400  # MP3 adds some at either end
    assert read.level == pytest.approx(Waveform(WAVE, 22_050).level, rel=0.05)


@pytest.mark.parametrize(("rate", "channels"), [(192_000, 1), (8_000, 2), (48_000, 6)])
def test_rates_and_channels(tmp_path: Path, rate: int, channels: int) -> None:
    wave = tone(0.5, rate).samples
    soundfile.write(tmp_path / "a.wav", np.stack([wave] * channels, axis=1), rate)
    read = read_waveform(tmp_path / "a.wav")
    assert (read.channels, read.rate, read.samples.shape) == (channels, rate, wave.shape)
    np.testing.assert_allclose(read.samples, wave, atol=1e-3)
    assert len(read.at(16_000)) == 8_000


@pytest.mark.parametrize(
    ("name", "kind", "subtype"),
    [
        ("a.wav", "WAV", "ALAW"),
        ("a.wav", "WAV", "ULAW"),
        ("a.wav", "WAV", "GSM610"),
        ("a.wav", "WAV", "IMA_ADPCM"),
        ("a.wav", "WAV", "MS_ADPCM"),
        ("a.wav", "WAV", "G721_32"),
        ("a.wav", "RF64", "PCM_24"),
        ("a.w64", "W64", "PCM_16"),
        ("a.w64", "W64", "GSM610"),
        ("a.aifc", "AIFF", "FLOAT"),
        ("a.aifc", "AIFF", "ULAW"),
        ("a.aifc", "AIFF", "GSM610"),
        ("a.au", "AU", "G723_24"),
        ("a.caf", "CAF", "ALAC_24"),
        ("a.sph", "NIST", "ULAW"),
    ],
)
def test_encodings(tmp_path: Path, name: str, kind: str, subtype: str) -> None:
    soundfile.write(tmp_path / name, WAVE, 22_050, format=kind, subtype=subtype)
    read = read_waveform(tmp_path / name)
    assert len(WAVE) <= len(read.samples) < len(WAVE) + 1100  # blocks of ADPCM
    assert read.level == pytest.approx(Waveform(WAVE, 22_050).level, rel=0.06)


@pytest.mark.parametrize(
    ("name", "subtype", "kept"),
    [
        ("a.wav", "PCM_U8", "PCM_16"),
        ("a.wav", "PCM_16", "PCM_16"),
        ("a.wav", "PCM_24", "PCM_24"),
        ("a.wav", "PCM_32", "PCM_32"),
        ("a.wav", "FLOAT", "FLOAT"),
        ("a.wav", "DOUBLE", "DOUBLE"),
        ("a.flac", "PCM_24", "PCM_24"),
        ("a.wav", "ULAW", "PCM_16"),
        ("a.mp3", "MPEG_LAYER_III", "PCM_16"),
    ],
)
def test_depth_is_kept(tmp_path: Path, name: str, subtype: str, kept: str) -> None:
    soundfile.write(tmp_path / name, WAVE, 22_050, subtype=subtype)
    sound = read_waveform(tmp_path / name)
    codec = AudioCodec(AudioOptions.model_validate({"vocoder": {"iterations": 1}}))
    sample = codec.encode(sound, "a")
    written = codec.save(codec.decode(sample.tensor, "b", sample.meta), tmp_path / "out")
    assert soundfile.info(written).subtype == kept


def test_what_is_written_in_floating_point_may_be_louder_than_one(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", 20 * WAVE, 22_050, subtype="FLOAT")
    sound = read_waveform(tmp_path / "a.wav")
    codec = AudioCodec(AudioOptions.model_validate({"vocoder": {"iterations": 1}}))
    sample = codec.encode(sound, "a")
    assert codec.decode(sample.tensor, "b", sample.meta).level == pytest.approx(
        sound.level, rel=0.01
    )


@pytest.mark.parametrize(
    ("gains", "cancelled", "level"),
    [
        ((1, -1), True, 1),
        ((1, -0.97), True, 1),
        ((-0.6, 1), True, 1),
        ((1, -1, 1, -1), True, 1),
        ((1, 1), False, 1),
        ((1, 0), False, 1 / 2),
        ((0, 0, 1, 0, 0, 0), False, 1 / 6),
    ],
)
@pytest.mark.parametrize("offset", [0.0, 0.2])
def test_channels_that_cancel_each_other_leave_one(
    tmp_path: Path, gains: tuple[float, ...], cancelled: bool, level: float, offset: float
) -> None:
    soundfile.write(tmp_path / "a.flac", np.outer(WAVE, gains) + offset, 22_050)
    read = read_waveform(tmp_path / "a.flac")
    assert (read.cancelled, read.channels) == (cancelled, len(gains))
    assert read.level == pytest.approx(level * Waveform(WAVE, 22_050).level, rel=1e-2)


def refused(path: Path) -> str:
    with pytest.raises(BadSample) as caught:
        read_waveform(path)
    assert caught.value.path == path
    return caught.value.why


def test_what_cannot_be_used(tmp_path: Path) -> None:
    def write(name: str, samples: object, subtype: str = "FLOAT") -> Path:
        soundfile.write(tmp_path / name, np.asarray(samples, np.float32), 16_000, subtype=subtype)
        return tmp_path / name

    assert refused(write("empty.wav", np.zeros(0))) == "holds no samples"
    assert refused(write("silent.wav", np.zeros(1600))) == "is silent"
    assert "no finite numbers" in refused(write("nan.wav", [0.1, np.nan, 0.2]))
    assert "no finite numbers" in refused(write("inf.wav", [0.1, np.inf, 0.2]))
    (tmp_path / "text.wav").write_text("no sound")
    assert "cannot be read as sound" in refused(tmp_path / "text.wav")
    assert refused(write("dc.wav", np.full(1600, 0.2))) == "is silent"
    assert "too large" in refused(write("huge.wav", [0.1, 1e30, 0.2]))
    (tmp_path / "named.wav").write_bytes(b"\0\0\0\x20ftypM4A " + bytes(100))
    assert "is MPEG-4" in refused(tmp_path / "named.wav")
    (tmp_path / "phone.m4a").write_bytes(b"\0\0\0\x20ftypM4A " + bytes(100))
    assert 'ffmpeg -i "phone.m4a" "phone.wav"' in refused(tmp_path / "phone.m4a")
    assert "cannot be read" in refused(tmp_path / "missing.wav")


def test_rates_that_no_recording_has(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "slow.wav", WAVE, 100)
    assert "100 samples a second" in refused(tmp_path / "slow.wav")
    (tmp_path / "headless.raw").write_bytes(bytes(1000))
    assert "cannot be read as sound" in refused(tmp_path / "headless.raw")


@pytest.mark.parametrize("rate", [44_101, 11_026, 16_000])
def test_odd_rates_are_resampled_like_any(rate: int) -> None:
    made, wanted = tone(0.5, rate).at(22_050), tone(0.5, 22_050).samples
    length = min(len(made), len(wanted))
    assert abs(len(made) - len(wanted)) <= 1
    np.testing.assert_allclose(made[2000 : length - 2000], wanted[2000 : length - 2000], atol=5e-3)


def test_hours_are_too_many(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "day.wav", np.zeros(2 * 3600 * 4000, np.float32), 4000)
    assert "2.0 hours" in refused(tmp_path / "day.wav")


def test_a_translation_may_be_silent(tmp_path: Path) -> None:
    path = write_waveform(Waveform(np.zeros(100, np.float32), 16_000), tmp_path / "a.flac")
    assert path.name == "a.wav"
    assert len(read_waveform(path, silent=True).samples) == 100


def test_levels_are_matched_without_clipping() -> None:
    quiet = match_level(WAVE, 0.01)
    assert Waveform(quiet, 22_050).level == pytest.approx(0.01, rel=1e-4)
    assert np.abs(match_level(WAVE, 5.0)).max() <= 1.0
    assert not match_level(np.zeros(5, np.float32), 0.1).any()
    peaky = WAVE.copy()
    peaky[1000] = 3.0
    louder = match_level(peaky, 0.2)
    assert np.abs(louder).max() < 1
    assert Waveform(louder, 22_050).level == pytest.approx(0.2, rel=0.02)


@pytest.mark.parametrize("failure", [OSError("undefined symbol"), ImportError("No module")])
def test_a_torchaudio_that_does_not_load_is_one_line_with_the_remedy(
    failure: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    import builtins

    real = builtins.__import__

    def failing(name: str, *rest: object) -> object:
        if name.startswith("torchaudio"):
            raise failure
        return real(name, *rest)  # type: ignore[arg-type]

    torch_audio.torchaudio.cache_clear()
    sound = tone()
    with monkeypatch.context() as patch:
        patch.setattr(builtins, "__import__", failing)
        with pytest.raises(PluginError) as caught:
            sound.at(16_000)
    torch_audio.torchaudio.cache_clear()
    assert "pip install" in str(caught.value)
    assert str(failure) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_sounds_side_by_side_are_heard_one_after_the_other(tmp_path: Path) -> None:
    source, made = tone(0.3, 16_000), tone(0.3, 16_000, pitch=110)
    codec = AudioCodec(AudioOptions())
    together = codec.load(codec.save(codec.side_by_side([source, made]), tmp_path / "x"))
    rest = together.samples[4800:12_800]
    assert np.allclose(together.samples[:4800], source.samples, atol=1e-4)
    assert not rest.any()
    assert np.allclose(together.samples[12_800:], made.samples, atol=1e-4)
