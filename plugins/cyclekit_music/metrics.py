"""What is kept of a piece, what has changed about it, and whether it still is music."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from cyclekit.api import Baseline, Metric, Translations
from cyclekit_music.genre import GENRE
from cyclekit_music.grid import BEATS, COMMON_TIME
from cyclekit_music.phrases import BAR, Score, fold
from cyclekit_music.piece import Array, Piece, with_start

LONGEST = 2 * BAR  # steps: longer notes share the last place of the histogram


def score_content(pieces: Translations[Piece], _fitted: Any) -> dict[str, float]:
    """How much of the source is left, and how the notes are strewn.

    ``chroma``: cosine of the pitch classes of corresponding half bars, where either side sounds
    (Cifka et al., ISMIR 2019). ``density_ratio``: notes for each note of the source.
    ``empty_bars``: share of the bars, as far as the source goes, in which nothing sounds.
    ``polyphony``: pitches that sound together. ``short_notes``: share of notes of one step.
    ``*_overlap_*``: shared area of the histograms of pitch classes or note lengths with all
    sources' and all targets'.
    """
    chroma, density, empty, polyphony, short = [], [], [], [], []
    sources, outputs = _Histograms(), _Histograms()
    for source, output in zip(pieces.inputs, pieces.outputs, strict=True):
        before, after = Score.of(source), Score.of(output)
        sources.add(before)
        outputs.add(after)
        chroma.append(compare_chroma(before, after))
        density.append(float(after.onsets.sum() / max(before.onsets.sum(), 1)))
        empty.append(float(1 - after.bars(len(before)).mean()))
        voices = after.sounds.sum(axis=1)
        if voices.any():
            polyphony.append(float(voices[voices > 0].mean()))
            short.append(float((after.lengths <= 1).mean()))
    targets = _Histograms()
    for target in pieces.targets:
        targets.add(Score.of(target))
    figures = {
        "chroma": _mean(chroma),
        "density_ratio": _mean(density),
        "empty_bars": _mean(empty),
    }
    if polyphony:
        figures |= {"polyphony": _mean(polyphony), "short_notes": _mean(short)}
        figures |= outputs.overlaps(sources, "source") | outputs.overlaps(targets, "target")
    return figures


def score_cycle(pieces: Translations[Piece], _fitted: Any) -> dict[str, float]:
    """``cycle_f1``: harmony of precision and recall of note onsets after the way there and back."""
    pairs = zip(pieces.inputs, pieces.cycled, strict=True)
    return {"cycle_f1": _mean([compare_onsets(before, after) for before, after in pairs])}


def score_pairs(pieces: Translations[Piece], _fitted: Any) -> dict[str, float]:
    """``truth_chroma`` and ``truth_f1``: the same comparisons with the piece's true counterpart."""
    pairs = list(zip(pieces.truths, pieces.outputs, strict=True))
    return {
        "truth_chroma": _mean(
            [compare_chroma(Score.of(truth), Score.of(made)) for truth, made in pairs]
        ),
        "truth_f1": _mean([compare_onsets(truth, made) for truth, made in pairs]),
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


class _Histograms:
    """Pitch classes and note lengths of a collection."""

    def __init__(self) -> None:
        self._classes = np.zeros(12)
        self._lengths = np.zeros(LONGEST)

    def add(self, score: Score) -> None:
        self._classes += fold(score.onsets.sum(axis=0))
        self._lengths += np.bincount(np.clip(score.lengths, 1, LONGEST) - 1, minlength=LONGEST)

    def overlaps(self, other: "_Histograms", whose: str) -> dict[str, float]:
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
    return replace(piece, notes=notes[notes["start"] < bars * bar], signatures=signatures)


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values))


METRICS = (
    GENRE,
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
            "chroma, density_ratio: with the source, by half bars and by notes; *_target: with all "
            "test pieces of the target"
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
