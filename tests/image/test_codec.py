"""The image codec: files of many kinds, sizes, windows, and files that are no pictures."""

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from cyclekit_image.codec import ImageCodec, ImageOptions
from PIL import Image
from support import draw

from cyclekit.api import BadSample


def codec(**options: object) -> ImageCodec:
    return ImageCodec(ImageOptions(**({"resize": 36, "crop": 32} | options)))


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("suffix", ["png", "bmp", "webp", "jpg", "jpeg", "PNG"])
def test_formats_are_read(tmp_path: Path, suffix: str) -> None:
    picture = codec().load(draw(tmp_path / f"x.{suffix}", 0, (30, 20)))
    assert (picture.size, picture.mode) == ((30, 20), "RGB")


def test_round_trip_is_exact(tmp_path: Path) -> None:
    made = codec()
    picture = made.load(draw(tmp_path / "x.png", 1, (31, 17)))
    sample = made.encode(picture, "a")
    assert sample.tensor.shape == (3, 17, 31)
    network = made.to_network(sample.tensor[None], "a")
    assert network.min() >= -1
    assert network.max() <= 1
    back = made.decode(made.from_network(network, "a")[0], "b", sample.meta)
    written = made.save(back, tmp_path / "y.jpg")
    assert written == tmp_path / "y.png"
    np.testing.assert_array_equal(np.asarray(Image.open(written)), np.asarray(picture))


def test_grey(tmp_path: Path) -> None:
    made = codec(channels=1)
    picture = made.load(draw(tmp_path / "x.png", 2))
    assert picture.mode == "L"
    sample = made.encode(picture, "a")
    assert sample.tensor.shape[0] == made.spec("a").channels == 1
    assert np.array_equal(np.asarray(made.decode(sample.tensor, "a", {})), np.asarray(picture))
    grey_file = draw(tmp_path / "g.png", 2, mode="L")
    assert codec().load(grey_file).mode == "RGB"


def test_transparency_is_laid_on_white(tmp_path: Path) -> None:
    pixels = np.zeros((10, 10, 4), dtype=np.uint8)
    pixels[:5, :, 3] = 255
    Image.fromarray(pixels).save(tmp_path / "x.png")
    shown = np.asarray(codec().load(tmp_path / "x.png"))
    assert shown[0, 0].tolist() == [0, 0, 0]
    assert shown[9, 9].tolist() == [255, 255, 255]


def test_palette_with_transparency(tmp_path: Path) -> None:
    picture = Image.new("P", (8, 8), 1)
    picture.putpalette([0, 0, 0, 200, 10, 10])
    picture.putpixel((0, 0), 0)
    picture.save(tmp_path / "x.png", transparency=0)
    shown = np.asarray(codec().load(tmp_path / "x.png"))
    assert shown[0, 0].tolist() == [255, 255, 255]
    assert shown[4, 4].tolist() == [200, 10, 10]


def test_windows_of_deep_pictures_are_scaled_to_the_bits_not_clipped(tmp_path: Path) -> None:
    values = np.linspace(0, 65535, 1296).astype(np.uint16).reshape(36, 36)
    Image.fromarray(values).save(tmp_path / "x.png")
    for bits, kind in ((8, torch.uint8), (16, torch.int16), (32, torch.float32)):
        made = codec(channels=1, bits=bits)
        (window,) = made.windows(made.encode(made.load(tmp_path / "x.png"), "a"))
        assert window.tensor.dtype == kind
        seen = made.to_network(window.tensor[None], "a")[0, 0]
        assert torch.allclose(seen.flatten(), torch.linspace(-1, 1, 1296), atol=1 / 127)


@pytest.mark.parametrize("bits", [8, 16, 32])
def test_windows_of_one_depth_are_made_of_any(bits: int) -> None:
    made = codec(bits=bits)
    smooth = np.linspace(0, 1, 50 * 40 * 3, dtype=np.float32).reshape(50, 40, 3)
    pictures = (
        Image.fromarray((smooth * 255).round().astype(np.uint8)),
        (smooth * 65535).round().astype(np.uint16),
        smooth,
    )
    seen = []
    for picture in pictures:
        (window,) = made.windows(made.encode(picture, "a"))
        seen.append(made.to_network(window.tensor, "a"))
        assert window.tensor.shape == (3, 36, 36)
    assert torch.allclose(seen[0], seen[2], atol=0.01)
    assert torch.allclose(seen[1], seen[2], atol=0.01)


def test_exif_orientation_is_applied(tmp_path: Path) -> None:
    picture = Image.new("RGB", (20, 10), "black")
    picture.putpixel((0, 0), (255, 255, 255))
    exif = Image.Exif()
    exif[0x0112] = 6  # turn a quarter to the right
    picture.save(tmp_path / "x.png", exif=exif)
    shown = codec().load(tmp_path / "x.png")
    assert shown.size == (10, 20)
    assert shown.getpixel((9, 0)) == (255, 255, 255)


