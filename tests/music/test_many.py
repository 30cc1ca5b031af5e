"""Several kinds of pieces by one generator: train, resume exactly, translate to each, judge."""

import json
from itertools import permutations
from pathlib import Path

import pytest
from cyclekit_music.files import read_piece
from cyclekit_music.writing import write_piece
from music_support import SMALL_MUSIC, piece, scale
from support import Cli, assert_resumes_exactly, training

from cyclekit.cli import main

KINDS = {"german": 36, "irish": 43, "scottish": 60}
arguments = training("music", "genres", SMALL_MUSIC)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("kinds")
    for kind, lowest in KINDS.items():
        for split in ("train", "test"):
            (root / split / kind).mkdir(parents=True)
            for index in range(2 if split == "train" else 1):
                write_piece(piece(*scale(6, lowest + index)), root / split / kind / f"{index}.mid")
    return root


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("many") / "run"
    main(arguments(data, folder))
    return folder


@pytest.mark.slow
def test_resumed_exactly(run: Path, tmp_path: Path, cli: Cli) -> None:
    assert_resumes_exactly(run, tmp_path / "halved", lambda halved: cli("resume", halved))


@pytest.mark.slow
def test_translated_to_each_and_judged(
    run: Path, data: Path, tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cyclekit_music.genre.STEPS", 4)
    out = tmp_path / "out"
    done = cli("translate", run, data / "test", "-o", out, "--to=all", "--accelerator=cpu")
    assert done.code == 0, done.err
    for source, target in permutations(KINDS, 2):
        before = read_piece(data / "test" / source / "0.mid")
        assert read_piece(out / target / source / "0.mid").resolution == before.resolution
    done = cli("evaluate", run, "--quick", "--accelerator=cpu")
    assert done.code == 0, done.err
    assert "chroma (higher is better), latest: from, to" in done.out
    report = json.loads((run / "evaluations/step-00000004.json").read_text())
    assert {f"{a}2{b}" for a, b in permutations(KINDS, 2)} <= {*report}
