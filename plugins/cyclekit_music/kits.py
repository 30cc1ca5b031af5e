"""Which channels are drum kits, and from when: channel 10, and what GS, XG and GM2 make one."""

import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from cyclekit_music.events import CONTROL, PROGRAM, SYSEX, Track
from cyclekit_music.piece import DRUM_CHANNEL

# System exclusive messages, without what is in front: Roland's "use for rhythm part", Yamaha's
# "part mode" and "XG system on", MIDI's "General MIDI 2 on".
GS_PART = re.compile(rb"\x41.\x42\x12\x40([\x10-\x1f])\x15(.)", re.DOTALL)
XG_PART = re.compile(rb"\x43[\x10-\x1f]\x4c\x08([\x00-\x0f])\x07(.)", re.DOTALL)
XG = re.compile(rb"\x43[\x10-\x1f]\x4c", re.DOTALL)
GM2 = re.compile(rb"\x7e.\x09\x03", re.DOTALL)
GS_CHANNELS = (9, *range(9), *range(10, 16))  # by number of the block: part 10 comes first
BANK = 0  # the controller that selects one
DRUM_BANKS = {"xg": (120, 126, 127), "gm2": (120,)}


def may_have_kits(data: bytes) -> bool:
    """Whether a file may say anything of its drum kits."""
    return any(pattern.search(data) for pattern in (GS_PART, XG, GM2))


class Kits:
    """Who plays drums in a file.

    Args:
        tracks: All of its tracks.
    """

    def __init__(self, tracks: Sequence[Track]) -> None:
        said = sorted((s for track in tracks for s in _parts(track)), key=lambda one: one[0])
        texts = [track.text(row) for track in tracks for row in _exclusive(track)]
        banks = {
            bank
            for name, pattern in (("xg", XG), ("gm2", GM2))
            if any(pattern.match(text) for text in texts)
            for bank in DRUM_BANKS[name]
        }
        if banks:
            said += [s for track in tracks for s in _banks(track, banks)]
            said.sort(key=lambda one: one[0])
        self._ticks: defaultdict[tuple[int, int], list[int]] = defaultdict(list)
        self._drums: defaultdict[tuple[int, int], list[bool]] = defaultdict(list)
        for tick, port, channel, drums in said:
            self._ticks[port, channel].append(tick)
            self._drums[port, channel].append(drums)

    @property
    def channels(self) -> set[tuple[int, int]]:
        """Ports and channels that are a kit at some time, channel 10 aside."""
        return {place for place, drums in self._drums.items() if any(drums)}

    def plays(self, port: int, channel: int, tick: int) -> bool:
        """Whether a channel is a drum kit at a tick."""
        said = bisect_right(self._ticks.get((port, channel), []), tick)
        return self._drums[port, channel][said - 1] if said else channel == DRUM_CHANNEL


def _exclusive(track: Track) -> list[int]:
    found: list[int] = np.flatnonzero(track.status == SYSEX).tolist()
    return found


def _parts(track: Track) -> list[tuple[int, int, int, bool]]:
    """Tick, port, channel, whether it is a kit from then on."""
    rows, said = _exclusive(track), []
    for row, port in zip(rows, track.ports(np.array(rows, dtype=np.int64)), strict=True):
        text, tick = track.text(row), int(track.ticks[row])
        if found := GS_PART.match(text):
            said.append((tick, int(port), GS_CHANNELS[found[1][0] & 15], found[2] != b"\0"))
        elif found := XG_PART.match(text):
            said.append((tick, int(port), found[1][0], found[2] != b"\0"))
    return said


def _banks(track: Track, drum_banks: set[int]) -> list[tuple[int, int, int, bool]]:
    """The same by the bank that was chosen before a program change."""
    programs, controls, said = track.rows_of(PROGRAM), track.rows_of(CONTROL), []
    selects = controls[track.byte(controls, 0) == BANK]
    kits = set()
    for row, port in zip(programs.tolist(), track.ports(programs).tolist(), strict=True):
        channel = int(track.status[row]) & 15
        chosen = selects[(track.status[selects] & 15 == channel) & (selects < row)]
        drums = bool(len(chosen)) and int(track.byte(chosen[-1:], 1)[0]) in drum_banks
        if drums or (port, channel) in kits:  # a bank of instruments ends what a kit's began
            said.append((int(track.ticks[row]), port, channel, drums))
            kits.add((port, channel))
    return said
