"""Read MIDI files tick by tick, and refuse what has no beats.

Where symusic is installed (``cyclekit[fast]``) it does the reading; mido, which comes with
pretty_midi, gives the same notes. A note-off ends the oldest open note of its channel and pitch.
"""

import io
import re
import struct
from collections import defaultdict, deque
from pathlib import Path
from typing import Any

import mido
import numpy as np

from cyclekit.api import BadSample
from cyclekit_music.piece import DEFAULT_TEMPO, DRUM_CHANNEL, NOTE, Part, Piece, with_start

try:
    import symusic
except ImportError:
    symusic = None

MOST_BYTES = 16 * 2**20
MOST_BEATS = 100_000  # fourteen hours at 120 beats a minute
FINEST = 96  # ticks a quarter: coarser files are rescaled, so that every grid falls on whole ticks
DOCUMENTED_KEYS = range(-7, 8)  # flats to sharps
SHORTEST_UNIT = 6  # of a time signature, as a power of two: sixty-fourths
TIME_SIGNATURE = re.compile(rb"\xff\x58\x04(..)", re.DOTALL)
KEY_SIGNATURE = re.compile(rb"\xff\x59\x02(..)", re.DOTALL)


class NotMidiError(ValueError):
    """Why some bytes are no MIDI file that can be used."""


def read_piece(path: Path, silent: bool = False) -> Piece:
    """Read a MIDI file; one without notes only if it may be ``silent``.

    Raises:
        BadSample: If it is missing, too large, damaged, without beats or without notes.
    """
    try:
        with path.open("rb") as file:
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


def read_bytes(data: bytes, fast: bool = symusic is not None) -> Piece:
    """Read the bytes of a MIDI file, with symusic if ``fast``, else with mido.

    Raises:
        NotMidiError: If they cannot be used; says why.
    """
    _check_chunks(data)
    data = KEY_SIGNATURE.sub(_legal_key, data)
    data = TIME_SIGNATURE.sub(_legal_meter, data)
    try:
        piece = _with_symusic(data) if fast else _with_mido(data)
    except Exception as error:  # whatever a parser trips over in a damaged file
        reason = " ".join(str(error).split()) or type(error).__name__
        raise NotMidiError(f"cannot be read as MIDI: {reason}") from error
    if piece.end > MOST_BEATS * piece.resolution:
        beats = piece.end // piece.resolution
        raise NotMidiError(f"lasts {beats:,} beats; at most {MOST_BEATS:,} can be used")
    return _fine(piece)


def _check_chunks(data: bytes) -> None:
    """Refuse what is no MIDI file, incomplete, or counts no beats."""
    if len(data) < 14 or data[:4] != b"MThd":
        raise NotMidiError("is no MIDI file" if data else "is empty")
    length, kind, tracks, division = struct.unpack(">IHHH", data[4:14])
    if kind > 1:
        raise NotMidiError(f"is MIDI of type {kind}; types 0 and 1 can be used")
    if division & 0x8000:
        raise NotMidiError("counts time in SMPTE frames, not in beats")
    if division == 0:
        raise NotMidiError("says that a quarter note has no ticks")
    place, found = 8 + length, 0
    while found < tracks:
        if place + 8 > len(data):
            raise NotMidiError(f"is truncated: {found} of {tracks} tracks are there")
        name, length = data[place : place + 4], struct.unpack(">I", data[place + 4 : place + 8])[0]
        place += 8 + length
        if place > len(data):
            raise NotMidiError(f"is truncated: {place - len(data)} bytes are missing")
        found += name == b"MTrk"


def _legal_key(match: re.Match[bytes]) -> bytes:
    """Replace a key signature that does not exist, at which mido would give up, by C major."""
    accidentals, minor = struct.unpack("bB", match[1])
    legal = accidentals in DOCUMENTED_KEYS and minor in (0, 1)
    return match[0] if legal else b"\xff\x59\x02\x00\x00"


