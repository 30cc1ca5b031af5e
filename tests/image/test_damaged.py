"""A corpus of damaged pictures: none crashes, hangs or goes unnamed."""

import random
import shutil
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cyclekit_image.pictures import read_picture
from damage import add_oddities, make_corpus, noise
from PIL import Image
from support import assert_named_or_written, draw

from cyclekit.api import BadSample

COUNT = 240
SUFFIXES = ("jpg", "bmp", "webp", "png")


def refusal(file: Path) -> str | None:
    """Why a file cannot be used, or ``None`` where it can."""
    try:
        read_picture(file, "RGB")
    except BadSample as error:
        return error.why
    return None


def huge(file: Path) -> Path:
    """A small PNG whose header promises 60,000 x 60,000 pixels."""
    data = bytearray(draw(file, 0).read_bytes())
    data[16:24] = struct.pack(">II", 60_000, 60_000)
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    file.write_bytes(data)
    return file


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("damaged")
    rng = random.Random(0)
    for suffix in SUFFIXES:
        whole = folder / f"{suffix}.{suffix}"
        with Image.open(draw(folder / "drawn.png", 1, size=(36, 32))) as picture:
            picture.save(whole)
        make_corpus(whole, COUNT // len(SUFFIXES), rng, noise(4, 24))
    add_oddities(folder, ".png")
    huge(folder / "huge.png")
    shutil.copy(folder / "png.png", folder / "wrong-suffix.jpg")
    return folder


def test_every_picture_is_read_or_refused_with_a_reason(corpus: Path) -> None:
    reasons = [refusal(file) for file in sorted(corpus.glob("*-[0-9]*.*"))]
    assert len(reasons) == COUNT
    assert "" not in reasons
    assert sum(reason is not None for reason in reasons) > COUNT / 5
    assert sum(reason is None for reason in reasons) > COUNT / 10
    assert "pixels" in (refusal(corpus / "huge.png") or "")
    assert refusal(corpus / "wrong-suffix.jpg") is None  # the content counts


def test_translating_the_corpus_names_each_picture_and_writes_the_rest(
    corpus: Path, trained: Path, tmp_path: Path, cli: Callable[..., Any]
) -> None:
    done = cli("translate", trained, corpus, "-o", tmp_path / "out", "--direction=a2b")
    written = {path.stem for path in (tmp_path / "out").iterdir()}
    assert {"png", "bmp", "wrong-suffix"} <= written
    assert_named_or_written(corpus, tmp_path / "out", done)