@pytest.mark.parametrize(
    ("preprocess", "size", "window", "trained"),
    [
        ("resize_and_crop", (100, 50), (36, 36), (32, 32)),
        ("crop", (100, 50), (50, 100), (32, 32)),
        ("crop", (16, 64), (128, 32), (32, 32)),  # too narrow: enlarged first
        ("scale_shortside", (100, 50), (36, 72), (32, 32)),
        ("scale_shortside", (18, 27), (54, 36), (32, 32)),
        ("scale_width", (72, 50), (24, 36), (24, 36)),
        ("none", (30, 50), (48, 32), (48, 32)),  # rounded to multiples of 4
    ],
)
def test_windows(
    preprocess: str, size: tuple[int, int], window: tuple[int, int], trained: tuple[int, int]
) -> None:
    made = codec(preprocess=preprocess)
    sample = made.encode(Image.new("RGB", size), "a")
    assert sample.tensor.shape[1:] == (size[1], size[0]), "whole pictures keep their size"
    (cut,) = made.windows(sample)
    assert cut.tensor.shape[1:] == window
    assert made.augment(cut.tensor, "a", rng()).shape[1:] == trained


def test_augmentation_moves_and_mirrors() -> None:
    made = codec()
    ramp = torch.arange(36, dtype=torch.uint8).expand(3, 36, 36)
    cuts = [made.augment(ramp, "a", rng(seed)) for seed in range(40)]
    assert {int(min(cut[0, 0, 0], cut[0, 0, -1])) for cut in cuts} == {0, 1, 2, 3, 4}
    mirrored = sum(bool(cut[0, 0, 0] > cut[0, 0, -1]) for cut in cuts)
    assert 8 < mirrored < 32
    still = codec(flip=False)
    assert all(cut[0, 0, 0] < cut[0, 0, -1]
               for cut in (still.augment(ramp, "a", rng(seed)) for seed in range(20)))  # fmt: skip
    assert torch.equal(made.augment(ramp, "a", rng(3)), made.augment(ramp, "a", rng(3)))


def bomb(bits: int = 8) -> bytes:
    """A PNG of 100,000 x 100,000 pixels in a few bytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + check

    header = struct.pack(">IIBBBBB", 100_000, 100_000, bits, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 99))


def tiff_bomb(side: int = 100_000, channels: int = 2, tile: int = 0) -> bytes:
    """A TIFF that claims to be large; its one strip or tile is not there."""
    stream = io.BytesIO()
    pixels = np.zeros((16, 16, channels) if channels > 1 else (16, 16), np.uint16)
    options: dict[str, Any] = {"tile": (16, 16)} if tile else {}
    if channels > 1:
        options["planarconfig"] = "contig"
    tifffile.imwrite(
        stream, pixels, photometric="minisblack", metadata=None, compression="zlib", **options
    )
    data = bytearray(stream.getvalue())
    changed = {322: tile, 323: tile} if tile else {256: side, 257: side, 278: side}
    count = int.from_bytes(data[8:10], "little")
    for start in range(10, 10 + 12 * count, 12):
        (tag,) = struct.unpack_from("<H", data, start)
        if tag in changed:
            struct.pack_into("<HII", data, start + 2, 4, 1, changed[tag])
    return bytes(data)


def png() -> bytes:
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(noise).save(stream, "PNG")
    return stream.getvalue()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "no picture of a known kind"),
        (b"just some text", "no picture of a known kind"),
        (png()[:2000], "cannot be read as a picture"),
        (png()[:20], "picture"),
        (png()[:1000] + b"\xff" * 40 + png()[1040:], "cannot be read as a picture"),
        (bomb(), "too many"),
        (bomb(bits=16), "too many"),
        (tiff_bomb(), "too many"),
        (tiff_bomb(channels=1), "too many"),
        (tiff_bomb(side=8_000, channels=60), "60 channels are too many"),
        (tiff_bomb(tile=100_000), "too large"),
        (b"II*\0" + b"\xff" * 40, "ends too early"),
        (b"MM\0*" + b"\0" * 40, "holds no picture"),
        (b"GIF89a" + b"\0" * 40, "no picture of a known kind"),
    ],
    ids=[
        "empty",
        "text",
        "truncated",
        "header",
        "flipped",
        "bomb",
        "deep bomb",
        "TIFF bomb",
        "channel bomb",
        "page bomb",
        "tile bomb",
        "TIFF header",
        "empty TIFF",
        "gif",
    ],
)
def test_files_that_are_no_pictures(tmp_path: Path, content: bytes, why: str) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(content)
    with pytest.raises(BadSample, match=why) as error:
        codec().load(path)
    assert error.value.path == path


def test_missing_files_and_folders(tmp_path: Path) -> None:
    with pytest.raises(BadSample, match="No such file"):
        codec().load(tmp_path / "nowhere.png")
    with pytest.raises(BadSample, match="directory"):
        codec().load(tmp_path)
