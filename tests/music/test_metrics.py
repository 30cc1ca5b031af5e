"""What the judges say of pieces whose right answer is known."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cyclekit_music import genre, metrics
from cyclekit_music.compose import draw_chart, set_chorale, set_jazz
from cyclekit_music.genre import GenreJudge, Phrases, fit_genre
from cyclekit_music.metrics import pick_at_random
from cyclekit_music.phrases import Score
from cyclekit_music.piece import Piece
from music_support import piece, rows, scale
from support import mean_figures

from cyclekit.api import Translations


def translations(
    inputs: Sequence[Piece], outputs: Sequence[Piece], targets: Sequence[Piece], **more: Any
) -> Translations[Piece]:
    parts: dict[str, Any] = {"cycled": (), "truths": (), **more}
    return Translations("a", "b", inputs, outputs, targets=targets, **parts)


def transposed(made: Piece, semitones: int) -> Piece:
    return piece(*[(start, length, pitch + semitones) for start, length, pitch in rows(made)])


SOURCE = piece(*scale(8))

score_content = mean_figures(metrics.score_content)
score_cycle = mean_figures(metrics.score_cycle)
score_pairs = mean_figures(metrics.score_pairs)
score_genre = mean_figures(genre.score_genre)


def content(output: Piece) -> dict[str, float]:
    return score_content(translations([SOURCE], [output], [SOURCE]), None)


def test_a_piece_is_all_that_it_was() -> None:
    figures = content(SOURCE)
    assert figures["chroma"] == pytest.approx(1)
    assert figures["density_ratio"] == 1
    assert figures["empty_bars"] == 0
    assert figures["pitch_class_overlap_source"] == pytest.approx(1)
    assert figures["note_length_overlap_target"] == pytest.approx(1)
    assert figures["polyphony"] == pytest.approx(2)
    assert figures["short_notes"] == 0


def test_an_octave_is_the_same_chroma_and_a_tritone_is_not() -> None:
    assert content(transposed(SOURCE, 12))["chroma"] == pytest.approx(1)
    assert content(transposed(SOURCE, 6))["chroma"] < 0.5


def test_silence_is_noticed() -> None:
    figures = content(piece(*scale(2)))
    assert figures["empty_bars"] == pytest.approx(0.75)
    assert figures["density_ratio"] == pytest.approx(0.25)
    assert figures["chroma"] == pytest.approx(0.25)
    figures = content(piece())
    assert (figures["empty_bars"], figures["density_ratio"], figures["chroma"]) == (1, 0, 0)
    assert "polyphony" not in figures


def test_fragments_are_noticed() -> None:
    broken = piece(*[(start, 0.25, pitch) for start, _, pitch in rows(SOURCE)])
    figures = content(broken)
    assert figures["short_notes"] == 1
    assert figures["note_length_overlap_source"] == 0


def test_texture_is_compared_with_both_sides() -> None:
    tune = piece(*[row for row in rows(SOURCE) if row[1] == 1])
    figures = score_content(translations([SOURCE], [SOURCE], [tune]), None)
    assert figures["polyphony_source"] == figures["polyphony"] == pytest.approx(2)
    assert figures["polyphony_target"] == 1
    assert (figures["notes_per_bar"], figures["notes_per_bar_target"]) == (5, 4)


def test_more_voices_than_either_side_has_are_doubted() -> None:
    tune = piece(*[row for row in rows(SOURCE) if row[1] == 1])
    clusters = piece(*[(s, n, p + up) for s, n, p in rows(tune) for up in (0, 1, 2)])
    with pytest.warns(UserWarning, match=r"A to B: polyphony .*codec\.voices"):
        score_content(translations([tune], [clusters], [tune]), None)


def test_onsets_after_the_way_back() -> None:
    half = piece(*scale(4))

    def f1(cycled: Piece) -> float:
        return score_cycle(translations([SOURCE], [SOURCE], [], cycled=[cycled]), None)["cycle_f1"]

    assert f1(SOURCE) == 1
    assert f1(half) == pytest.approx(2 / 3)
    assert f1(piece()) == 0


def test_the_truth_is_compared_with_the_output() -> None:
    shown = translations([piece()], [SOURCE], [], truths=[SOURCE])
    assert score_pairs(shown, None) == {"truth_chroma": pytest.approx(1), "truth_f1": 1}


def test_a_random_piece_is_as_long_as_the_source() -> None:
    convert = pick_at_random([], [piece(*scale(3))])
    assert len(Score.of(convert(SOURCE))) == len(Score.of(SOURCE))


def test_phrases_are_four_bars_from_each_barline() -> None:
    made = piece(*scale(6), (30, 1, 60), signatures=[(0, 4, 4), (24, 3, 4), (30, 4, 4)])
    phrases = list(Score.of(made).phrases())
    assert len(phrases) == 3
    assert phrases[2][0, 60 - 24] == 1
    waltz = piece(*scale(6), signatures=[(0, 3, 4)])
    assert len(list(Score.of(waltz).phrases())) == 2


@pytest.fixture(scope="module")
def composed() -> tuple[list[Piece], list[Piece]]:
    charts = [draw_chart(np.random.default_rng(seed)) for seed in range(24)]
    return [set_chorale(chart) for chart in charts], [set_jazz(chart) for chart in charts]


@pytest.fixture(scope="module")
def judge(
    composed: tuple[list[Piece], list[Piece]], tmp_path_factory: pytest.TempPathFactory
) -> GenreJudge:
    before = genre.STEPS
    genre.STEPS = 60
    try:
        a, b = composed
        return fit_genre({"a": a[:16], "b": b[:16]}, 0, tmp_path_factory.mktemp("cache"))
    finally:
        genre.STEPS = before


@pytest.mark.slow
def test_the_classifier_knows_what_it_was_shown(
    judge: GenreJudge, composed: tuple[list[Piece], list[Piece]]
) -> None:
    a, b = (pieces[16:] for pieces in composed)
    right = score_genre(translations(a, b, b, cycled=a), judge)
    assert right["genre_accuracy"] > 0.9
    assert right["called_target"] > 0.9
    assert right["transfer_strength"] > 0.8
    assert right["called_target_low"] <= right["called_target"] <= right["called_target_high"]
    identity = score_genre(translations(a, a, b, cycled=a), judge)
    assert identity["called_target"] < 0.1
    assert identity["transfer_strength"] == pytest.approx(0)


def test_a_rest_changes_no_verdict(
    judge: GenreJudge, composed: tuple[list[Piece], list[Piece]]
) -> None:
    a, b = (pieces[16:20] for pieces in composed)
    resting = [piece(*rows(made), (63, 0.25, 60)) for made in a]  # bars 9 to 15 are silent
    figures = score_genre(translations(resting, resting, b, cycled=resting), judge)
    assert figures["transfer_strength"] == pytest.approx(0)
    assert figures["transfer_strength_p"] == pytest.approx(0, abs=1e-6)


def test_silence_belongs_to_no_genre(
    judge: GenreJudge, composed: tuple[list[Piece], list[Piece]]
) -> None:
    a, b = (pieces[16:20] for pieces in composed)
    figures = score_genre(translations(a, [piece()] * 4, b), judge)
    assert figures["called_target"] == 0
    assert figures["transfer_strength"] <= 0


def test_a_classifier_that_cannot_tell_says_so(
    judge: GenreJudge, composed: tuple[list[Piece], list[Piece]]
) -> None:
    a, _ = composed
    fresh = GenreJudge(judge.network, ("a", "b"))
    with pytest.warns(UserWarning, match="less than 75%"):
        score_genre(translations(a[16:], a[16:], a[16:]), fresh)


def test_the_classifiers_accuracy_is_that_of_the_test_set(
    judge: GenreJudge, composed: tuple[list[Piece], list[Piece]]
) -> None:
    a, b = composed
    fresh = GenreJudge(judge.network, ("a", "b"))
    first = score_genre(translations(a[16:], b[16:], b[16:]), fresh)
    # Where real pieces stand for translations, they are compared with training pieces.
    then = score_genre(translations(a[16:], b[16:], a[16:]), fresh)
    assert then["genre_accuracy"] == first["genre_accuracy"] > 0.9


def test_a_trained_classifier_is_kept(
    composed: tuple[list[Piece], list[Piece]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(genre, "STEPS", 2)
    a, b = (pieces[:3] for pieces in composed)
    first = fit_genre({"a": a, "b": b}, 0, tmp_path)
    monkeypatch.setattr(genre, "_train", None)  # would fail if it were called
    second = fit_genre({"a": a, "b": b}, 0, tmp_path)
    phrases = Phrases.of(a)
    assert np.array_equal(first.shares(phrases), second.shares(phrases))
    with pytest.raises(TypeError):
        fit_genre({"a": a, "b": b}, 1, tmp_path)
