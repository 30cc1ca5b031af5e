"""One channel of sound with its rate: read from and written to files, brought to another rate."""

from dataclasses import dataclass
from math import gcd
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
from scipy.signal import resample_poly

from cyclekit.api import BadSample
from cyclekit_audio.torch_audio import torchaudio

Array = np.ndarray[Any, Any]

LONGEST = 3600  # seconds of one file
RATES = (4_000, 384_000)  # samples a second that files may have
LEVEL = 10 ** (-23 / 20)  # root mean square that speech is brought to before it is analysed
PLAIN = 1000  # rates whose ratio has larger terms make torchaudio's filters too large
KNEE, CEILING = 0.8, 0.999  # from where samples are bent, and what they never reach
OTHER_FORMATS = {".m4a", ".aac", ".wma", ".mp4", ".amr", ".webm", ".mka", ".ac3"}


@dataclass(frozen=True)
class Waveform:
    """Sound of one channel.

    Attributes:
        samples: ``(samples,)`` float32, -1 to 1.
        rate: Samples a second.
        channels: How many were mixed down to the one.
    """

    samples: Array
    rate: int
    channels: int = 1

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return len(self.samples) / self.rate

    @property
    def level(self) -> float:
        """Root mean square of the samples."""
        return float(np.sqrt(np.mean(np.square(self.samples, dtype=np.float64))))

    def at(self, rate: int) -> Array:
        """The samples at another rate, by band-limited interpolation."""
        if rate == self.rate:
            return self.samples
        common = gcd(rate, self.rate)
        if max(rate, self.rate) // common > PLAIN:
            odd: Array = resample_poly(self.samples, rate // common, self.rate // common)
            return odd.astype(np.float32)
        wave = torch.from_numpy(np.ascontiguousarray(self.samples))
        resampled: Array = torchaudio().functional.resample(wave, self.rate, rate).numpy()
        return resampled


def read_waveform(path: Path, silent: bool = False) -> Waveform:
    """Read whatever libsndfile reads and mix it down.

    Args:
        path: WAV, FLAC, OGG, Opus, MP3, AIFF and others.
        silent: Accept a file in which nothing sounds.

    Raises:
        BadSample: If it is no such file, holds nothing usable, or is longer than ``LONGEST``.
    """
    try:
        with soundfile.SoundFile(path) as file:
            seconds = file.frames / file.samplerate
            low, high = RATES
            if not low <= file.samplerate <= high:
                raise BadSample(
                    path, f"has {file.samplerate} samples a second; {low} to {high} can be used"
                )
            if seconds > LONGEST:
                raise BadSample(path, f"lasts {seconds / 3600:.1f} hours: cut it into parts")
            read = file.read(dtype="float32", always_2d=True)
            rate = int(file.samplerate)
    except (soundfile.SoundFileError, OSError, TypeError, ValueError) as error:
        raise BadSample(path, _why_unreadable(path, error)) from error
    if not len(read):
        raise BadSample(path, "holds no samples")
    samples = read.mean(axis=1)
    if not np.isfinite(samples).all():
        raise BadSample(path, "holds samples that are no finite numbers")
    if not silent and not np.abs(samples).max() > 1e-4:
        raise BadSample(path, "is silent")
    return Waveform(samples, rate, read.shape[1])


def write_waveform(sound: Waveform, path: Path) -> Path:
    """Write WAV of 16 bits, whatever suffix ``path`` has; returns the file written."""
    path = path.with_suffix(".wav")
    soundfile.write(path, sound.samples, sound.rate, subtype="PCM_16")
    return path


def match_level(samples: Array, level: float) -> Array:
    """Scale to a root mean square of ``level``; what would clip is bent below 1.

    A single peak, which a vocoder makes easily, must not turn a whole recording down.
    """
    own = np.sqrt(np.mean(np.square(samples, dtype=np.float64))) if len(samples) else 0.0
    if not own:
        return samples
    scaled = samples * np.float32(level / own)
    beyond = np.abs(scaled) - KNEE
    bent = KNEE + (CEILING - KNEE) * np.tanh(beyond / (CEILING - KNEE))
    limited: Array = np.where(beyond > 0, np.copysign(bent, scaled), scaled).astype(np.float32)
    return limited


def _why_unreadable(path: Path, error: Exception) -> str:
    if path.suffix.lower() in OTHER_FORMATS:
        return (
            f"is a format that libsndfile does not read; convert it, for instance with "
            f'ffmpeg -i "{path.name}" "{path.stem}.wav"'
        )
    return f"cannot be read as sound ({error})"
