"""The built-in data: legal music, paired in test, alone in training, the same from one seed."""

from pathlib import Path

import mido
import numpy as np
import pretty_midi
import pytest
import symusic
from cyclekit_music.compose import draw_chart, make_charts, set_chorale, set_jazz
from cyclekit_music.files import read_piece
from cyclekit_music.metrics import compare_chroma
from cyclekit_music.phrases import Score


@pytest.fixture(scope="module")
def charts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("charts")
    make_charts(root, seed=0)
    return root


@pytest.mark.slow
def test_pairs_share_their_harmony_and_strangers_do_not(charts: Path) -> None:
    a, b = (
        [Score.of(read_piece(file)) for file in sorted((charts / name).iterdir())]
        for name in ("testA", "testB")
    )
    true = np.mean([compare_chroma(x, y) for x, y in zip(a, b, strict=True)])
    random = np.mean([compare_chroma(x, y) for x, y in zip(a, b[1:] + b[:1], strict=True)])
    assert true > 0.8
    assert random < 0.4


def test_no_training_piece_has_a_twin(charts: Path) -> None:
    chroma = [
        Score.of(read_piece(file)).chroma(128).tobytes()
        for name in ("trainA", "trainB", "testA", "testB")
        for file in (charts / name).iterdir()
    ]
    assert len(set(chroma)) == len(chroma)


@pytest.mark.slow
def test_the_same_seed_makes_the_same_files(charts: Path, tmp_path: Path) -> None:
    make_charts(tmp_path, seed=0)
    for name in ("trainA/0000.mid", "testB/0023.mid"):
        assert (tmp_path / name).read_bytes() == (charts / name).read_bytes()
    make_charts(tmp_path / "other", seed=1)
    other = (tmp_path / "other" / "testA" / "0000.mid").read_bytes()
    assert other != (charts / "testA" / "0000.mid").read_bytes()


@pytest.mark.slow
def test_where_they_are_paired_training_is_set_from_the_same_charts(tmp_path: Path) -> None:
    make_charts(tmp_path, seed=0, paired=True)
    a, b = (
        [Score.of(read_piece(tmp_path / name / f"{n:04d}.mid")) for n in range(8)]
        for name in ("trainA", "trainB")
    )
    assert np.mean([compare_chroma(x, y) for x, y in zip(a, b, strict=True)]) > 0.8


def test_every_reader_opens_them(charts: Path) -> None:
    file = charts / "testB" / "0003.mid"
    notes = len(read_piece(file).notes)
    assert sum(len(i.notes) for i in pretty_midi.PrettyMIDI(str(file)).instruments) == notes
    assert sum(len(track.notes) for track in symusic.Score(file).tracks) == notes
    assert mido.MidiFile(file).length > 10


def test_settings_are_what_they_are_called() -> None:
    for seed in range(20):
        chart = draw_chart(np.random.default_rng(seed))
        chorale, jazz = set_chorale(chart), set_jazz(chart)
        assert chorale.end == 8 * 4 * 480
        assert 0 <= chorale.end - jazz.end < 480
        assert not (chorale.notes["start"] % 480).any()
        assert (jazz.notes["start"] % 480 == 320).mean() > 0.3
        assert [part.name for part in jazz.parts] == ["bass", "piano", "melody"]
        assert Score.of(chorale).sounds.sum(axis=1).max() <= 4
