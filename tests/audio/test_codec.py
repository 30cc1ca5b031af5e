"""Sound becomes spectrograms and comes back as long and as loud as it was."""

import numpy as np
import pytest
import torch
from audio_support import speech, tone
from cyclekit_audio.codec import AudioCodec, AudioOptions
from cyclekit_audio.metrics import compare_frames
from cyclekit_audio.waveform import Waveform

from cyclekit.api import CheckpointError


def codec(**options: object) -> AudioCodec:
    return AudioCodec(AudioOptions.model_validate(options))


def fitted(made: AudioCodec, *sounds: Waveform) -> AudioCodec:
    for domain in ("a", "b"):
        made.fit(domain, [w for s in sounds for w in made.windows(made.encode(s, domain))])
    return made


@pytest.mark.parametrize(
    ("rate", "samples"), [(22_050, 22_050), (16_000, 12_345), (44_100, 44_101), (8_000, 4_001)]
)
def test_length_and_loudness_come_back(rate: int, samples: int) -> None:
    sound = Waveform(tone(samples / rate, rate).samples[:samples], rate)
    made = codec(vocoder={"iterations": 3})
    sample = made.encode(sound, "a")
    back = made.decode(sample.tensor, "b", sample.meta)
    assert (len(back.samples), back.rate) == (len(sound.samples), rate)
    assert back.level == pytest.approx(sound.level, rel=0.01)
    assert np.abs(back.samples).max() <= 1.0


def test_encoding_and_decoding_alone_is_nearly_transparent() -> None:
    sound, made = speech(1), codec()
    sample = made.encode(sound, "a")
    assert compare_frames(made.decode(sample.tensor, "a", sample.meta), sound) < 0.1


def test_loudness_is_no_part_of_the_spectrogram() -> None:
    sound, made = speech(1), codec()
    softer = Waveform(sound.samples * np.float32(0.1), sound.rate)
    torch.testing.assert_close(
        made.encode(sound, "a").tensor, made.encode(softer, "a").tensor, atol=1e-3, rtol=0
    )


def test_the_same_sound_gives_the_same_spectrogram_without_an_exact_floor() -> None:
    silence = np.zeros(8000, np.float32)
    sound = Waveform(np.concatenate([silence, tone(0.5, 16_000).samples, silence]), 16_000)
    made = codec()
    first, again = made.encode(sound, "a").tensor, made.encode(sound, "a").tensor
    assert torch.equal(first, again)
    assert first[..., 2:20].std() > 0.1
    assert codec(dither=0).encode(sound, "a").tensor[..., 2:20].std() < 1e-4


def test_silent_ends_are_no_part_of_training() -> None:
    silence = np.zeros(16_000, np.float32)
    sound = Waveform(np.concatenate([silence, tone(2, 16_000).samples, silence]), 16_000)
    made = codec()
    sample = made.encode(sound, "a")
    assert sample.facts["trimmed"] == pytest.approx(0.5, abs=0.03)
    windows = made.windows(sample)
    assert sum(window.tensor.shape[-1] for window in windows) < 2.1 * 2 * 22_050 / 256
    assert all((window.tensor[0, 10] > -6).float().mean() > 0.95 for window in windows)
    kept = codec(trim=0).encode(sound, "a")
    assert kept.facts["trimmed"] == 0


def test_windows_cover_everything_and_are_cut_anywhere() -> None:
    made = codec(trim=0)
    sample = made.encode(speech(2), "a")
    frames = sample.tensor.shape[-1]
    sample.tensor = torch.arange(frames).expand(1, 80, frames).float()
    windows = made.windows(sample)
    covered = {int(x) for window in windows for x in window.tensor[0, 0]}
    assert covered == set(range(frames))
    rng = torch.Generator().manual_seed(0)
    starts = set()
    for _ in range(100):
        cut = made.augment(windows[0].tensor, "a", rng)
        assert cut.shape == (1, 80, 64)
        starts.add(int(cut[0, 0, 0]))
    assert len(starts) > 30


def test_a_short_utterance_is_filled_up_and_counted() -> None:
    made = codec()
    sample = made.encode(tone(0.3), "a")
    assert sample.facts["padded"] == 1
    (window,) = made.windows(sample)
    known = ~window.tensor[0, 0].isnan()
    assert window.tensor.shape == (1, 80, 64)
    assert 20 < known.sum() < 30
    fitted(made, tone(0.3))
    assert made.to_network(window.tensor[None], "a").isnan().sum() == (~known).sum() * 80


def test_each_voice_has_statistics_of_its_own() -> None:
    made = codec()
    for domain, sound in (("a", speech(1)), ("b", speech(1, "B"))):
        windows = made.windows(made.encode(sound, domain))
        made.fit(domain, windows)
        normal = torch.cat([made.to_network(w.tensor[None], domain)[0, 0] for w in windows], dim=1)
        assert normal.mean(dim=1).abs().max() < 1e-3
        assert (normal.std(dim=1)[10:] - 1).abs().max() < 0.02
        assert normal.std(dim=1).max() < 1.02  # the lowest bands, in which little sounds
    batch = torch.randn(2, 1, 80, 9)
    torch.testing.assert_close(made.from_network(made.to_network(batch, "b"), "b"), batch)
    levels = torch.tensor([-11.0, -9.0, -4.0, -2.0]).expand(1, 1, 80, 4)
    quieter, quiet, loud, louder = made.to_network(levels, "b").unbind(dim=-1)
    assert ((quiet - quieter) < 0.1 * (louder - loud)).all()  # less than a whisper is one
    assert not torch.equal(made.to_network(batch, "a"), made.to_network(batch, "b"))


def test_statistics_travel_and_other_spectrograms_are_refused() -> None:
    made = fitted(codec(), speech(1))
    other = codec()
    other.load_state_dict(made.state_dict())
    batch = torch.randn(1, 1, 80, 9)
    assert torch.equal(other.to_network(batch, "a"), made.to_network(batch, "a"))
    with pytest.raises(CheckpointError, match="other spectrograms"):
        codec(mel="melgan").load_state_dict(made.state_dict())
    with pytest.raises(CheckpointError, match="other spectrograms"):
        codec(fade=0).load_state_dict(made.state_dict())


def test_whatever_a_network_makes_up_stays_a_sound() -> None:
    made = fitted(codec(vocoder={"iterations": 2}), speech(1))
    sample = made.encode(speech(1), "a")
    wild = torch.full_like(sample.tensor, 1e6)
    wild[..., ::2] = torch.nan
    back = made.decode(wild, "b", sample.meta)
    assert np.isfinite(back.samples).all()
    assert np.abs(back.samples).max() <= 1


def test_what_was_noticed() -> None:
    loud = Waveform((tone(1).samples * 9).clip(-1, 1), 22_050, channels=2)
    facts = codec().encode(loud, "a").facts
    assert facts["seconds"] == 1
    assert facts["channels"] == 2
    assert facts["rate"] == 22_050
    assert facts["clipped"] > 0.1
    assert codec().encode(tone(1), "a").facts["clipped"] == 0
