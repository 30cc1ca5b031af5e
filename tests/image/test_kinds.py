"""Kinds of files beside the common ones: read in the depth they have, or named in one sentence."""

import io
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile
from cyclekit_image import kinds
from cyclekit_image.arrays import as_pixels
from cyclekit_image.codec import ImageCodec, ImageOptions
from cyclekit_image.pictures import read_picture
from PIL import Image
from support import Cli, draw

from cyclekit.api import BadSample

Array = np.ndarray[Any, Any]


def read(file: Path, channels: int = 3) -> Any:
    return ImageCodec(ImageOptions(channels=channels)).load(file)


def smooth(kind: str = "uint8") -> Array:
    coarse = np.random.default_rng(0).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    pixels = np.asarray(Image.fromarray(coarse).resize((30, 20), Image.Resampling.BICUBIC))
    return pixels if kind == "uint8" else pixels.astype(np.uint16) * 257 + 3


@pytest.mark.parametrize(
    ("name", "options", "apart"),
    [
        ("x.gif", {}, 60),  # 256 colours
        ("x.ppm", {}, 0),
        ("x.jp2", {}, 0),
        ("x.j2k", {}, 0),
        ("x.avif", {"quality": 100, "subsampling": "4:4:4"}, 8),
    ],
)
def test_colours(tmp_path: Path, name: str, options: dict[str, Any], apart: int) -> None:
    Image.fromarray(smooth()).save(tmp_path / name, **options)
    item = read(tmp_path / name)
    assert (type(item), item.mode) == (Image.Image, "RGB")
    assert np.abs(np.asarray(item).astype(int) - smooth()).mean() <= apart / 4
    assert (tmp_path / name).suffix in ImageCodec.suffixes


def test_grey_and_black_and_white(tmp_path: Path) -> None:
    picture = Image.fromarray(smooth()).convert("L")
    picture.save(tmp_path / "x.pgm")
    np.testing.assert_array_equal(np.asarray(read(tmp_path / "x.pgm", 1)), np.asarray(picture))
    picture.convert("1").save(tmp_path / "x.pbm")
    assert set(np.unique(np.asarray(read(tmp_path / "x.pbm", 1)))) == {0, 255}


def deep_ppm(pixels: Array) -> bytes:
    head = b"P5" if pixels.ndim == 2 else b"P6"
    return head + b" # made here\n30 20\n65535\n" + pixels.astype(">u2").tobytes()


@pytest.mark.parametrize(
    ("name", "data", "apart"),
    [
        ("x.ppm", deep_ppm(smooth("uint16")), 0),
        ("x.pgm", deep_ppm(smooth("uint16")[..., 0]), 0),
        ("x.jp2", imagecodecs.jpeg2k_encode(smooth("uint16"), reversible=True, level=0), 0),
        (
            "x.j2k",
            imagecodecs.jpeg2k_encode(
                smooth("uint16") >> 4, reversible=True, level=0, bitspersample=12, codecformat="j2k"
            ),
            16,
        ),
        ("x.avif", imagecodecs.avif_encode(smooth("uint16") >> 6, level=100, bitspersample=10), 64),
        (
            "x.avif",
            imagecodecs.avif_encode(smooth("uint16") >> 4, level=100, bitspersample=12),
            16,
        ),
    ],
    ids=["ppm", "pgm", "jpeg2000", "jpeg2000-12", "avif-10", "avif-12"],
)
def test_more_than_eight_bits_are_kept(tmp_path: Path, name: str, data: bytes, apart: int) -> None:
    (tmp_path / name).write_bytes(data)
    pixels = as_pixels(read(tmp_path / name, 1 if name.endswith("pgm") else 3))
    assert pixels.dtype == np.uint16
    difference = pixels.astype(int) - smooth("uint16")[..., : pixels.shape[2]]
    assert np.abs(difference).max() <= apart


@pytest.mark.parametrize("cut", [30, 2000])
def test_deep_files_that_end_too_early_are_named(tmp_path: Path, cut: int) -> None:
    (tmp_path / "x.ppm").write_bytes(deep_ppm(smooth("uint16"))[:cut])
    with pytest.raises(BadSample, match="cannot be read as a picture"):
        read(tmp_path / "x.ppm")


