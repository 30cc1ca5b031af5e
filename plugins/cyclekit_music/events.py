"""The events of a MIDI file as they lie there, byte for byte, so that others than notes can stay.

Libraries keep less. mido makes messages of their own of what continues a system exclusive one, ends
at a meta event that is too short, and takes half a kilobyte an event; symusic has no ports, no
system exclusive messages, and no names but in UTF-8.
"""

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from struct import pack, unpack_from
from typing import Any

import numpy as np

from cyclekit_music.piece import Array

NOTE_OFF, NOTE_ON, CONTROL, PROGRAM = 0x80, 0x90, 0xB0, 0xC0  # with the channel added
SYSTEM, SYSEX, PACKET, META = 0xF0, 0xF0, 0xF7, 0xFF  # from the first on there is no channel
NAME, PORT, END, TEMPO, METER = 0x03, 0x21, 0x2F, 0x51, 0x58  # types of meta events
LENGTHS = {kind: 1 if kind in (0xC0, 0xD0) else 2 for kind in range(0x80, 0xF0, 0x10)}
COMMON = {0xF1: 1, 0xF2: 2, 0xF3: 1, 0xF6: 0, **dict.fromkeys(range(0xF8, 0xFF), 0)}
"""Bytes that follow a status; those of the latter belong on a wire and are passed over."""


class NotMidiError(ValueError):
    """Why some bytes are no MIDI file that can be used."""


@dataclass(frozen=True)
class Track:
    """The events of a track, in their order.

    Attributes:
        data: Bytes in which they lie; values of channels' events above 127 are clipped.
        ticks: ``(events,)`` int64: when each happens.
        status: ``(events,)`` int64: what each is, running status resolved.
        starts: ``(events,)`` int64: where in ``data`` each goes on after its status.
        stops: ``(events,)`` int64: where each ends.
        clipped: Whether there were such values.
    """

    data: bytes
    ticks: Array
    status: Array
    starts: Array
    stops: Array
    clipped: bool = False

    def byte(self, rows: Array, place: int) -> Array:
        """One byte of each of some events, counted from after its status."""
        every = np.frombuffer(self.data, dtype=np.uint8)
        some: Array = every[self.starts[rows] + place].astype(np.int64)
        return some

    def content(self, row: int) -> bytes:
        """What an event is after its status."""
        return self.data[self.starts[row] : self.stops[row]]

    def rows_of(self, kind: int) -> Array:
        """The events of one kind, whichever their channel."""
        return np.flatnonzero(self.status & 0xF0 == kind)

    def metas(self, kind: int) -> Array:
        """The meta events of one type."""
        rows = np.flatnonzero(self.status == META)
        chosen: Array = rows[self.byte(rows, 0) == kind]
        return chosen

    def text(self, row: int) -> bytes:
        """What a meta or system exclusive event holds."""
        start = int(self.starts[row]) + (self.status[row] == META)
        length, start = _number(self.data, start)
        return self.data[start : start + length]

    def latest(self, chosen: Array, values: Array, rows: Array, default: int = 0) -> Array:
        """What was said last before each of ``rows``.

        Args:
            chosen: Events that say something, in their order.
            values: What they say.
            rows: When it is asked for.
            default: Before the first of them.
        """
        index = np.searchsorted(chosen, rows)
        said: Array = np.concatenate([[default], values])[index]
        return said

    def ports(self, rows: Array) -> Array:
        """The port that each of ``rows`` is for: the one that was named last."""
        named = [row for row in self.metas(PORT).tolist() if self.text(row)]
        values = np.array([self.text(row)[0] for row in named], dtype=np.int64)
        return self.latest(np.array(named, dtype=np.int64), values, rows)

    def places(self, rows: Array) -> Array:
        """Port and channel of each of ``rows``, as one number."""
        places: Array = place_of(self.ports(rows), self.status[rows] & 15)
        return places

    def only(self, kept: Array) -> "Track":
        """Some of the events, by a mask."""
        parts = (self.ticks[kept], self.status[kept], self.starts[kept], self.stops[kept])
        return Track(self.data, *parts, self.clipped)

    def scaled(self, by: int) -> "Track":
        """The same with a tick so many times as fine."""
        return replace(self, ticks=self.ticks * by)


