"""The steps of a piece: beats divided evenly, counted from the barlines of its time signatures."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cyclekit_music.piece import COMMON_TIME, Array, Piece, with_start

BEATS = 4  # quarters in a bar
HALF = 2  # quarters in a bar of which two are one
OFF_GRID = 0.1  # share of a step from which a note counts as off the grid


class NoBarsError(ValueError):
    """Why a piece has no bar that can be used."""


@dataclass(frozen=True)
class Grid:
    """Where the steps of a piece's usable regions lie.

    Attributes:
        ticks: ``(steps,)`` float: where each step begins; negative in the bar of a pickup.
        stops: ``(steps,)`` float: where each step ends.
        step: Ticks of one step; the last one of a region may be shorter.
        follows: ``(steps,)`` bool: whether a step begins where the one before it ended.
        regions: ``(n, 2)`` int: first step of each region, and its number of steps.
    """

    ticks: Array
    stops: Array
    step: float
    follows: Array
    regions: Array

    def __len__(self) -> int:
        return len(self.ticks)

    def starts(self, ticks: Array) -> Array:
        """The step nearest to each tick; -1 for ticks outside every region."""
        return self._nearest(ticks)[0]

    def ends(self, ticks: Array, starts: Array) -> Array:
        """The step after the last one of notes that end at ``ticks`` and begin at ``starts``.

        No note is shorter than a step, and none crosses from a region into one apart from it.
        """
        index = np.searchsorted(self.ticks, ticks + self.step / 2, side="right") - 1
        beyond = ticks + self.step / 2 >= self.ticks[index] + self.step
        stops: Array = np.clip(index + beyond, starts + 1, self._limits(starts))
        return stops

    def tails(self, ticks: Array, starts: Array) -> Array:
        """``(notes,)`` bool: notes whose end at ``ticks`` lies beyond the region they begin in."""
        return np.asarray(ticks > self.stops[self._limits(starts) - 1])

    def off_grid(self, ticks: Array) -> float:
        """Share of the ticks inside regions that lie off their step, by more than ``OFF_GRID``."""
        index, inside = self._nearest(ticks)
        away = np.abs(ticks[inside] - self.ticks[index[inside]]) / self.step
        return float((away > OFF_GRID).mean()) if len(away) else 0.0

    def _limits(self, starts: Array) -> Array:
        """The step after the last one that a note can reach from each of ``starts``."""
        breaks = np.append(np.flatnonzero(~self.follows)[1:], len(self))
        limits: Array = breaks[np.searchsorted(breaks, starts, side="right")]
        return limits

    def _nearest(self, ticks: Array) -> tuple[Array, Array]:
        late = ticks + self.step / 2
        index = np.searchsorted(self.ticks, late, side="right") - 1
        step = np.maximum(index, 0)
        inside = (index >= 0) & (late < self.ticks[step] + self.step) & (ticks < self.stops[step])
        return np.where(inside, index, -1), inside


Spans = Sequence[tuple[int, int]]
"""First tick and end of each region."""


def lay_grid(spans: Spans, step: float) -> Grid:
    """Divide regions into steps of ``step`` ticks, each from its own beginning."""
    ticks, stops, follows, regions, first = [], [], [], [], 0
    end_before: float = -np.inf
    for start, end in spans:
        count = math.ceil((end - start) / step - 1e-9)
        ticks.append(start + step * np.arange(count))
        stops.append(np.minimum(ticks[-1] + step, end))
        follows.append(np.arange(count) > 0)
        follows[-1][0] = start == end_before
        regions.append((first, count))
        first, end_before = first + count, end
    return Grid(
        np.concatenate(ticks),
        np.concatenate(stops),
        step,
        np.concatenate(follows),
        np.array(regions),
    )


def find_spans(piece: Piece, any_meter: bool = False, pickup: float = 0) -> Spans:
    """The regions of a piece whose bars have four quarters, or two, which are joined in twos.

    Args:
        piece: Its time signatures say where they begin and end.
        any_meter: Take other regions too, as if their bars had four quarters.
        pickup: Quarters before the first barline. A short first signature (1/4 before 4/4) says
            the same by itself. The first region then begins where that bar would have.

    Raises:
        NoBarsError: If there is none.
    """
    bar, heard = BEATS * piece.resolution, max(piece.end, 1)
    signatures = with_start(piece.signatures, COMMON_TIME)
    following = [*signatures[1:, 0].tolist(), math.inf]
    found: list[tuple[int, int]] = []
    for number, (start, beats, unit) in enumerate(signatures.tolist()):
        usable = any_meter or 4 * beats in (BEATS * unit, HALF * unit)
        begun = number == 0 and 4 * beats < BEATS * unit and following[0] < bar  # a pickup
        if not usable or (begun and not any_meter) or (found and start >= heard):
            continue
        if number == 0 and pickup:
            start = round(pickup * piece.resolution) - bar
        elif number == 1 and not found and start < bar:
            start -= bar  # the first signature was a pickup, shorter than a bar
        end = following[number]
        if end >= heard:  # the last region: whole bars, one at least where nothing is left
            end = min(end, start + max(-(-(heard - start) // bar), 1) * bar)
        if found and found[-1][1] == start and (start - found[-1][0]) % bar == 0:
            found[-1] = (found[-1][0], int(end))
        else:
            found.append((start, int(end)))
    if not found:
        meters = sorted({f"{beats}/{unit}" for _, beats, unit in signatures.tolist()})
        raise NoBarsError(
            f"has no bars of four or two quarters (its meter is {', '.join(meters)}); "
            f"--set codec.meters=any takes it all the same"
        )
    return found