class TestHeif:
    """What takes a package that is not always there."""

    head = b"\0\0\0\x1cftypheic\0\0\0\0mif1heic" + bytes(40)

    @pytest.fixture(autouse=True)
    def _asked_anew(self) -> Iterator[None]:
        kinds.readable.cache_clear()
        yield
        kinds.readable.cache_clear()

    def test_without_it_the_package_is_named(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "pillow_heif", None)
        (tmp_path / "x.heic").write_bytes(self.head)
        with pytest.raises(BadSample, match=r"is HEIF \(HEIC\).*pip install pillow-heif"):
            read(tmp_path / "x.heic")

    def test_with_it_pillow_opens_them(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As the package does it: it registers an opener."""

        class Opened(Image.Image):
            format = "HEIF"

        def open_(stream: io.BytesIO, name: str) -> Image.Image:
            opened = Opened()
            made = Image.fromarray(smooth())
            opened.im, opened._mode, opened._size = made.im, made.mode, made.size  # type: ignore[attr-defined]
            opened.info["bit_depth"] = 10
            return opened

        def register() -> None:
            Image.register_open("HEIF", open_, lambda head: head[4:8] == b"ftyp")

        package = types.SimpleNamespace(register_heif_opener=register)
        monkeypatch.setitem(sys.modules, "pillow_heif", package)
        monkeypatch.setattr(Image, "OPEN", dict(Image.OPEN))
        monkeypatch.setattr(Image, "ID", list(Image.ID))
        (tmp_path / "x.heic").write_bytes(self.head)
        item = read(tmp_path / "x.heic")
        np.testing.assert_array_equal(np.asarray(item), smooth())
        facts = ImageCodec(ImageOptions()).encode(item, "a").facts
        assert facts == {"bits_dropped": 1.0}


@pytest.mark.parametrize("name", ["x.gif", "x.webp", "x.png", "x.avif", "x.tif", "fax.tif"])
def test_of_moving_pictures_the_first_frame_is_used_and_that_is_said(
    tmp_path: Path, name: str
) -> None:
    mode = "1" if name.startswith("fax") else "RGB"
    frames = [Image.new("RGB", (16, 12), colour).convert(mode) for colour in ("white", "red")]
    frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:])
    made = ImageCodec(ImageOptions())
    item = made.load(tmp_path / name)
    assert item.getpixel((5, 5)) == (255, 255, 255)
    facts = made.encode(item, "a").facts
    assert facts == {"first_frame": 1.0}
    (said,) = made.remarks({"a": [facts]})
    assert said == "1 of 1 pictures of domain A hold several frames, of which the first is used"


@pytest.mark.parametrize("kind", ["uint8", "uint16"])
@pytest.mark.parametrize("compression", ["webp", "jpeg2000", "png"])
def test_tiff_with_other_pictures_inside(tmp_path: Path, kind: str, compression: str) -> None:
    if (kind, compression) == ("uint16", "webp"):
        return  # which has 8 bits
    pixels = np.tile(smooth(kind), (2, 2, 1))
    for tile in (None, (16, 16)):
        tifffile.imwrite(
            tmp_path / "x.tif", pixels, photometric="rgb", compression=compression, tile=tile
        )
        np.testing.assert_array_equal(as_pixels(read(tmp_path / "x.tif")), pixels)


def test_parts_of_a_tiff_that_are_larger_than_they_should_be_are_not_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "x.tif"
    pixels = np.tile(smooth("uint16"), (8, 8, 1))
    tifffile.imwrite(file, pixels, photometric="rgb", compression="png")
    with tifffile.TiffFile(file, mode="r+b") as tif:
        for tag in ("ImageWidth", "ImageLength", "RowsPerStrip"):
            tif.pages[0].tags[tag].overwrite(8)
    monkeypatch.setattr(imagecodecs, "png_decode", None)  # would be an error
    with pytest.raises(BadSample, match="a part of it is larger than it should be"):
        read(file)


@pytest.mark.parametrize("compression", ["jpegxl", "lerc"])
def test_tiff_with_what_cannot_be_read_says_so(tmp_path: Path, compression: str) -> None:
    tifffile.imwrite(tmp_path / "x.tif", smooth(), photometric="rgb", compression=compression)
    with pytest.raises(BadSample, match=f"(?i)compressed with {compression}, which cannot be read"):
        read(tmp_path / "x.tif")


def test_libraries_print_nothing_of_their_own(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    reasons = []
    for compression in ("tiff_deflate", "tiff_lzw", "jpeg", "group4"):
        file = tmp_path / f"{compression}.tif"
        mode = "1" if compression == "group4" else "RGB"
        Image.fromarray(np.tile(smooth(), (9, 9, 1))).convert(mode).save(
            file, compression=compression
        )
        data = bytearray(file.read_bytes())
        data[200:400] = bytes(range(200))
        file.write_bytes(data)
        try:
            read_picture(file, (0.0, 1.0))
        except BadSample as error:
            reasons.append(error.why)
    assert "cannot be read as a picture: its data is damaged, or coded in" in "".join(reasons)
    assert "decoder error" not in "".join(reasons)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("head", "is_one"),
    [
        (b"\xff\xd8\xff\xe0" + bytes(20), True),
        (b"\x89PNG\r\n\x1a\n" + bytes(20), True),
        (b"RIFF\1\2\3\4WEBPVP8 ", True),
        (b"RIFF\1\2\3\4WAVEfmt ", False),
        (b"GIF89a" + bytes(20), True),
        (b"\0\0\0\x20ftypavif\0\0\0\0avifmif1miafMA1B", True),
        (TestHeif.head, True),
        (b"\0\0\0\x14ftypqt  \0\0\0\0qt  ", False),  # a phone's film
        (b"II*\0\x10\0\0\0CR\2\0", False),  # a raw photograph
        (b"P1 is what this text begins with", False),
        (b"BM25 is a ranking function", False),
        (b"", False),
    ],
)
def test_pictures_without_a_suffix_are_known_by_their_beginning(head: bytes, is_one: bool) -> None:
    assert ImageCodec(ImageOptions()).recognises(head) is is_one


@pytest.mark.parametrize(
    ("head", "is_one"),
    [
        (b"\0\0\0\x14ftypqt  \0\0\0\0qt  ", True),
        (b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41", True),
        (b"RIFF\1\2\3\4AVI LIST", True),
        (b"\x1aE\xdf\xa3\x01", True),
        ((b"G" + bytes(187)) * 3, True),
        (b"RIFF\1\2\3\4WEBPVP8 ", False),
        (b"\0\0\0\x20ftypavif\0\0\0\0avifmif1miafMA1B", False),
        (TestHeif.head, False),
        (b"\0\0\0\x18ftypcrx \0\0\0\1crx isom", False),  # a raw photograph
        (b"\0\0\0\x1cftypM4A \0\0\2\0M4A isommp42", False),
        (b"Going to be a text", False),
        (b"", False),
    ],
)
def test_films_are_known_by_their_beginning(head: bytes, is_one: bool) -> None:
    assert ImageCodec(ImageOptions()).recognises_sequence(head) is is_one


def test_what_was_noticed_is_said_before_training(folders: Path, tmp_path: Path, cli: Cli) -> None:
    for split in ("trainA", "trainB"):
        for index in range(3):
            draw(tmp_path / "data" / split / f"{index}.png", index)
    wide = imagecodecs.cms_profile("adobergb")
    with Image.open(tmp_path / "data/trainA/0.png") as picture:
        picture.save(tmp_path / "data/trainA/wide.png", icc_profile=wide)
        picture.save(tmp_path / "data/trainB/moving.gif", save_all=True, append_images=[picture])
    done = cli("train", "--plugin=image", "--recipe=paper", f"--data={tmp_path / 'data'}",
               "--accelerator=cpu", "--set=codec.resize=36", "--set=codec.crop=32",
               "--set=generator.blocks=1", "--set=generator.channels=4", "--dry-run")  # fmt: skip
    assert done.code == 0, done.err
    assert "1 of 3 pictures of domain A have a colour profile and are converted to" in done.err
