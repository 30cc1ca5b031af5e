"""Which of a track's events are notes, and who plays them."""

from collections import defaultdict, deque

import numpy as np

from cyclekit_music.events import NOTE_OFF, NOTE_ON, PROGRAM, Track
from cyclekit_music.kits import Kits
from cyclekit_music.piece import NOTE, Array


class Played:
    """The notes of a track.

    Args:
        track: Its events.
        kits: Of the whole file.

    Attributes:
        notes: Of dtype ``NOTE``, all of part 0, in the order of their ends.
        ons: Rows of the track in which they begin.
        offs: Rows in which they end.
        ports: Of each.
        channels: Of each.
        programs: Of each.
        drums: Whether each is a drum kit's.
    """

    def __init__(self, track: Track, kits: Kits) -> None:
        self.ons, self.offs = pair_notes(track)
        self.notes = _notes(track, self.ons, self.offs)
        self.ports, self.channels = track.ports(self.ons), track.status[self.ons] & 15
        changes = track.rows_of(PROGRAM)
        self.programs = np.zeros(len(self.ons), dtype=np.int64)
        for channel in np.unique(self.channels):
            chosen = changes[track.status[changes] & 15 == channel]
            here = self.channels == channel
            said = track.latest(chosen, track.byte(chosen, 0), self.ons[here])
            self.programs[here] = said
        places = zip(self.ports.tolist(), self.channels.tolist(), strict=True)
        at = zip(places, track.ticks[self.ons].tolist(), strict=True)
        self.drums = np.array([kits.plays(*place, tick) for place, tick in at], dtype=bool)


def pair_notes(track: Track) -> tuple[Array, Array]:
    """Where each note begins and ends: a note-off ends the oldest open one of channel and pitch.

    Returns:
        Rows of the note-ons, and of what ends them; those without the other are left out.
    """
    rows = np.flatnonzero(track.status & 0xE0 == NOTE_OFF)  # note-offs and note-ons
    channel, pitch, velocity = track.status[rows] & 15, track.byte(rows, 0), track.byte(rows, 1)
    begins = (track.status[rows] >= NOTE_ON) & (velocity > 0)
    sounding: defaultdict[int, deque[int]] = defaultdict(deque)
    ons, offs = [], []
    keys = (channel * 128 + pitch).tolist()
    for row, key, begin in zip(rows.tolist(), keys, begins.tolist(), strict=True):
        if begin:
            sounding[key].append(row)
        elif sounding[key]:
            ons.append(sounding[key].popleft())
            offs.append(row)
    return np.array(ons, dtype=np.int64), np.array(offs, dtype=np.int64)


def shortest(notes: Array) -> Array:
    """Notes that end as they begin, as long as the shortest."""
    notes["end"] = np.maximum(notes["end"], notes["start"] + 1)
    return notes


def _notes(track: Track, ons: Array, offs: Array) -> Array:
    notes = np.zeros(len(ons), dtype=NOTE)
    notes["start"], notes["end"] = track.ticks[ons], track.ticks[offs]
    notes["pitch"], notes["velocity"] = track.byte(ons, 0), track.byte(ons, 1)
    return shortest(notes)
