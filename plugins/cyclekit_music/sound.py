"""Let a person hear a piece: FluidSynth where it is installed, else pretty_midi's sine waves."""

from pathlib import Path

import numpy as np
import soundfile

from cyclekit_music.conversion import to_pretty_midi
from cyclekit_music.piece import Array, Piece

SAMPLE_RATE = 22_050
SECONDS = 20.0  # of a piece that are played
PEAK = 0.8


def play(piece: Piece, seconds: float = SECONDS) -> Array:
    """``(samples,)`` float32 in -1..1 at ``SAMPLE_RATE``: the beginning of a piece."""
    midi = to_pretty_midi(piece.until(seconds))
    try:
        sound = midi.fluidsynth(fs=SAMPLE_RATE)
    except ImportError:
        sound = midi.synthesize(fs=SAMPLE_RATE)
    sound = np.asarray(sound, dtype=np.float32)[: round(seconds * SAMPLE_RATE)]
    loudest = np.abs(sound).max(initial=0)
    return sound * np.float32(PEAK / loudest) if loudest else sound


def write_sound(sound: Array, path: Path) -> Path:
    """Write WAV of 16 bits, whatever suffix ``path`` has; returns the file written."""
    path = path.with_suffix(".wav")
    soundfile.write(path, sound, SAMPLE_RATE, subtype="PCM_16")
    return path
