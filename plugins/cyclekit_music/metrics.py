"""What is kept of a piece, what has changed about it, and whether it still is music."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from cyclekit.api import Baseline, Metric, Translations
from cyclekit_music.genre import GENRE
from cyclekit_music.grid import BEATS
from cyclekit_music.phrases import BAR, Score, fold
from cyclekit_music.piece import COMMON_TIME, Array, Piece, with_start
from cyclekit_music.texture import TEXTURE

TOO_MANY = 1.5  # times what real pieces have
LONGEST = 2 * BAR  # steps: longer notes share the last place of the histogram


def score_content(pieces: Translations[Piece], _fitted: Any) -> dict[str, float | list[float]]:
    """How much of the source is left, and how the notes are strewn.

    ``chroma``: cosine of the pitch classes of corresponding half bars, where either side sounds
    (Cifka et al., ISMIR 2019). ``density_ratio``: notes for each note of the source.
    ``empty_bars``: share of the bars, as far as the source goes, in which nothing sounds.
    ``polyphony``: pitches that sound together while any does. ``notes_per_bar``: notes that begin
    in a bar, of those in which anything sounds. Both for sources and targets too: a translation
    should be like the latter. ``short_notes``: share of notes of one step.
    ``*_overlap_*``: shared area of the histograms of pitch classes or note lengths with all
    sources' and all targets'.
    """
    chroma, density, empty, short = [], [], [], []
    sources, outputs, targets = _Collection(), _Collection(), _Collection()
    for source, output in zip(pieces.inputs, pieces.outputs, strict=True):
        before, after = Score.of(source), Score.of(output)
        sources.add(before)
        outputs.add(after)
        chroma.append(compare_chroma(before, after))
        density.append(float(after.onsets.sum() / max(before.onsets.sum(), 1)))
        empty.append(float(1 - after.bars(len(before)).mean()))
        if len(after.lengths):
            short.append(float((after.lengths <= 1).mean()))
    for target in pieces.targets:
        targets.add(Score.of(target))
    by_piece: dict[str, float | list[float]] = {
        "chroma": chroma,
        "density_ratio": density,
        "empty_bars": empty,
    }
    figures: dict[str, float] = {}
    if short:
        figures |= {"short_notes": _mean(short)} | outputs.texture("")
        figures |= sources.texture("_source") | targets.texture("_target")
        figures |= outputs.overlaps(sources, "source") | outputs.overlaps(targets, "target")
        _doubt(figures, f"{pieces.source.upper()} to {pieces.target.upper()}")
    return by_piece | figures


def _doubt(figures: dict[str, float], way: str) -> None:
    """Warn of translations that sound like several pieces at once, which judges may well like."""
    for name in ("polyphony", "notes_per_bar"):
        real = max(figures.get(f"{name}_{side}", np.inf) for side in ("source", "target"))
        if figures[name] > TOO_MANY * real:
            warnings.warn(
                f"{way}: {name} is above that of either side's pieces by half or more, so other "
                f"figures flatter; codec.voices limits what sounds at once",
                stacklevel=3,
            )


def score_cycle(pieces: Translations[Piece], _fitted: Any) -> dict[str, list[float]]:
    """``cycle_f1``: harmony of precision and recall of note onsets after the way there and back."""
    pairs = zip(pieces.inputs, pieces.cycled, strict=True)
    return {"cycle_f1": [compare_onsets(before, after) for before, after in pairs]}


def score_pairs(pieces: Translations[Piece], _fitted: Any) -> dict[str, list[float]]:
    """``truth_chroma`` and ``truth_f1``: the same comparisons with the piece's true counterpart."""
    pairs = list(zip(pieces.truths, pieces.outputs, strict=True))
    return {
        "truth_chroma": [compare_chroma(Score.of(truth), Score.of(made)) for truth, made in pairs],
        "truth_f1": [compare_onsets(truth, made) for truth, made in pairs],
    }


def compare_chroma(before: Score, after: Score) -> float:
    """Mean cosine of pitch classes over the half bars of ``before`` in which either sounds."""
    x, y = before.chroma(len(before)), after.chroma(len(before))
    lengths = np.linalg.norm(x, axis=1), np.linalg.norm(y, axis=1)
    either = (lengths[0] > 0) | (lengths[1] > 0)
    if not either.any():
        return 1.0
    cosine = (x * y).sum(axis=1) / np.maximum(lengths[0] * lengths[1], 1e-9)
    return float(cosine[either].mean())


