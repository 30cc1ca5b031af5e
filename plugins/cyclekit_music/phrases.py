"""What judges look at: rolls on one fixed grid, whatever the codec's settings are."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from cyclekit_music.grid import BEATS, NoBarsError, find_spans, lay_grid
from cyclekit_music.piece import Array, Piece
from cyclekit_music.roll import LOWEST, ONSET, PITCHES, SOUND, draw_roll, in_roll, read_roll

STEPS_PER_BEAT = 4
BAR = BEATS * STEPS_PER_BEAT
PHRASE = 4 * BAR  # steps


@dataclass(frozen=True)
class Score:
    """A piece as judges see it.

    Attributes:
        onsets: ``(steps, pitches)`` of 0 and 1: where notes begin.
        sounds: The same: where they sound.
        lengths: Steps that each note lasts.
        regions: First step and number of steps of each stretch that is counted from one barline.
    """

    onsets: Array
    sounds: Array
    lengths: Array
    regions: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, piece: Piece) -> "Score":
        """The part of a piece in bars of four quarters; all of it where there is none."""
        try:
            spans = find_spans(piece)
        except NoBarsError:
            spans = find_spans(piece, any_meter=True)
        grid = lay_grid(spans, piece.resolution / STEPS_PER_BEAT)
        roll = draw_roll(piece.notes[in_roll(piece, grid)], grid, "onset+sustain")
        notes, _ = read_roll(roll, grid)
        lengths = np.round((notes["end"] - notes["start"]) / grid.step).astype(int)
        regions = tuple((first, count) for first, count in grid.regions.tolist())
        return cls(roll[ONSET], roll[SOUND], lengths, regions)

    def __len__(self) -> int:
        return len(self.sounds)

    def phrases(self) -> Iterator[Array]:
        """``(64, 84)`` of 0 and 1: four bars at a time, the last of a region filled up."""
        for first, count in self.regions:
            for start in range(first, first + count, PHRASE):
                phrase = np.zeros((PHRASE, PITCHES), dtype=np.uint8)
                part = self.sounds[start : min(start + PHRASE, first + count)]
                phrase[: len(part)] = part
                yield phrase

    def chroma(self, length: int) -> Array:
        """``(half bars, 12)``: how long each pitch class sounds, in the first ``length`` steps."""
        half = BAR // 2
        columns = -(-length // half)
        sounds = _cut(self.sounds, columns * half).reshape(columns, half, PITCHES).sum(axis=1)
        return fold(sounds)

    def bars(self, length: int) -> Array:
        """``(bars,)`` bool: which bars of the first ``length`` steps hold a note."""
        count = -(-length // BAR)
        return np.asarray(_cut(self.sounds, count * BAR).reshape(count, -1).any(axis=1))


def fold(pitches: Array) -> Array:
    """``(..., pitches)`` summed to ``(..., 12)`` pitch classes, C first."""
    return np.add.reduceat(
        pitches[..., np.argsort((np.arange(PITCHES) + LOWEST) % 12, kind="stable")],
        np.arange(0, PITCHES, PITCHES // 12),
        axis=-1,
        dtype=np.float64,
    )


def _cut(roll: Array, length: int) -> Array:
    """The first ``length`` steps, with silence where there are fewer."""
    missing = max(length - len(roll), 0)
    return np.pad(roll[:length], ((0, missing), (0, 0)))
