"""What pieces are made of, against values worked out by hand, and blots that it must see."""

import math

import numpy as np
import pytest
from cyclekit_music import genre, texture
from cyclekit_music.genre import GenreJudge
from cyclekit_music.phrases import PHRASE
from cyclekit_music.piece import Piece
from cyclekit_music.texture import Texture, held, wasserstein
from music_support import piece, rows
from support import mean_figures
from torch import Tensor, nn, stack

from cyclekit.api import Translations

score_texture = mean_figures(texture.score_texture)
score_genre = mean_figures(genre.score_genre)

# Quarters on 60 62 64 65 in each of four bars.
TUNE = piece(*[(beat, 1, 60 + (0, 2, 4, 5)[beat % 4]) for beat in range(16)])
CLUSTERS = piece(*[(start, n, pitch + up) for start, n, pitch in rows(TUNE) for up in (0, 1, 2)])


def shown(outputs: list[Piece], targets: list[Piece]) -> Translations[Piece]:
    return Translations("a", "b", [TUNE] * len(outputs), outputs, [], [], targets)


def test_a_tune_by_hand() -> None:
    texture = Texture.of(TUNE)
    assert texture.density.tolist() == [4] * 4
    assert set(texture.polyphony) == {1}
    assert set(texture.length) == {2}  # four sixteenths
    assert texture.interval.tolist() == [2, 2, 1, *[5, 2, 2, 1] * 3]
    assert sorted(set(texture.range)) == [60, 62, 64, 65]
    assert texture.summary() == pytest.approx([4, 1, 4, (3 * 10 + 5) / 15, 5])
    assert not Texture.of(piece()).sounds


def test_the_highest_note_makes_the_intervals_and_empty_bars_none() -> None:
    two = piece((0, 1, 60), (0, 1, 72), (8, 2, 62), (8, 2, 79))
    texture = Texture.of(two)
    assert texture.interval.tolist() == [7]
    assert texture.density.tolist() == [2, 2]


def test_wasserstein_by_hand() -> None:
    ones = np.ones(2)
    assert wasserstein(np.array([0.0, 4.0]), ones, np.array([1.0, 7.0]), ones) == pytest.approx(2)
    # Three quarters at 0 and a quarter at 8, against all at 2.
    weights = np.array([3.0, 1.0])
    there = wasserstein(np.array([0.0, 8.0]), weights, np.array([2.0]), np.ones(1))
    assert there == pytest.approx(0.75 * 2 + 0.25 * 6)


def test_distances_by_hand() -> None:
    figures = score_texture(shown([CLUSTERS, TUNE], [TUNE]), None)
    # One of two pieces has 12 notes a bar in place of 4, and three at once.
    assert figures["density_distance"] == pytest.approx(4)
    assert figures["polyphony_distance"] == pytest.approx(1)
    assert figures["length_distance"] == 0
    assert figures["range_distance"] == pytest.approx(0.5)  # by one semitone on average
    assert figures["like_target"] == 0.5
    same = score_texture(shown([TUNE], [TUNE, TUNE]), None)
    assert same == pytest.approx(dict.fromkeys(same, 0) | {"like_target": 1})
    assert score_texture(shown([piece()], [TUNE]), None) == {"like_target": 0}


def test_a_quarter_beyond_what_nearly_all_have_is_held() -> None:
    def bars(notes: int) -> Piece:
        return piece(
            *[(bar * 4 + n / 4, 0.25, 60 + n % 2) for bar in range(4) for n in range(notes)]
        )

    real = [bars(8), bars(10)]  # 8.1 to 9.9
    made = [bars(notes) for notes in (6, 7, 8, 12, 13)]
    assert held(made, real).tolist() == [False, True, True, True, False]


class Believer(nn.Module):
    """Calls every phrase B's."""

    def forward(self, x: Tensor) -> Tensor:
        return stack([-x[:, 0, 0, 0] * 0, 1 - x[:, 0, 0, 0] * 0], dim=1)


def test_a_strength_that_holds_counts_no_blots() -> None:
    assert PHRASE == 4 * 16
    judge = GenreJudge(Believer(), ("a", "b"))
    with pytest.warns(UserWarning, match="genre classifier is right"):
        figures = score_genre(shown([CLUSTERS, TUNE], [TUNE]), judge)
    assert figures["called_target"] == 1
    assert figures["called_target_held"] == 0.5
    fell = figures["transfer_strength"] - figures["transfer_strength_held"]
    assert fell == pytest.approx(0.5)
    assert not math.isnan(figures["transfer_strength_p"])


class Undecided(nn.Module):
    """Gives every phrase .4 to B, and .3 to each of A and C."""

    def forward(self, x: Tensor) -> Tensor:
        return stack([x[:, 0, 0, 0] * 0 + math.log(share) for share in (0.3, 0.4, 0.3)], dim=1)


def test_of_three_genres_the_likeliest_is_called() -> None:
    judge = GenreJudge(Undecided(), ("a", "b", "c"))
    with pytest.warns(UserWarning, match="genre classifier is right on 50%"):
        figures = score_genre(shown([TUNE], [TUNE]), judge)
    assert figures["called_target"] == 1
    assert figures["transfer_strength"] == 0  # nothing was called the source's before
