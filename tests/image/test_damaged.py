"""A corpus of damaged pictures: none crashes, hangs or goes unnamed."""

import random
import shutil
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from cyclekit_image.pictures import read_picture, write_picture
from damage import add_oddities, make_corpus, noise
from PIL import Image
from support import assert_named_or_written, draw, results

from cyclekit.api import BadSample

# Pillow's, beside the reasons that are asserted here.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL")

SUFFIXES = ("jpg", "bmp", "webp", "png")
DEEP: dict[str, dict[str, Any]] = {
    "tif1": {"kind": "uint8", "compression": "lzw", "predictor": True},
    "tif2": {"kind": "uint16", "planarconfig": "contig"},
    "tif3": {"kind": "uint16", "compression": "zlib", "tile": (16, 16)},
    "tif4": {"kind": "float32", "compression": "zlib", "predictor": True},
    "tif5": {"kind": "uint16", "byteorder": ">", "planarconfig": "separate", "channels": 5},
}
CHANNELS = {name: made.get("channels", 3) for name, made in DEEP.items()}
EACH = 60
COUNT = EACH * (len(SUFFIXES) + len(DEEP) + 2)


def refusal(file: Path) -> str | None:
    """Why a file cannot be used, or ``None`` where it can."""
    try:
        read_picture(file, (0.0, 1.0), wanted=CHANNELS.get(file.name[:4], 3), key="codec.channels")
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


def deep(name: str, folder: Path) -> Path:
    """A TIFF that tifffile reads."""
    options = dict(DEEP[name])
    channels, kind = options.pop("channels", 3), options.pop("kind")
    smooth = np.linspace(0, 1, 36 * 32 * channels).reshape(36, 32, channels)
    highest = 1 if kind == "float32" else np.iinfo(kind).max
    pixels = (smooth * highest).astype(kind)
    if options.get("planarconfig") == "separate":
        pixels = np.ascontiguousarray(pixels.transpose(2, 0, 1))
    photometric = "rgb" if channels == 3 else "minisblack"
    tifffile.imwrite(folder / f"{name}.tif", pixels, photometric=photometric, **options)
    return folder / f"{name}.tif"


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("damaged")
    rng = random.Random(0)
    for suffix in SUFFIXES:
        whole = folder / f"{suffix}.{suffix}"
        with Image.open(draw(folder / "drawn.png", 1, size=(36, 32))) as picture:
            picture.save(whole)
        make_corpus(whole, EACH, rng, noise(4, 24))
    for name in DEEP:
        make_corpus(deep(name, folder), EACH, rng, noise(4, 24), noise(8, 60))
    colours = np.random.default_rng(0).integers(0, 65536, (16, 16, 3), dtype=np.uint16)
    make_corpus(write_picture(colours, folder / "deep"), EACH, rng, noise(4, 24))
    with Image.open(folder / "drawn.png") as picture:
        picture.save(folder / "pillow.tif", compression="tiff_deflate")
    make_corpus(folder / "pillow.tif", EACH, rng, noise(4, 24))
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
    written = {path.stem for path in results(tmp_path / "out")}
    assert {"png", "bmp", "wrong-suffix", "tif1", "tif2", "tif4", "deep", "pillow"} <= written
    assert "tif5: " not in done.err
    assert "has 5 channels; codec.channels says 3" in done.err
    assert_named_or_written(corpus, tmp_path / "out", done)
