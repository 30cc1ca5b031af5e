"""Sound files read and written, and sound brought to a level."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile

from cyclekit_audio.decoding import read_waveform
from cyclekit_audio.inaudible import Array
from cyclekit_audio.sound import Waveform, root_mean_square

__all__ = [
    "Array",
    "Waveform",
    "match_level",
    "one_after_another",
    "read_waveform",
    "root_mean_square",
    "write_waveform",
]

LEVEL = 10 ** (-23 / 20)  # root mean square that speech is brought to before it is analysed
PAUSE = 0.5  # seconds between sounds that are heard one after the other
KNEE, CEILING = 0.8, 0.999  # from where samples are bent, and what they never reach
UNBOUNDED = ("FLOAT", "DOUBLE")  # encodings in which samples may go beyond 1


def write_waveform(sound: Waveform, path: Path) -> Path:
    """Write WAV of the sound's depth, whatever suffix ``path`` has; returns the file written."""
    path = path.with_suffix(".wav")
    # libsndfile says "System error" of a full disk; files say what it is.
    made = io.BytesIO()
    soundfile.write(made, sound.samples, sound.rate, subtype=sound.encoding, format="WAV")
    path.write_bytes(made.getbuffer())
    return path


def one_after_another(sounds: Sequence[Waveform]) -> Waveform:
    """Sounds as one of the last one's rate and depth, with a pause between them."""
    last = sounds[-1]
    pause = np.zeros(round(PAUSE * last.rate), dtype=np.float32)
    parts: list[Array] = []
    for sound in sounds:
        own = sound.samples if sound.rate == last.rate else sound.at(last.rate)
        parts += [own, pause]
    return Waveform(np.concatenate(parts[:-1]), last.rate, encoding=last.encoding)


def match_level(samples: Array, level: float, bounded: bool = True) -> Array:
    """Scale to a root mean square of ``level``; what would clip is bent below 1, if ``bounded``.

    A single peak, which a vocoder makes easily, must not turn a whole recording down.
    """
    own = root_mean_square(samples)
    if not own:
        return samples
    scaled: Array = samples * np.float32(level / own)
    if not bounded:
        return scaled
    beyond = np.abs(scaled) - KNEE
    bent = KNEE + (CEILING - KNEE) * np.tanh(beyond / (CEILING - KNEE))
    limited: Array = np.where(beyond > 0, np.copysign(bent, scaled), scaled).astype(np.float32)
    return limited
