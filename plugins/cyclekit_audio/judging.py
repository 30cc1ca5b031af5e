"""The judge's own view of a sound, the same for every recipe, and how two sounds are aligned."""

from dataclasses import replace
from functools import cache

import numpy as np
import torch

from cyclekit_audio.mel import MelOptions, MelSpectrogram
from cyclekit_audio.waveform import LEVEL, Array, Waveform

FLOOR = 1e-3  # mel magnitudes below this count as this: silence is silence
LONGEST = 30.0  # seconds of a sound that are compared


@cache
def judges_mel() -> MelSpectrogram:
    """HiFi-GAN's preset, whatever the run uses."""
    return MelSpectrogram(MelOptions())


def log_mel(sound: Waveform) -> Array:
    """``(frames, 80)``: natural log-mel spectrogram at one level, with a floor."""
    mel = judges_mel()
    wave = beginning(sound).at(mel.options.rate)
    wave = wave * np.float32(LEVEL / max(sound.level, 1e-9))
    frames: Array = mel(torch.from_numpy(wave)[None])[0].T.numpy()
    return np.maximum(frames, np.log(FLOOR))


def beginning(sound: Waveform) -> Waveform:
    """As much of a sound as is compared: alignment takes the square of it in memory."""
    return replace(sound, samples=sound.samples[: round(LONGEST * sound.rate)])


def align(x: Array, y: Array) -> tuple[Array, Array]:
    """Indices into two sequences, ``(length, features)`` each, along the cheapest way through both.

    Exact dynamic time warping with Euclidean distances.
    """
    import librosa

    _, path = librosa.sequence.dtw(x.T, y.T, metric="euclidean")
    return path[::-1, 0], path[::-1, 1]
