"""Notes <-> piano rolls: ``(channels, steps, pitches)``, the pitches C1 to B7."""

from typing import Any, Literal

import numpy as np

from cyclekit_music.grid import Grid
from cyclekit_music.piece import NOTE, Array, Piece

LOWEST = 24  # C1
PITCHES = 84  # seven octaves, to B7

Representation = Literal["onset+sustain", "binary"]
CHANNELS: dict[Representation, int] = {"onset+sustain": 2, "binary": 1}
ONSET, SOUND = 0, -1  # channels; a binary roll has the last one alone


def in_roll(piece: Piece, grid: Grid) -> Array:
    """``(notes,)`` bool: the notes that a roll shows. Drums and notes out of range or outside the
    grid are not among them."""
    pitches = piece.notes["pitch"] - LOWEST
    inside: Array = grid.starts(piece.notes["start"]) >= 0
    return inside & ~piece.drums & (pitches >= 0) & (pitches < PITCHES)


def draw_roll(notes: Array, grid: Grid, representation: Representation) -> Array:
    """Draw notes, all instruments in one.

    Args:
        notes: Those that ``in_roll`` names.
        grid: The steps.
        representation: ``"binary"``: whether a pitch sounds. ``"onset+sustain"``: before that
            channel, one that marks where notes begin; without it, repeated notes run together.

    Returns:
        ``(channels, steps, pitches)`` uint8 of 0 and 1.
    """
    starts = grid.starts(notes["start"])
    ends = grid.ends(notes["end"], starts)
    pitches = notes["pitch"] - LOWEST
    roll = np.zeros((CHANNELS[representation], len(grid), PITCHES), dtype=np.uint8)
    for start, end, pitch in zip(starts, ends, pitches, strict=True):
        roll[SOUND, start:end, pitch] = 1
    if representation == "onset+sustain":
        roll[ONSET, starts, pitches] = 1
    return roll


def read_roll(roll: Array, grid: Grid) -> tuple[Array, Array]:
    """The notes of a roll of 0 and 1: a pitch that sounds goes on until it stops or begins anew.

    Args:
        roll: ``(channels, steps, pitches)``, as ``draw_roll`` makes it.
        grid: The same steps.

    Returns:
        Notes with part 0 and no velocity yet, sorted, and the step in which each begins.
    """
    sounds, goes_on = _sounding(roll, grid)
    begins = sounds & ~goes_on
    stops = sounds.copy()
    stops[:-1] &= ~goes_on[1:]
    pitches, first = np.nonzero(begins.T)  # in the same order as
    _, last = np.nonzero(stops.T)  # these: by pitch, then by time
    notes = np.zeros(len(first), dtype=NOTE)
    notes["start"] = np.maximum(np.round(grid.ticks[first]), 0)
    notes["end"] = np.round(grid.stops[last])
    notes["pitch"] = pitches + LOWEST
    kept = notes["end"] > notes["start"]  # what lies before the piece's beginning is lost
    notes, first = notes[kept], first[kept]
    order = np.lexsort((notes["pitch"], notes["start"]))
    return notes[order], first[order]


def keep_voices(roll: Array, values: Array, most: int, grid: Grid) -> Array:
    """Let no more pitches sound in a step than ``most``: those of the strongest notes.

    A note is as strong as the network was sure of it on average; so it does not flicker, and is cut
    only where a stronger one begins or ends.

    Args:
        roll: Of 0 and 1, as ``read_roll`` takes it.
        values: ``(channels, steps, pitches)``: how sure the network was.
        most: Pitches.
        grid: The steps.
    """
    sounds, goes_on = _sounding(roll, grid)
    number = np.cumsum((sounds & ~goes_on).T.ravel()).reshape(sounds.T.shape).T * sounds
    total = np.bincount(number.ravel(), values[SOUND].ravel())
    strength = np.where(sounds, (total / np.maximum(np.bincount(number.ravel()), 1))[number], -1)
    weakest = np.argsort(-strength, axis=1, kind="stable")[:, most:]
    kept = roll.copy()
    np.put_along_axis(kept, weakest[None].repeat(len(roll), axis=0), 0, axis=2)
    return kept


def voices(roll: Array) -> Array:
    """How many pitches sound together, in each step of ``(channels, steps, pitches)`` in which any
    does."""
    together = roll.any(axis=0).sum(axis=1)
    heard: Array = together[together > 0]
    return heard


def _sounding(roll: Array, grid: Grid) -> tuple[Array, Array]:
    """``(steps, pitches)`` bool: what sounds, and what of it began in an earlier step."""
    sounds = np.asarray(roll.any(axis=0))
    goes_on = np.zeros_like(sounds)
    goes_on[1:] = sounds[1:] & sounds[:-1] & grid.follows[1:, None]
    if len(roll) == CHANNELS["onset+sustain"]:
        goes_on &= roll[ONSET] == 0
    return sounds, goes_on


def transpose(roll: Array, semitones: int) -> Array:
    """Move ``(..., pitches)`` up, or down where negative; what leaves the range is lost."""
    moved = np.zeros_like(roll)
    if semitones >= 0:
        moved[..., semitones:] = roll[..., : PITCHES - semitones]
    else:
        moved[..., :semitones] = roll[..., -semitones:]
    return moved


def mean_velocity(notes: Array, grid: Grid, default: int = 80) -> Array:
    """``(steps,)`` uint8: how loud the notes of each step are; silence keeps the last value."""
    starts = grid.starts(notes["start"])
    total = np.bincount(starts, notes["velocity"], minlength=len(grid))
    count = np.bincount(starts, minlength=len(grid))
    known = np.flatnonzero(count)
    if not len(known):
        return np.full(len(grid), default, dtype=np.uint8)
    source = known[np.maximum(np.searchsorted(known, np.arange(len(grid)), side="right") - 1, 0)]
    loud: Array = np.clip(total[source] / count[source], 1, 127).round().astype(np.uint8)
    return loud


def cells(roll: Array) -> list[int]:
    """How many cells of each channel are on."""
    counts: list[int] = roll.reshape(len(roll), -1).sum(axis=1, dtype=np.int64).tolist()
    return counts


def binarize(values: Array, threshold: float, wanted: Any = None) -> Array:
    """Decide which cells of a roll are on.

    Args:
        values: ``(channels, steps, pitches)``.
        threshold: The smallest value that is on, where ``wanted`` is not given.
        wanted: How many cells of each channel shall be on: the largest ones then are.
    """
    if wanted is None:
        return (values >= threshold).astype(np.uint8)
    rolls = np.zeros(values.shape, dtype=np.uint8)
    for roll, channel, count in zip(rolls, values, wanted, strict=True):
        count = min(int(count), channel.size)
        if count:
            roll.flat[np.argpartition(channel, channel.size - count, axis=None)[-count:]] = 1
    return rolls
