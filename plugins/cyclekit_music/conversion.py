"""Pieces as pretty_midi has them, in seconds, and back."""

import io

import mido
import pretty_midi

from cyclekit_music.piece import Piece
from cyclekit_music.reading import read_bytes
from cyclekit_music.writing import to_bytes


def to_pretty_midi(piece: Piece) -> pretty_midi.PrettyMIDI:
    """A piece as pretty_midi sees it: in seconds.

    Raises:
        ValueError: Beyond the ten million ticks that pretty_midi takes, or where its reader does
            not know an event of the frame.
    """
    midi = mido.MidiFile(file=io.BytesIO(to_bytes(piece)))
    return pretty_midi.PrettyMIDI(mido_object=midi)


def from_pretty_midi(midi: pretty_midi.PrettyMIDI) -> Piece:
    """A piece from pretty_midi's seconds, by way of the file that it would write."""
    written = io.BytesIO()
    midi.write(written)
    return read_bytes(written.getvalue())