def _legal_meter(match: re.Match[bytes]) -> bytes:
    """Replace a time signature that does not exist by 4/4."""
    beats, unit = match[1]
    return match[0] if beats and unit <= SHORTEST_UNIT else b"\xff\x58\x04\x04\x02"


def _with_mido(data: bytes) -> Piece:
    midi = mido.MidiFile(file=io.BytesIO(data))
    parts: dict[tuple[int, int, int], Part] = {}  # by track, channel and program
    order: dict[tuple[int, int, int], int] = {}
    notes, tempi, signatures = [], [], []
    for number, track in enumerate(midi.tracks):
        tick, programs = 0, [0] * 16
        name = next((event.name for event in track if event.type == "track_name"), "")
        name = name.encode("latin-1").decode("utf-8", "replace")  # as symusic reads it
        sounding: defaultdict[tuple[int, int], deque[tuple[int, int, int]]] = defaultdict(deque)
        for event in track:
            tick += event.time
            kind = event.type
            if kind == "note_on" and event.velocity:
                key = (number, event.channel, programs[event.channel])
                parts.setdefault(key, Part(key[2], event.channel == DRUM_CHANNEL, name))
                index = order.setdefault(key, len(order))
                sounding[event.channel, event.note].append((tick, event.velocity, index))
            elif kind in ("note_on", "note_off"):
                waiting = sounding[event.channel, event.note]
                if waiting:
                    start, velocity, index = waiting.popleft()
                    notes.append((start, tick, event.note, velocity, index))
            elif kind == "program_change":
                programs[event.channel] = event.program
            elif kind == "set_tempo":
                tempi.append((tick, event.tempo))
            elif kind == "time_signature":
                signatures.append((tick, event.numerator, event.denominator))
    return _piece(midi.ticks_per_beat, notes, tuple(parts.values()), tempi, signatures)


def _with_symusic(data: bytes) -> Piece:
    score = symusic.Score.from_midi(data)
    notes = np.zeros(sum(len(track.notes) for track in score.tracks), dtype=NOTE)
    first = 0
    for index, track in enumerate(score.tracks):
        read = track.notes.numpy()
        some = notes[first : first + len(track.notes)]
        some["start"], some["end"] = read["time"], read["time"] + read["duration"]
        some["pitch"], some["velocity"], some["part"] = read["pitch"], read["velocity"], index
        first += len(some)
    parts = tuple(Part(track.program, track.is_drum, track.name) for track in score.tracks)
    tempi = [(tempo.time, tempo.mspq) for tempo in score.tempos]
    signatures = [(at.time, at.numerator, at.denominator) for at in score.time_signatures]
    return _piece(score.ticks_per_quarter, notes, parts, tempi, signatures)


def _piece(
    resolution: int, notes: Any, parts: tuple[Part, ...], tempi: Any, signatures: Any
) -> Piece:
    notes = np.asarray(notes, dtype=NOTE)
    notes["end"] = np.maximum(notes["end"], notes["start"] + 1)  # off at once: the shortest note
    notes.sort(order=("start", "pitch", "end", "part"))
    tempi = np.array(tempi, dtype=np.int64).reshape(-1, 2)
    signatures = np.array(signatures, dtype=np.int64).reshape(-1, 3)
    tempi = with_start(tempi[tempi[:, 1] > 0], (DEFAULT_TEMPO,))
    signatures = signatures[np.argsort(signatures[:, 0], kind="stable")]
    return Piece(resolution, notes, parts, tempi, signatures)


def _fine(piece: Piece) -> Piece:
    """The piece with at least ``FINEST`` ticks a quarter."""
    finer = -(-FINEST // piece.resolution)
    if finer == 1:
        return piece
    notes, tempi, signatures = piece.notes.copy(), piece.tempi.copy(), piece.signatures.copy()
    notes["start"] *= finer
    notes["end"] *= finer
    tempi[:, 0] *= finer
    signatures[:, 0] *= finer
    return Piece(piece.resolution * finer, notes, piece.parts, tempi, signatures)
