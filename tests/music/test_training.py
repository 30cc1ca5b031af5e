"""Music through the command line: train, resume exactly, translate whole pieces, judge."""

import json
import shutil
from pathlib import Path
from typing import Any

import mido
import numpy as np
import pretty_midi
import pytest
import symusic
from cyclekit_music.conversion import to_pretty_midi
from cyclekit_music.files import read_piece
from cyclekit_music.piece import Part
from cyclekit_music.writing import write_piece
from music_support import SMALL_MUSIC, piece, scale, write_scales
from support import Cli, assert_resumes_exactly, records, training

import cyclekit
from cyclekit.cli import main

arguments = training("music", "classical2jazz", SMALL_MUSIC | {"data.parallel": "true"})


@pytest.fixture(scope="session")
def songs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_scales(tmp_path_factory.mktemp("songs"))


@pytest.fixture(scope="session")
def run(songs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("music") / "run"
    main(arguments(songs, folder))
    return folder


@pytest.mark.slow
def test_previews_show_the_way_there_and_back(run: Path) -> None:
    names = {path.name for path in (run / "samples" / "step-00000004").iterdir()}
    assert "sheet.png" in names
    assert {"00-0-real-A.mid", "00-0-A-to-B.mid", "00-0-A-to-B-to-A.mid"} <= names
    assert {"01-0-real-B.wav", "01-0-B-to-A.wav"} <= names


def test_what_was_noticed_about_each_file_is_kept(run: Path, songs: Path) -> None:
    told = [json.loads(line) for line in (run / "files.jsonl").read_text().splitlines()]
    lines = [line for line in told if "test" not in line]
    assert [(line["domain"], Path(line["file"]).name) for line in lines] == [
        (domain, f"{n}.mid") for domain in "ab" for n in range(3)
    ]
    assert all(line["off_grid"] == 0 and line["windows"] == 2 for line in lines)


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [
        {"codec__representation": "onset+sustain", "generator__keep": 2.0},
        {"objective__rounding": "{discriminators = true, cycle = true}", "train__ema": 0.9},
        {"objective__mixed_domain": "{weight = 1, generator_weight = 0.5}"},
    ],
)
def test_a_resumed_run_ends_where_an_uninterrupted_one_does(
    songs: Path, tmp_path: Path, settings: dict[str, object], cli: Cli
) -> None:
    whole, halved = tmp_path / "whole", tmp_path / "halved"
    assert cli(*arguments(songs, whole, **settings)).code == 0
    assert_resumes_exactly(whole, halved, lambda run: cli("resume", run))


@pytest.mark.slow
def test_a_third_genre_joins_the_mixed_samples(songs: Path, tmp_path: Path, cli: Cli) -> None:
    third = tmp_path / "third"
    third.mkdir()
    for index in range(2):
        write_piece(piece(*scale(5, 50 + index)), third / f"{index}.mid")
    done = cli(*arguments(songs, tmp_path / "run", data__extra=third,
                          objective__mixed_domain="{weight = 1}"))  # fmt: skip
    assert done.code == 0, done.err
    assert "extra: 2 training files, 4 windows" in done.err
    losses = [record for record in records(tmp_path / "run") if "generators" in record]
    assert {"mixed_discriminator_a", "mixed_discriminator_b"} <= set(losses[-1])


def test_a_whole_piece_comes_back_from_beginning_to_end(
    run: Path, tmp_path: Path, cli: Cli
) -> None:
    made = piece(*scale(11), tempi=[(0, 400_000), (17.5, 650_000)], parts=(Part(24),))
    made.notes["pitch"][-1] = 10  # out of range: set aside and given back
    file = write_piece(made, tmp_path / "song.mid")
    # An untrained network turns on whatever it likes; as many cells as the source has are kept.
    recipe = (run / "recipe.toml").read_text()
    other = shutil.copytree(run, tmp_path / "other", symlinks=True)
    (other / "recipe.toml").write_text(recipe.replace('"threshold"', '"density"'))
    done = cli("translate", other, file, "-o", tmp_path / "out", "--direction=a2b")
    assert done.code == 0, done.err
    out = tmp_path / "out" / "song.mid"
    translated = read_piece(out)
    assert np.array_equal(translated.tempi, made.tempi)
    assert np.array_equal(translated.signatures, made.signatures)
    assert 10 in translated.notes["pitch"]
    assert {part.program for part in translated.parts} == {24}
    assert len(translated.notes) > 10
    bar = 4 * made.resolution
    assert translated.notes["start"].min() < bar
    assert translated.end > made.end - bar
    for opened in (pretty_midi.PrettyMIDI(str(out)), mido.MidiFile(out), symusic.Score(out)):
        assert opened


