"""Sound files read and written, and sound brought to a level."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile

from cyclekit_audio.decoding import read_waveform
from cyclekit_audio.inaudible import Array
from cyclekit_audio.levels import LEVEL, UNBOUNDED, match_level, root_mean_square
from cyclekit_audio.sound import Waveform

__all__ = [
    "LEVEL",
    "UNBOUNDED",
    "Array",
    "Waveform",
    "match_level",
    "one_after_another",
    "read_waveform",
    "root_mean_square",
    "write_waveform",
]

PAUSE = 0.5  # seconds between sounds that are heard one after the other


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
