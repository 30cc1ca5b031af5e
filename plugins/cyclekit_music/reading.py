"""Read MIDI tick by tick, and refuse what has no beats.

Where symusic is installed (``cyclekit[fast]``) it reads the notes, unless a file is damaged or says
which channels are drum kits; what lies in its events gives the same ones.
"""

import re
import struct
from dataclasses import replace
from typing import Any

import numpy as np

from cyclekit_music.events import METER, NAME, TEMPO, NotMidiError, resolution_of, scan
from cyclekit_music.kits import Kits, may_have_kits
from cyclekit_music.piece import DEFAULT_TEMPO, NOTE, Part, Piece, with_start
from cyclekit_music.playing import Played, shortest

try:
    import symusic
except ImportError:
    symusic = None

MOST_BEATS = 100_000  # fourteen hours at 120 beats a minute
MOST_NOTES = 1_000_000
FINEST = 96  # ticks a quarter: coarser files are rescaled, so that every grid falls on whole ticks
DOCUMENTED_KEYS = range(-7, 8)  # flats to sharps
SHORTEST_UNIT = 6  # of a time signature, as a power of two: sixty-fourths
TIME_SIGNATURE = re.compile(rb"\xff\x58\x04(..)", re.DOTALL)
KEY_SIGNATURE = re.compile(rb"\xff\x59\x02(..)", re.DOTALL)


def read_bytes(data: bytes, fast: bool = symusic is not None) -> Piece:
    """Read the bytes of a MIDI file, with symusic if ``fast`` and where that will do.

    Raises:
        NotMidiError: If they cannot be used; says why.
    """
    data = _unwrapped(data)
    _check_chunks(data)
    data = KEY_SIGNATURE.sub(_legal_key, data)
    data = TIME_SIGNATURE.sub(_legal_meter, data)
    piece = _with_symusic(data) if fast and not may_have_kits(data) else None
    try:
        piece = piece or _from_events(data)
    except (ValueError, LookupError, OverflowError, struct.error) as error:
        raise NotMidiError(f"cannot be read as MIDI: {error}") from error
    if piece.end > MOST_BEATS * piece.resolution:
        beats = piece.end // piece.resolution
        raise NotMidiError(f"lasts {beats:,} beats; at most {MOST_BEATS:,} can be used")
    if len(piece.notes) > MOST_NOTES:
        raise NotMidiError(f"holds {len(piece.notes):,} notes; at most {MOST_NOTES:,} can be used")
    return _fine(replace(piece, frame=data))


def is_midi(head: bytes) -> bool:
    """Whether a file that begins so is MIDI, in RIFF or not."""
    return head[:4] == b"MThd" or _is_rmid(head)


def _is_rmid(data: bytes) -> bool:
    return data[:4] == b"RIFF" and data[8:12] == b"RMID"


def _unwrapped(data: bytes) -> bytes:
    """What is inside an RMID file (``.rmi``): RIFF, of whose chunks ``data`` is a MIDI file."""
    if not _is_rmid(data):
        return data
    place = 12
    while place + 8 <= len(data):
        name, length = struct.unpack_from("<4sI", data, place)
        place += 8
        if name == b"data":
            return data[place : place + length]
        place += length + length % 2
    raise NotMidiError("is an RMID file without MIDI in it")


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


def _from_events(data: bytes) -> Piece:
    tracks = scan(data)
    kits = Kits(tracks)
    parts: dict[tuple[int, ...], Part] = {}  # by track, port, channel, program, whether drums
    order: dict[tuple[int, ...], int] = {}
    found, tempi, signatures = [np.zeros(0, dtype=NOTE)], [], []
    for number, track in enumerate(tracks):
        names = track.metas(NAME)
        name = track.text(names[0]).decode("utf-8", "replace") if len(names) else ""
        played = Played(track, kits)
        notes = played.notes
        columns = (played.ports, played.channels, played.programs, played.drums)
        for index, key in enumerate(zip(*(column.tolist() for column in columns), strict=True)):
            parts.setdefault((number, *key), Part(key[2], key[3], name, read=True))
            notes["part"][index] = order.setdefault((number, *key), len(order))
        found.append(notes)
        for row in track.metas(TEMPO):
            tempi.append((track.ticks[row], int.from_bytes(track.text(row)[:3])))
        for row in track.metas(METER):
            beats, unit, *_ = (*track.text(row), 0, 0)
            if beats and unit <= SHORTEST_UNIT:
                signatures.append((track.ticks[row], beats, 2**unit))
    piece = _piece(
        resolution_of(data), np.concatenate(found), tuple(parts.values()), tempi, signatures
    )
    return replace(piece, clipped=any(track.clipped for track in tracks))


def _with_symusic(data: bytes) -> Piece | None:
    """The piece, or ``None`` where symusic cannot read it."""
    try:
        score = symusic.Score.from_midi(data)
    except Exception:  # whatever it trips over; the events then say what is wrong, or do without
        return None
    notes = np.zeros(sum(len(track.notes) for track in score.tracks), dtype=NOTE)
    first = 0
    for index, track in enumerate(score.tracks):
        read = track.notes.numpy()
        some = notes[first : first + len(track.notes)]
        some["start"], some["end"] = read["time"], read["time"] + read["duration"]
        some["pitch"], some["velocity"], some["part"] = read["pitch"], read["velocity"], index
        first += len(some)
    parts = tuple(
        Part(track.program, track.is_drum, track.name, read=True) for track in score.tracks
    )
    tempi = [(tempo.time, tempo.mspq) for tempo in score.tempos]
    signatures = [(at.time, at.numerator, at.denominator) for at in score.time_signatures]
    return _piece(score.ticks_per_quarter, notes, parts, tempi, signatures)


def _piece(
    resolution: int, notes: Any, parts: tuple[Part, ...], tempi: Any, signatures: Any
) -> Piece:
    notes = shortest(np.asarray(notes, dtype=NOTE))
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
    return replace(
        piece,
        resolution=piece.resolution * finer,
        notes=notes,
        tempi=tempi,
        signatures=signatures,
    )
