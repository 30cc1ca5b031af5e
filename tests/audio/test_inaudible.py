"""What nobody hears decides neither how loud a sound is nor what its spectrogram is like."""

import numpy as np
import pytest
import torch
from audio_support import speech, tone
from cyclekit_audio.codec import AudioCodec, AudioOptions
from cyclekit_audio.inaudible import BLOCK, Array, remove_inaudible
from cyclekit_audio.sound import Waveform

VOICE = speech(3)
SECONDS = np.arange(len(VOICE.samples)) / VOICE.rate
LOUD = np.float32(8 * VOICE.level)


def with_click(samples: Array, *places: int) -> Array:
    clicked = samples.copy()
    clicked[list(places)] = 1.0
    return clicked


SOFT = VOICE.samples / 300  # beside which a click is loud
FAULTS = {
    "offset": VOICE.samples + LOUD,
    "slope": VOICE.samples + LOUD * (SECONDS / SECONDS[-1] - 0.3),
    "drift": VOICE.samples + LOUD * np.sin(2 * np.pi * 0.4 * SECONDS),
    "5 Hz": VOICE.samples + LOUD / 4 * np.sin(2 * np.pi * 5 * SECONDS + 1),
    "15 Hz": VOICE.samples + LOUD / 4 * np.sin(2 * np.pi * 15 * SECONDS + 1),
    "click": with_click(SOFT, 9000),
    "clicks at the ends": with_click(SOFT, 0, len(SOFT) - 1),
    "click on an offset": with_click(SOFT, 9000) - np.float32(0.3),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_level_and_spectrogram_are_as_without_it(fault: str) -> None:
    clean = Waveform(SOFT if "click" in fault else VOICE.samples, VOICE.rate)
    faulty = Waveform(FAULTS[fault].astype(np.float32), VOICE.rate)
    assert 20 * np.log10(faulty.level / clean.level) == pytest.approx(0, abs=0.2)
    codec = AudioCodec(AudioOptions())
    mine, wanted = (codec.encode(sound, "a") for sound in (faulty, clean))
    magnitudes = [codec.mel.expand(sample.tensor) for sample in (mine, wanted)]
    assert (magnitudes[0] - magnitudes[1]).abs().mean() < 0.05 * magnitudes[1].mean()
    if "Hz" in fault:  # as loud as this, its ends leave a trace in the lowest band
        return
    assert mine.meta["sounding"] == wanted.meta["sounding"]
    for sample in (mine, wanted):
        codec.fit("a" if sample is mine else "b", codec.windows(sample))
    statistics = codec.state_dict()
    torch.testing.assert_close(statistics["a"], statistics["b"], atol=0.05, rtol=0.02)


@pytest.mark.parametrize(("rate", "ultrasound"), [(48_000, 22_500.0), (96_000, 40_000.0)])
def test_ultrasound_decides_nothing(rate: int, ultrasound: float) -> None:
    clean = tone(0.7, rate, 440.0)
    whistle = 8 * np.sin(2 * np.pi * ultrasound / rate * np.arange(len(clean.samples)))
    faulty = Waveform(clean.samples + whistle.astype(np.float32), rate)
    assert 20 * np.log10(faulty.level / clean.level) == pytest.approx(0, abs=0.2)


@pytest.mark.parametrize("pitch", [40.0, 60.0, 220.0, 1000.0])
@pytest.mark.parametrize("rate", [8_000, 16_000, 192_000])
def test_what_is_heard_stays_as_it_is(pitch: float, rate: int) -> None:
    sound = tone(0.7, rate, pitch)
    inside = slice(rate // 10, -rate // 10)
    assert np.abs(sound.audible - sound.samples)[inside].max() < 0.01
    assert sound.level == pytest.approx(sound.samples.std(), rel=0.02)


def test_sounds_that_consist_of_single_samples_or_steps_stay() -> None:
    pulses = np.zeros(16_000, np.float32)
    pulses[::200] = 0.5
    assert remove_inaudible(pulses, 16_000)[4000:12_000].max() > 0.45
    square = np.where(SECONDS * 100 % 1 < 0.5, 0.2, -0.2).astype(np.float32)
    heard = remove_inaudible(square, VOICE.rate)
    assert np.abs(heard - square)[4000:-4000].max() < 0.01


def test_blocks_join_without_a_step() -> None:
    sound = np.resize(VOICE.samples, BLOCK + 5000) + np.float32(0.2)
    sound[[BLOCK - 1, BLOCK + 1000]] = 1.0
    joined = remove_inaudible(sound, VOICE.rate)[BLOCK - 4000 : BLOCK + 4000]
    alone = remove_inaudible(sound[BLOCK - 40_000 :], VOICE.rate)[36_000:44_000]
    np.testing.assert_allclose(joined, alone, atol=1e-5)


@pytest.mark.parametrize("length", [0, 1, 2, 7, 100])
def test_short_sounds(length: int) -> None:
    sound = Waveform(np.full(length, 0.3, np.float32), 16_000)
    assert sound.audible.shape == (length,)
    assert sound.silent
    assert sound.level < 1e-6
    if length:
        codec = AudioCodec(AudioOptions.model_validate({"vocoder": {"iterations": 1}}))
        sample = codec.encode(sound, "a")
        back = codec.decode(sample.tensor, "b", sample.meta)
        assert len(back.samples) == length
        assert np.abs(back.samples).max() < 1e-6
