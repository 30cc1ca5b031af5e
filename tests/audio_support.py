"""Sounds that tests make on the spot."""

import warnings
from pathlib import Path

import numpy as np
from cyclekit_audio.speakers import SPEAKERS, draw_sentence, say
from cyclekit_audio.waveform import Waveform, write_waveform
from scipy.io import wavfile
from support import QUICK

SMALL_AUDIO: dict[str, object] = QUICK | {
    "codec.mel.bins": 16,
    "codec.frames": 16,
    "codec.vocoder.iterations": 2,
    "generator.name": "tiny",
    "generator.channels": 8,
    "generator.blocks": 1,
    "discriminator.name": "tiny",
    "discriminator.channels": 4,
    "discriminator.layers": 2,
}


def speech(seed: int = 0, speaker: str = "A") -> Waveform:
    """A sentence of one or two seconds at 16 kHz."""
    rng = np.random.default_rng(seed)
    return say(draw_sentence(rng), SPEAKERS[speaker], rng)


def tone(seconds: float = 0.5, rate: int = 22_050, pitch: float = 220.0) -> Waveform:
    """A tone with overtones."""
    time = np.arange(round(seconds * rate)) / rate
    wave = sum(np.sin(2 * np.pi * pitch * n * time) / n for n in (1, 2, 3, 4))
    return Waveform((0.2 * np.asarray(wave)).astype(np.float32), rate)


def stored(file: Path) -> tuple[np.ndarray, int]:
    """What another reader than ours finds in a WAV: samples of any type, and their rate."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", wavfile.WavFileWarning)  # of chunks that are no sound
        rate, samples = wavfile.read(file)
    return samples, rate


def write_voices(root: Path, files: int = 3) -> Path:
    """trainA trainB testA testB with tones for voices; test names are equal in both domains."""
    for letter, pitch in (("A", 200), ("B", 110)):
        for split, first in (("train", 0), ("test", 7)):
            folder = root / f"{split}{letter}"
            folder.mkdir(parents=True)
            for index in range(files):
                sound = tone(0.4 + 0.1 * index, 16_000, pitch * 1.03 ** (first + index))
                write_waveform(sound, folder / f"{index}")
    return root