def scan(data: bytes) -> list[Track]:
    """The tracks of a MIDI file whose chunks are whole.

    Raises:
        NotMidiError: If an event is none, or is cut off.
    """
    header, count = unpack_from(">I", data, 4)[0], unpack_from(">H", data, 10)[0]
    place = 8 + header
    tracks: list[Track] = []
    while len(tracks) < count:
        name, length = unpack_from(">4sI", data, place)
        place += 8 + length
        if name == b"MTrk":
            tracks.append(_scan_track(data[place - length : place]))
    return tracks


def _scan_track(data: bytes) -> Track:
    rows = array("q")
    tick = running = place = 0
    end = len(data)
    try:
        while place < end:
            delta, place = _number(data, place)
            tick += delta
            status = data[place]
            place += status >= NOTE_OFF
            status = status if status >= NOTE_OFF else running
            start = place
            if status in COMMON:
                place += COMMON[status]
                continue
            if status < SYSTEM:
                running = status
                place += LENGTHS[status & 0xF0]
            elif status in (META, SYSEX, PACKET):
                length, place = _number(data, place + (status == META))
                place += length
            else:
                raise NotMidiError(f"there is no event of status {status:#x}")
            rows.extend((tick, status, start, place))
            if status == META and data[start] == END:
                break
    except IndexError:
        place = end + 1
    except KeyError as error:
        raise NotMidiError("a track begins in the middle of an event") from error
    if place > end:
        raise NotMidiError("the last event of a track is cut off")
    columns = np.frombuffer(rows, dtype=np.int64).reshape(-1, 4).T
    return _clipped(Track(data, *columns))


def _clipped(track: Track) -> Track:
    """The track with values of channels' events within their seven bits."""
    values = np.frombuffer(track.data, dtype=np.uint8)
    channels = np.flatnonzero(track.status < SYSTEM)
    first = track.starts[channels]
    places = np.concatenate([first, first[track.stops[channels] - first == 2] + 1])
    over = places[values[places] > 127]
    if not len(over):
        return track
    values = values.copy()
    values[over] = 127
    return Track(
        values.tobytes(), track.ticks, track.status, track.starts, track.stops, clipped=True
    )


def place_of(port: Any, channel: Any) -> Any:
    """Ports and channels as one number each."""
    return port * 16 + channel


def resolution_of(data: bytes) -> int:
    """Ticks a quarter of a MIDI file."""
    return int.from_bytes(data[12:14])


def written(tracks: Sequence[Track], resolution: int) -> bytes:
    """A MIDI file of type 1, with so many ticks a quarter."""
    chunks = [b"MThd" + pack(">IHHH", 6, 1, len(tracks), resolution)]
    for track in tracks:
        events = b"".join(_track_bytes(track))
        chunks.append(b"MTrk" + pack(">I", len(events)) + events)
    return b"".join(chunks)


def _track_bytes(track: Track) -> Iterable[bytes]:
    now, end = 0, int(track.ticks[-1]) if len(track.ticks) else 0
    omitted = set(track.metas(END).tolist())
    events = zip(track.ticks.tolist(), track.status.tolist(), strict=True)
    for row, (tick, status) in enumerate(events):
        if row not in omitted:
            yield _number_bytes(tick - now) + bytes([status]) + track.content(row)
            now = tick
    yield _number_bytes(end - now) + bytes([META, END, 0])


def _number(data: bytes, place: int) -> tuple[int, int]:
    """A number of up to four bytes with seven bits each, and the place after it."""
    number = 0
    for _ in range(4):
        byte = data[place]
        place += 1
        number = number << 7 | byte & 0x7F
        if byte < 0x80:
            return number, place
    raise NotMidiError("a length or a time has more than four bytes")


def _number_bytes(number: int) -> bytes:
    """The inverse of ``_number``."""
    found = [number & 0x7F]
    while number := number >> 7:
        found.append(number & 0x7F | 0x80)
    return bytes(reversed(found))
