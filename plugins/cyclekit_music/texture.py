"""Whether pieces are made like the target's: density, polyphony, note lengths, intervals, range.

A classifier of phrases looks at what a genre has that the other has not, and may like blots for it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cyclekit.api import Metric, Translations
from cyclekit_music.phrases import BAR, Score
from cyclekit_music.piece import Array, Piece
from cyclekit_music.roll import LOWEST, PITCHES

LEEWAY = 1.25  # a piece may go this many times beyond nearly all of the target's
NEARLY_ALL = (0.05, 0.95)  # quantiles of the target's pieces
TRAITS = ("density", "polyphony", "length", "interval", "range")


@dataclass(frozen=True)
class Texture:
    """What a piece is made of, as many numbers as it has bars, steps or notes.

    Attributes:
        density: Notes that begin in each bar in which anything sounds.
        polyphony: Pitches at once, in each step in which any sounds.
        length: Sixteenths that each note lasts, as powers of 2.
        interval: Semitones, up or down, between one onset's highest note and the next one's.
        range: The pitch of each note, as MIDI counts.
    """

    density: Array
    polyphony: Array
    length: Array
    interval: Array
    range: Array

    @classmethod
    def of(cls, piece: Piece) -> "Texture":
        """Of a piece; all are empty where nothing sounds."""
        score = Score.of(piece)
        sounding = score.bars(len(score))
        onsets = np.zeros((len(sounding) * BAR, PITCHES), dtype=int)
        onsets[: len(score)] = score.onsets
        in_bars = onsets.reshape(len(sounding), -1).sum(axis=1)
        together = score.sounds.sum(axis=1)
        begins = np.nonzero(score.onsets.any(axis=1))[0]
        highest = PITCHES - 1 - score.onsets[begins, ::-1].argmax(axis=1)
        return cls(
            density=in_bars[sounding].astype(float),
            polyphony=together[together > 0].astype(float),
            length=np.log2(np.maximum(score.lengths, 1)),
            interval=np.abs(np.diff(highest.astype(float))),
            range=np.nonzero(score.onsets)[1].astype(float) + LOWEST,
        )

    @property
    def sounds(self) -> bool:
        """Whether there is any note."""
        return bool(len(self.range))

    def summary(self) -> Array:
        """``(5,)``, none below 0: means of density, polyphony, length (in sixteenths) and interval,
        and semitones from the lowest note to the highest."""
        intervals = self.interval.mean() if len(self.interval) else 0.0
        return np.array(
            [
                self.density.mean(),
                self.polyphony.mean(),
                2 ** self.length.mean(),
                intervals,
                np.ptp(self.range),
            ]
        )


def score_texture(pieces: Translations[Piece], _fitted: None) -> dict[str, float | list[float]]:
    """How far the translations' texture is from that of all test pieces of the target.

    ``density_distance`` (in notes a bar), ``polyphony_distance`` (in notes at once),
    ``length_distance`` (in doublings), ``interval_distance`` and ``range_distance`` (in semitones):
    Wasserstein's distance between the distributions, to which each piece gives as much as any
    other. 0 where they are the same; nothing where nothing sounds. ``like_target``: share of the
    translations that ``held`` says are like the target's.
    """
    made = [texture for piece in pieces.outputs if (texture := Texture.of(piece)).sounds]
    real = [texture for piece in pieces.targets if (texture := Texture.of(piece)).sounds]
    like = held(pieces.outputs, pieces.targets)
    figures: dict[str, float | list[float]] = {"like_target": like.astype(float).tolist()}
    for trait in TRAITS if made and real else ():
        both = [_joined([getattr(texture, trait) for texture in some]) for some in (made, real)]
        if all(len(values) for values, _ in both):
            figures[f"{trait}_distance"] = wasserstein(*both[0], *both[1])
    return figures


def held(pieces: Sequence[Piece], targets: Sequence[Piece]) -> Array:
    """``(pieces,)`` bool: which are made like the target's.

    Those whose density, polyphony, note length, intervals and span all lie between the least and
    the most of nine in ten of the target's pieces, or beyond that by a quarter at most. Silent ones
    do not.
    """
    real = [texture.summary() for piece in targets if (texture := Texture.of(piece)).sounds]
    if not real:
        return np.ones(len(pieces), dtype=bool)
    low, high = np.quantile(np.stack(real), NEARLY_ALL, axis=0)
    textures = [Texture.of(piece) for piece in pieces]
    return np.array(
        [
            texture.sounds
            and bool(
                ((low / LEEWAY <= texture.summary()) & (texture.summary() <= high * LEEWAY)).all()
            )
            for texture in textures
        ],
        dtype=bool,
    )


def wasserstein(x: Array, x_weights: Array, y: Array, y_weights: Array) -> float:
    """Wasserstein's distance between two distributions of numbers: the area between their
    cumulative ones.

    Args:
        x: ``(values,)``.
        x_weights: Of each, above 0.
        y: ``(values,)``.
        y_weights: Of each, above 0.
    """
    places = np.sort(np.concatenate([x, y]))
    apart = _reached(x, x_weights, places) - _reached(y, y_weights, places)
    return float((np.abs(apart[:-1]) * np.diff(places)).sum())


def _reached(values: Array, weights: Array, places: Array) -> Array:
    """The share of the weight at or below each place."""
    order = np.argsort(values, kind="stable")
    sums = np.concatenate([[0.0], np.cumsum(weights[order])]) / weights.sum()
    return np.asarray(sums[np.searchsorted(values[order], places, side="right")])


def _joined(values: Sequence[Array]) -> tuple[Array, Array]:
    """All pieces' values, and weights that add up to 1 for each piece."""
    some = [own for own in values if len(own)]
    if not some:
        return np.zeros(0), np.zeros(0)
    return np.concatenate(some), np.concatenate([np.full(len(own), 1 / len(own)) for own in some])


TEXTURE = Metric(
    "texture",
    {"like_target": True} | {f"{trait}_distance": False for trait in TRAITS},
    score_texture,
    protocol=(
        "*_distance: Wasserstein's, to all test pieces of the target, of notes in sounding bars, "
        "pitches at once, note lengths (doublings), intervals of the highest notes and pitches "
        "(semitones), each piece counted alike; like_target: translations whose means of these are "
        "within those of nine in ten of the target's pieces, or a quarter beyond"
    ),
)
