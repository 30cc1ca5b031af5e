"""Files that hold MIDI, opened without fear of what they are."""

import os
from pathlib import Path

from cyclekit.api import BadSample
from cyclekit_music.events import NotMidiError
from cyclekit_music.piece import Piece
from cyclekit_music.reading import read_bytes

MOST_BYTES = 16 * 2**20


def read_piece(path: Path, silent: bool = False) -> Piece:
    """Read a MIDI file; one without notes only if it may be ``silent``.

    Raises:
        BadSample: If it is missing, too large, damaged, without beats or without notes.
    """
    try:
        with open(path, "rb", opener=_without_waiting) as file:
            data = file.read(MOST_BYTES + 1)
        if len(data) > MOST_BYTES:
            raise BadSample(path, f"has more than {MOST_BYTES // 2**20} MiB, too many for MIDI")
        piece = read_bytes(data)
    except OSError as error:
        raise BadSample(path, error.strerror or "cannot be read") from error
    except NotMidiError as error:
        raise BadSample(path, str(error)) from error
    if not silent and not len(piece.notes):
        raise BadSample(path, "holds no notes")
    return piece


def _without_waiting(name: str, flags: int) -> int:
    """Open what may have nothing to say, such as a kernel's log."""
    return os.open(name, flags | getattr(os, "O_NONBLOCK", 0))
