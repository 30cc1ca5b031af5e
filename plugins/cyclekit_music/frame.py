"""What is left of the file that a piece was read from, now that some of its notes are gone."""

from collections import Counter
from collections.abc import Iterator
from itertools import count
from typing import Any, NamedTuple

import numpy as np

from cyclekit_music.events import (
    CONTROL,
    META,
    NAME,
    NOTE_OFF,
    PORT,
    SYSTEM,
    Track,
    resolution_of,
    scan,
)
from cyclekit_music.kits import BANK, Kits
from cyclekit_music.piece import DRUM_CHANNEL, Array, Piece
from cyclekit_music.playing import Played

LABELS = (NAME, PORT, 0x04, 0x09, 0x20, 0x2F)  # metas that say nothing where there are no notes
BANKS = (BANK, BANK + 32)  # controllers
MIX = (7, 10, 11, 91, 93)  # controllers: volume, place, expression, reverberation, chorus


class Place(NamedTuple):
    """Where a part plays."""

    port: int
    channel: int


class Frame:
    """The events of a file in which the notes of a piece are still there, and no others.

    Args:
        data: The file, a MIDI file whose events can be scanned.
        piece: What was read from it; some notes may be gone, others have come.

    Attributes:
        missing: ``(notes,)`` bool: which of the piece's notes are not in the file.
    """

    def __init__(self, data: bytes, piece: Piece) -> None:
        self._scale = piece.resolution // resolution_of(data)
        self._all = scan(data)
        self._kits = Kits(self._all)
        self._played = [Played(track, self._kits) for track in self._all]
        self.missing = ~np.array([part.read for part in piece.parts])[piece.notes["part"]]
        keys = _keys(piece.notes[~self.missing], piece.drums[~self.missing])
        wanted = Counter(keys)
        self._kept = [
            _taken(wanted, _keys(played.notes, played.drums, self._scale))
            for played in self._played
        ]
        self.missing[~self.missing] = _taken(wanted, keys)

    def tracks(self) -> list[Track]:
        """What is left: channels that nobody plays on any more, and tracks that held nothing else,
        are gone."""
        left: list[Track] = []
        sounding, quiet = self._places(keep=True), self._places(keep=False)
        quiet -= sounding
        for track, played, kept in zip(self._all, self._played, self._kept, strict=True):
            stays = track.status & 0xE0 != NOTE_OFF
            stays[played.ons[kept]] = stays[played.offs[kept]] = True
            rows = np.flatnonzero(track.status < SYSTEM)
            stays[rows[[place in quiet for place in _places(track, rows)]]] = False
            rest = track.only(stays)
            if not left or kept.any() or not len(kept) or not _only_labels(rest):
                left.append(rest.scaled(self._scale))
        return left

    def free(self) -> Iterator[Place]:
        """Ports and channels that nobody plays on, and that are no drum kits."""
        taken = {place for track in self.tracks() for place in _places(track)}
        taken |= {Place(*place) for place in self._kits.channels}
        for port in count():
            for channel in range(16):
                if channel != DRUM_CHANNEL and (port, channel) not in taken:
                    yield Place(port, channel)

    def mix(self, program: int) -> dict[int, int]:
        """Controllers of the channel on which the notes that are gone sounded longest, as they
        were when they began: how loud and where ``program`` takes their place."""
        heard: Counter[tuple[int, ...]] = Counter()
        first: dict[tuple[int, ...], int] = {}
        for played, kept in zip(self._played, self._kept, strict=True):
            notes = played.notes[~kept]
            columns = (played.ports, played.channels, played.programs)
            keys = zip(*(column[~kept].tolist() for column in columns), strict=True)
            for key, start, end in zip(keys, notes["start"], notes["end"], strict=True):
                heard[key] += int(end - start)
                first[key] = min(first.get(key, int(start)), int(start))
        if not heard:
            return {}
        model = heard.most_common(1)[0][0]
        wanted = (*MIX, *(BANKS if model[2] == program else ()))
        said = [
            (tick, number, row, control, value)
            for number, track in enumerate(self._all)
            for row, tick, control, value in _controls(track, Place(*model[:2]))
            if tick <= first[model] and control in wanted
        ]
        return {control: value for *_, control, value in sorted(said)}

    def _places(self, keep: bool) -> set[Place]:
        """Where notes are played that are kept, or that are not."""
        return {
            Place(*place)
            for played, kept in zip(self._played, self._kept, strict=True)
            for place in zip(
                played.ports[kept == keep].tolist(),
                played.channels[kept == keep].tolist(),
                strict=True,
            )
        }


def _places(track: Track, rows: Array | None = None) -> list[Place]:
    """For which port and channel some events are, by default all that are for one."""
    rows = np.flatnonzero(track.status < SYSTEM) if rows is None else rows
    columns = (track.ports(rows).tolist(), (track.status[rows] & 15).tolist())
    return [Place(*place) for place in zip(*columns, strict=True)]


def _controls(track: Track, place: Place) -> Iterator[tuple[int, int, int, int]]:
    """Row, tick, number and value of the control changes on one channel."""
    rows = track.rows_of(CONTROL)
    here = (track.status[rows] & 15 == place.channel) & (track.ports(rows) == place.port)
    for row in rows[here]:
        control, value = track.content(row)
        yield int(row), int(track.ticks[row]), control, value


def _only_labels(track: Track) -> bool:
    """Whether a track holds nothing but what it is called and where it plays."""
    kinds = np.where(track.status == META, track.byte(np.arange(len(track.ticks)), 0), -1)
    return bool(np.isin(kinds, LABELS).all())


def _keys(notes: Array, drums: Array, scale: int = 1) -> list[tuple[Any, ...]]:
    """What tells notes apart."""
    ticks = ((notes[name] * scale).tolist() for name in ("start", "end"))
    return list(
        zip(
            *ticks, notes["pitch"].tolist(), notes["velocity"].tolist(), drums.tolist(), strict=True
        )
    )


def _taken(stock: Counter[Any], keys: list[Any]) -> Array:
    """Which of some keys are in stock; each is taken from it."""
    found = np.zeros(len(keys), dtype=bool)
    for index, key in enumerate(keys):
        if stock[key] > 0:
            stock[key] -= 1
            found[index] = True
    return found