def test_python_translates_pieces_and_pretty_midi_objects(run: Path, tmp_path: Path) -> None:
    model = cyclekit.load(run)
    song = piece(*scale(4))
    for item in (song, to_pretty_midi(song)):
        assert type(model.translate(item, "b2a")) is type(item)
    file = model.save(model.translate(to_pretty_midi(song), "b2a"), tmp_path / "new" / "song")
    assert read_piece(file).end > 0


@pytest.mark.slow
def test_the_judges_figures_have_their_names(run: Path, cli: Cli, monkeypatch: Any) -> None:
    monkeypatch.setattr("cyclekit_music.genre.STEPS", 4)
    done = cli("evaluate", run, "--quick", "--json")
    assert done.code == 0, done.err
    report = json.loads(done.out)
    for direction in ("a2b", "b2a", "both"):
        assert {
            "called_target", "transfer_strength", "genre_accuracy", "chroma", "cycle_f1",
            "density_ratio", "empty_bars", "polyphony", "polyphony_target",
            "notes_per_bar_source", "pitch_class_overlap_target",
        } <= set(report[direction])  # fmt: skip
        assert set(report["baselines"]) == {"codec", "identity", "random_pair"}
        assert report["baselines"]["identity"][direction]["chroma"] == pytest.approx(1)
        assert report["baselines"]["identity"][direction]["transfer_strength"] == 0
    mean = (report["a2b"]["transfer_strength"] + report["b2a"]["transfer_strength"]) / 2
    assert report["both"]["transfer_strength"] == pytest.approx(mean)
    assert list((run / "metrics" / "genre").glob("*.safetensors"))


def test_the_last_table_shows_how_real_pieces_of_the_target_score(
    songs: Path, tmp_path: Path, cli: Cli, monkeypatch: Any
) -> None:
    monkeypatch.setattr("cyclekit_music.genre.STEPS", 2)
    run = tmp_path / "run"
    done = cli(*arguments(songs, run, train__steps=1, train__preview_every=0,
                          train__evaluate_every=1, train__evaluate_items=1))  # fmt: skip
    assert done.code == 0, done.err
    heading = next(line for line in done.out.splitlines() if "translated" in line)
    assert [name.strip() for name in heading.strip("┃ ").split("┃")][-1] == "real"
    (kept,) = (run / "evaluations").glob("*.json")
    report = json.loads(kept.read_text())
    for direction in ("a2b", "b2a"):
        assert report["real"][direction]["polyphony"] == report[direction]["polyphony_target"]


def test_pieces_in_other_meters_are_named_and_counted(
    songs: Path, tmp_path: Path, cli: Cli
) -> None:
    data = shutil.copytree(songs, tmp_path / "data")
    for index in range(3, 9):
        write_piece(piece(*scale(6, 40 + index)), data / "trainA" / f"{index}.mid")
    write_piece(piece(*scale(6), signatures=[(0, 3, 4)]), data / "trainA" / "waltz.mid")
    done = cli(*arguments(data, tmp_path / "run"), "--dry-run")
    assert done.code == 0, done.err
    assert "skipped 1 of 10 files of domain A" in done.err
    assert "waltz.mid: has no bars of four or two quarters (its meter is 3/4)" in done.err


def test_a_trained_run_takes_the_advice_that_it_gives(run: Path, tmp_path: Path, cli: Cli) -> None:
    waltz = write_piece(piece(*scale(6), signatures=[(0, 3, 4)]), tmp_path / "waltz.mid")
    refused = cli("translate", run, waltz, "-o", tmp_path / "out", "--direction=a2b")
    assert refused.code == 1
    assert "its meter is 3/4" in refused.err
    assert "--set codec.meters=any" in refused.err
    done = cli("translate", run, waltz, "-o", tmp_path / "out", "--direction=a2b",
               "--set", "codec.meters=any")  # fmt: skip
    assert done.code == 0, done.err
    assert (tmp_path / "out" / "waltz.mid").is_file()


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("train.steps=9", "codec.KEY=VALUE"),
        ("codec.bars=8", "another shape or range"),
        ("codec.metres=any", "Did you mean 'codec.meters'"),
    ],
)
def test_a_trained_run_takes_no_setting_that_networks_would_notice(
    run: Path, songs: Path, tmp_path: Path, cli: Cli, setting: str, said: str
) -> None:
    done = cli("translate", run, songs / "testA", "-o", tmp_path / "out", "--direction=a2b",
               "--set", setting)  # fmt: skip
    assert done.code != 0
    assert said in done.err


def test_what_was_copied_through_is_said_after_translating(
    run: Path, tmp_path: Path, cli: Cli
) -> None:
    made = piece(*scale(4), (16, 1, 60), signatures=[(0, 4, 4), (16, 3, 4)])
    done = cli("translate", run, write_piece(made, tmp_path / "song.mid"), "-o", tmp_path / "out",
               "--direction=a2b")  # fmt: skip
    assert done.code == 0, done.err
    assert "1 of 1 files of domain A have bars that are not of four or two quarters" in done.err
