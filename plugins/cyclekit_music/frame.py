"""What is left of the file that a piece was read from, now that some of its notes are gone."""

from collections import Counter
from collections.abc import Iterator
from functools import cached_property
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
    place_of,
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

    @cached_property
    def tracks(self) -> list[Track]:
        """What is left: channels that nobody plays on any more, and tracks that held nothing else,
        are gone."""
        left: list[Track] = []
        quiet = self._heard(kept=False)
        quiet = quiet[~np.isin(quiet, self._heard(kept=True))]
        for track, played, kept in zip(self._all, self._played, self._kept, strict=True):
            stays = track.status & 0xE0 != NOTE_OFF
            stays[played.ons[kept]] = stays[played.offs[kept]] = True
            rows = np.flatnonzero(track.status < SYSTEM)
            stays[rows[np.isin(track.places(rows), quiet)]] = False
            rest = track.only(stays)
            if not left or kept.any() or not len(kept) or not _only_labels(rest):
                left.append(rest.scaled(self._scale))
        return left

    def free(self) -> Iterator[Place]:
        """Ports and channels that nobody plays on, and that are no drum kits."""
        rows = ((track, np.flatnonzero(track.status < SYSTEM)) for track in self.tracks)
        taken = {place for track, some in rows for place in np.unique(track.places(some)).tolist()}
        taken |= {place_of(*place) for place in self._kits.channels}
        for port in count():
            for channel in range(16):
                if channel != DRUM_CHANNEL and place_of(port, channel) not in taken:
                    yield Place(port, channel)

    def mix(self, program: int) -> dict[int, int]:
        """Controllers of the channel on which the notes that are gone sounded longest, as they
        were when they began: how loud and where ``program`` takes their place."""
        notes = [played.notes[~kept] for played, kept in zip(self._played, self._kept, strict=True)]
        keys = [
            (track.places(played.ons) * 128 + played.programs)[~kept]
            for track, played, kept in zip(self._all, self._played, self._kept, strict=True)
        ]
        gone, key = np.concatenate(notes), np.concatenate(keys)
        if not len(gone):
            return {}
        every, index = np.unique(key, return_inverse=True)
        longest = int(np.bincount(index, gone["end"] - gone["start"]).argmax())
        place, model = divmod(int(every[longest]), 128)
        begin = gone["start"][index == longest].min()
        wanted = (*MIX, *(BANKS if model == program else ()))
        said = [
            (tick, number, row, control, value)
            for number, track in enumerate(self._all)
            for row, tick, control, value in _controls(track, place)
            if tick <= begin and control in wanted
        ]
        return {control: value for *_, control, value in sorted(said)}

    def _heard(self, kept: bool) -> Array:
        """Places in which notes are played that are kept, or that are not."""
        parts = zip(self._all, self._played, self._kept, strict=True)
        return np.unique(
            np.concatenate(
                [track.places(played.ons[some == kept]) for track, played, some in parts]
            )
        )


def _controls(track: Track, place: int) -> Iterator[tuple[int, int, int, int]]:
    """Row, tick, number and value of the control changes in one place."""
    rows = track.rows_of(CONTROL)
    for row in rows[track.places(rows) == place].tolist():
        control, value = track.content(row)
        yield row, int(track.ticks[row]), control, value


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
