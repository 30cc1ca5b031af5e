"""A corpus of damaged MIDI files: none crashes, hangs or goes unnamed."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cyclekit_music.events import NotMidiError
from cyclekit_music.reading import read_bytes
from cyclekit_music.writing import write_piece
from damage import add_oddities, make_corpus, noise, translate_corpus
from music_support import SMALL_MUSIC, header, piece, scale, write_scales
from support import training

COUNT = 200


def other_header(_data: bytearray, rng: random.Random) -> bytes:
    """A proper header, and then anything."""
    return header(tracks=rng.randrange(4)) + rng.randbytes(rng.randrange(400))


TRACK_LENGTH, DIVISION = noise(18, 22), noise(8, 14)


def refusal(data: bytes, fast: bool) -> str | None:
    """Why a file cannot be used, or ``None`` where it can."""
    try:
        read_bytes(data, fast)
    except NotMidiError as error:
        return str(error)
    return None


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("damaged")
    whole = write_piece(piece(*scale(8)), folder / "whole.mid")
    make_corpus(whole, COUNT, random.Random(0), TRACK_LENGTH, DIVISION, other_header)
    add_oddities(folder, ".mid")
    return folder


@pytest.mark.parametrize("fast", [False, True], ids=["events", "symusic"])
def test_every_file_is_read_or_refused_with_a_reason(corpus: Path, fast: bool) -> None:
    reasons = [refusal(file.read_bytes(), fast) for file in sorted(corpus.glob("whole-*.mid"))]
    assert "" not in reasons
    assert sum(reason is not None for reason in reasons) > COUNT / 3
    assert sum(reason is None for reason in reasons) > COUNT / 20


def test_translating_the_corpus_names_each_file_and_writes_the_rest(
    corpus: Path, tmp_path: Path, cli: Callable[..., Any]
) -> None:
    run, data = tmp_path / "run", write_scales(tmp_path / "data")
    train = training("music", "classical2jazz", SMALL_MUSIC)(
        data, run, train__steps=1, train__preview_every=0
    )
    assert {"whole"} <= translate_corpus(cli, train, run, corpus)