def compare_onsets(wanted: Piece, made: Piece) -> float:
    """F1 of onsets at the same step and pitch."""
    x, y = Score.of(wanted).onsets, Score.of(made).onsets
    length = min(len(x), len(y))
    hits = int((x[:length] & y[:length]).sum())
    return 2 * hits / max(int(x.sum()) + int(y.sum()), 1)


class _Collection:
    """Pitch classes, note lengths and texture of some pieces."""

    def __init__(self) -> None:
        self._classes = np.zeros(12)
        self._lengths = np.zeros(LONGEST)
        self._polyphony: list[float] = []
        self._notes: list[float] = []

    def add(self, score: Score) -> None:
        self._classes += fold(score.onsets.sum(axis=0))
        self._lengths += np.bincount(np.clip(score.lengths, 1, LONGEST) - 1, minlength=LONGEST)
        together, bars = score.sounds.sum(axis=1), int(score.bars(len(score)).sum())
        if bars:
            self._polyphony.append(float(together[together > 0].mean()))
            self._notes.append(float(score.onsets.sum() / bars))

    def texture(self, ending: str) -> dict[str, float]:
        """Means over the pieces that sound; nothing where none does."""
        if not self._notes:
            return {}
        return {
            f"polyphony{ending}": _mean(self._polyphony),
            f"notes_per_bar{ending}": _mean(self._notes),
        }

    def overlaps(self, other: "_Collection", whose: str) -> dict[str, float]:
        return {
            f"pitch_class_overlap_{whose}": _overlap(self._classes, other._classes),
            f"note_length_overlap_{whose}": _overlap(self._lengths, other._lengths),
        }


def _overlap(x: Array, y: Array) -> float:
    return float(np.minimum(x / max(x.sum(), 1), y / max(y.sum(), 1)).sum())


def pick_at_random(_source: Sequence[Piece], target: Sequence[Piece]) -> Callable[[Piece], Piece]:
    """Give for any piece some piece of the target's training set, as long as the source is."""
    rng = np.random.default_rng(0)

    def convert(piece: Piece) -> Piece:
        other = target[int(rng.integers(len(target)))]
        return _repeated(other, -(-piece.end // (BEATS * piece.resolution)))

    return convert


def _repeated(piece: Piece, bars: int) -> Piece:
    """A piece again and again until ``bars`` are filled."""
    bar = BEATS * piece.resolution
    once = -(-piece.end // bar) * bar
    times = -(-bars * bar // once)
    copies = [piece.notes.copy() for _ in range(times)]
    for number, notes in enumerate(copies):
        notes["start"] += number * once
        notes["end"] += number * once
    notes = np.concatenate(copies)
    meters = with_start(piece.signatures, COMMON_TIME)
    later = np.array([once, 0, 0])
    signatures = np.concatenate([meters + number * later for number in range(times)])
    return replace(
        piece, notes=notes[notes["start"] < bars * bar], signatures=signatures, frame=None
    )


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values))


METRICS = (
    GENRE,
    TEXTURE,
    Metric(
        "content",
        {
            "chroma": True,
            "empty_bars": False,
            "pitch_class_overlap_target": True,
            "note_length_overlap_target": True,
        },
        score_content,
        protocol=(
            "chroma, density_ratio: with the source, by half bars and by notes; *_overlap_target: "
            "with all test pieces of the target; polyphony, notes_per_bar: pitches at once, notes "
            "a bar, where anything sounds, of translations, sources and targets"
        ),
    ),
    Metric(
        "cycle",
        {"cycle_f1": True},
        score_cycle,
        needs_cycle=True,
        protocol="cycle_f1: note onsets after the way there and back",
    ),
    Metric(
        "pairs",
        {"truth_chroma": True, "truth_f1": True},
        score_pairs,
        needs_pairs=True,
        protocol="truth_chroma, truth_f1: on pairs, with the true counterpart",
    ),
)
BASELINES = (Baseline("random_pair", pick_at_random),)
