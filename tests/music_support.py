"""MIDI files that tests make on the spot."""

import io
import struct
from collections.abc import Sequence
from pathlib import Path

import mido
import numpy as np
from cyclekit_music.piece import Part, Piece, make_notes
from support import QUICK

QUARTER = 480

SMALL_MUSIC = QUICK | {
    "generator.name": "tiny",
    "generator.channels": 4,
    "generator.blocks": 1,
    "discriminator.name": "tiny",
    "discriminator.channels": "[4, 4]",
}


def piece(
    *notes: tuple[float, float, int],
    signatures: Sequence[tuple[float, int, int]] = ((0, 4, 4),),
    tempi: Sequence[tuple[float, int]] = ((0, 500_000),),
    parts: tuple[Part, ...] = (Part(),),
) -> Piece:
    """A piece of ``(start, length, pitch)`` in quarters, all in the first part."""
    return Piece(
        QUARTER,
        make_notes(
            (round(start * QUARTER), round((start + length) * QUARTER), pitch, 70, 0)
            for start, length, pitch in notes
        ),
        parts,
        np.array([(round(at * QUARTER), tempo) for at, tempo in tempi], dtype=np.int64),
        np.array(
            [(round(at * QUARTER), beats, unit) for at, beats, unit in signatures], dtype=np.int64
        ).reshape(-1, 3),
    )


def rows(made: Piece) -> list[tuple[float, float, int]]:
    """The notes of a piece as ``piece`` takes them."""
    return [
        (note["start"] / made.resolution, (note["end"] - note["start"]) / made.resolution,
         int(note["pitch"]))
        for note in made.notes
    ]  # fmt: skip


def scale(bars: int, first: int = 48) -> list[tuple[float, float, int]]:
    """Quarters up and down a scale, and a bass note a bar."""
    steps = (0, 2, 4, 5, 7, 9, 11, 12, 11, 9, 7, 5, 4, 2, 0, 0)
    return [(quarter, 1, first + 12 + steps[quarter % 16]) for quarter in range(4 * bars)] + [
        (4 * bar, 4, first) for bar in range(bars)
    ]


def write_scales(root: Path, files: int = 3) -> Path:
    """trainA trainB testA testB with short pieces; test names are equal in both domains."""
    from cyclekit_music.writing import write_piece

    for letter, first in (("A", 36), ("B", 60)):
        for split, shift in (("train", 0), ("test", 5)):
            folder = root / f"{split}{letter}"
            folder.mkdir(parents=True)
            for index in range(files):
                write_piece(piece(*scale(6, first + shift + index)), folder / f"{index}.mid")
    return root


def midi_bytes(*tracks: Sequence[mido.Message | mido.MetaMessage], division: int = 480) -> bytes:
    """A MIDI file of messages whose times are ticks since the one before."""
    midi = mido.MidiFile(type=1, ticks_per_beat=division)
    midi.tracks.extend(mido.MidiTrack(track) for track in tracks)
    written = io.BytesIO()
    midi.save(file=written)
    return written.getvalue()


def header(kind: int = 1, tracks: int = 1, division: int = 480) -> bytes:
    """The first chunk of a MIDI file."""
    return b"MThd" + struct.pack(">IHHH", 6, kind, tracks, division)


def note(pitch: int, ticks: int, channel: int = 0) -> list[mido.Message]:
    """A note that begins at once and lasts ``ticks``."""
    return [
        mido.Message("note_on", note=pitch, velocity=64, channel=channel, time=0),
        mido.Message("note_off", note=pitch, channel=channel, time=ticks),
    ]
