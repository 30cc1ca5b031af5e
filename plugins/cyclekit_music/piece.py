"""A piece of music as MIDI writes it down: notes at ticks of the beat, never at seconds."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

NOTE = np.dtype(
    [("start", "i8"), ("end", "i8"), ("pitch", "i2"), ("velocity", "i2"), ("part", "i4")]
)
"""One note: first tick, the tick after its last, MIDI pitch, velocity 1..127, index of its part."""

DEFAULT_TEMPO = 500_000  # microseconds a quarter, MIDI's own default: 120 beats a minute
DRUM_CHANNEL = 9
MOST_TICKS = 9_999_000  # that pretty_midi takes, and a little


@dataclass(frozen=True)
class Part:
    """An instrument.

    Attributes:
        program: General MIDI program, 0..127.
        drums: Whether it is a drum kit.
        name: The track's name.
        read: Whether its notes were read from the piece's ``frame``.
    """

    program: int = 0
    drums: bool = False
    name: str = ""
    read: bool = False


@dataclass(frozen=True)
class Piece:
    """Notes, and the map from beats to seconds and bars.

    Attributes:
        resolution: Ticks a quarter note.
        notes: Of dtype ``NOTE``, sorted by start.
        parts: The instruments that notes name.
        tempi: ``(n, 2)`` int64: tick, microseconds a quarter from there on.
        signatures: ``(n, 3)`` int64: tick, numerator, denominator from there on.
        frame: The MIDI file that it was read from, of which all is written again but the notes that
            are not there any more: programs, controllers, kits, ports, texts. ``None``, as where
            anything but notes and parts was changed: written are the notes, tempi and signatures.
        clipped: Whether there were values above 127 in it, which are 127 now.
    """

    resolution: int
    notes: Array
    parts: tuple[Part, ...]
    tempi: Array
    signatures: Array
    frame: bytes | None = None
    clipped: bool = False

    @property
    def end(self) -> int:
        """The tick at which the last note ends."""
        return int(self.notes["end"].max()) if len(self.notes) else 0

    @property
    def drums(self) -> Array:
        """``(notes,)`` bool: which notes a drum kit plays."""
        kits = np.array([part.drums for part in self.parts] or [False])
        drums: Array = kits[self.notes["part"]]
        return drums

    def seconds(self, ticks: Any) -> Array:
        """When ticks happen, by the tempo map."""
        tempi = with_start(self.tempi, (DEFAULT_TEMPO,))
        lengths = tempi[:, 1] / (1e6 * self.resolution)  # seconds a tick
        starts = np.concatenate([[0.0], np.cumsum(np.diff(tempi[:, 0]) * lengths[:-1])])
        ticks = np.asarray(ticks)
        span = np.maximum(np.searchsorted(tempi[:, 0], ticks, side="right") - 1, 0)
        times: Array = starts[span] + (ticks - tempi[span, 0]) * lengths[span]
        return times

    def until(self, seconds: float) -> "Piece":
        """The piece's beginning: notes that start before ``seconds``, cut off there.

        It ends before ``MOST_TICKS`` in any case.
        """
        tempi = with_start(self.tempi, (DEFAULT_TEMPO,))
        starts = self.seconds(tempi[:, 0])
        span = np.searchsorted(starts, seconds, side="right") - 1
        length = tempi[span, 1] / (1e6 * self.resolution)
        last = min(int(tempi[span, 0] + (seconds - starts[span]) / length), MOST_TICKS)
        kept = self.notes[self.seconds(self.notes["start"]) < seconds].copy()
        kept = kept[kept["start"] < MOST_TICKS]
        kept["end"] = np.minimum(kept["end"], np.maximum(last, kept["start"] + 1))
        tempi = self.tempi[self.tempi[:, 0] <= last]
        signatures = self.signatures[self.signatures[:, 0] <= last]
        return replace(self, notes=kept, tempi=tempi, signatures=signatures, frame=None)

    def meta(self) -> dict[str, Any]:
        """Everything as plain values and arrays."""
        return {
            "resolution": self.resolution,
            "notes": self.notes,
            "parts": [[part.program, part.drums, part.name, part.read] for part in self.parts],
            "tempi": self.tempi,
            "signatures": self.signatures,
            "frame": None if self.frame is None else np.frombuffer(self.frame, dtype=np.uint8),
        }

    @classmethod
    def from_meta(cls, meta: Mapping[str, Any]) -> "Piece":
        """The inverse of ``meta``."""
        parts = tuple(Part(*part) for part in meta["parts"])
        frame = None if meta["frame"] is None else meta["frame"].tobytes()
        notes, tempi, signatures = meta["notes"], meta["tempi"], meta["signatures"]
        return cls(meta["resolution"], notes, parts, tempi, signatures, frame)


def make_notes(rows: Any) -> Array:
    """Notes from ``(start, end, pitch, velocity, part)`` rows, sorted."""
    notes = np.array([tuple(row) for row in rows], dtype=NOTE)
    notes.sort(order=("start", "pitch", "end", "part"))
    return notes


def with_start(events: Array, default: tuple[int, ...]) -> Array:
    """Events in force from tick 0 on: sorted, the last of each tick, MIDI's default before them."""
    events = events[np.argsort(events[:, 0], kind="stable")]
    last = np.ones(len(events), dtype=bool)
    last[:-1] = events[1:, 0] != events[:-1, 0]
    events = events[last]
    if len(events) and events[0, 0] <= 0:
        return events
    start = np.array([[0, *default]], dtype=np.int64)
    return np.concatenate([start, events]) if len(events) else start
