"""A corpus of damaged MIDI files: none crashes, hangs or goes unnamed."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cyclekit_music.reading import NotMidiError, read_bytes
from cyclekit_music.writing import write_piece
from music_support import SMALL_MUSIC, header, piece, scale, write_scales
from support import as_options, assert_named_or_written

COUNT = 200


def damaged(data: bytes, rng: random.Random) -> bytes:
    """One of many ways to spoil a file."""
    spoiled = bytearray(data)
    place = rng.randrange(len(data))
    match rng.randrange(7):
        case 0:
            return data[:place]
        case 1:
            for _ in range(rng.choice((1, 8, 100))):
                spoiled[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        case 2:
            spoiled[place:place] = rng.randbytes(rng.randrange(1, 40))
        case 3:
            del spoiled[place : place + rng.randrange(1, 40)]
        case 4:
            spoiled[18:22] = rng.randbytes(4)  # the first track's length
        case 5:
            spoiled[8:14] = rng.randbytes(6)  # type, tracks, division
        case 6:
            return header(tracks=rng.randrange(4)) + rng.randbytes(rng.randrange(400))
    return bytes(spoiled)


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
    whole = write_piece(piece(*scale(8)), folder / "whole.mid").read_bytes()
    rng = random.Random(0)
    for index in range(COUNT):
        (folder / f"{index:03d}.mid").write_bytes(damaged(whole, rng))
    (folder / "empty.mid").write_bytes(b"")
    (folder / "picture.mid").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    (folder / "loop.mid").symlink_to(folder / "loop.mid")
    (folder / "folder.mid").mkdir()
    return folder


@pytest.mark.parametrize("fast", [False, True], ids=["mido", "symusic"])
def test_every_file_is_read_or_refused_with_a_reason(corpus: Path, fast: bool) -> None:
    reasons = [refusal(file.read_bytes(), fast) for file in sorted(corpus.glob("[0-9]*.mid"))]
    assert "" not in reasons
    assert sum(reason is not None for reason in reasons) > COUNT / 3
    assert sum(reason is None for reason in reasons) > COUNT / 20


def test_translating_the_corpus_names_each_file_and_writes_the_rest(
    corpus: Path, tmp_path: Path, cli: Callable[..., Any]
) -> None:
    data = write_scales(tmp_path / "data")
    short = SMALL_MUSIC | {"train.steps": 1, "train.preview_every": 0}
    trained = cli("train", "--plugin=music", "--recipe=classical2jazz", f"--data={data}",
                  f"--run-dir={tmp_path / 'run'}", "--accelerator=cpu",
                  *as_options(short))  # fmt: skip
    assert trained.code == 0, trained.err
    done = cli("translate", tmp_path / "run", corpus, "-o", tmp_path / "out", "--direction=a2b")
    written = {path.stem for path in (tmp_path / "out").iterdir()}
    assert "whole" in written
    assert_named_or_written(corpus, tmp_path / "out", done)
