"""Files of every format, depth and number of channels: exact values, there and back."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from cyclekit_image.arrays import as_pixels
from cyclekit_image.codec import ImageCodec, ImageOptions
from cyclekit_image.pictures import read_picture, write_picture
from PIL import Image

from cyclekit.api import BadSample

Array = np.ndarray[Any, Any]
Writer = Callable[[Path, Array], None]


def codec(**options: object) -> ImageCodec:
    return ImageCodec(ImageOptions(**options))


def numbers(kind: str, *shape: int) -> Array:
    """Random values over the whole range of a kind, both its ends among them."""
    rng = np.random.default_rng(0)
    if kind == "float32":
        made = rng.random(shape, dtype=np.float32)
        made.flat[:2] = 0, 1
        return made
    highest = np.iinfo(kind).max
    made = rng.integers(0, highest, shape, dtype=kind, endpoint=True)
    made.flat[:2] = 0, highest
    return made


def pillow(path: Path, pixels: Array) -> None:
    Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels).save(path)


def ours(path: Path, pixels: Array) -> None:
    write_picture(pixels, path)


def tiff(**options: Any) -> Writer:
    """Samples of a pixel side by side."""

    def write(path: Path, pixels: Array) -> None:
        channels = pixels.shape[2]
        grey = {"photometric": "minisblack"} if channels != 3 else {"photometric": "rgb"}
        side_by_side = {"planarconfig": "contig"} if channels > 1 else {}
        shown = pixels if channels > 1 else pixels[..., 0]
        tifffile.imwrite(path, shown, **(grey | side_by_side | options))

    return write


def planar(**options: Any) -> Writer:
    """One plane after the other in one page."""

    def write(path: Path, pixels: Array) -> None:
        kind = "rgb" if pixels.shape[2] == 3 else "minisblack"
        planes = np.ascontiguousarray(pixels.transpose(2, 0, 1))
        tifffile.imwrite(path, planes, photometric=kind, planarconfig="separate", **options)

    return write


def paged(**options: Any) -> Writer:
    """A page for each channel."""

    def write(path: Path, pixels: Array) -> None:
        planes = np.ascontiguousarray(pixels.transpose(2, 0, 1))
        tifffile.imwrite(path, planes, photometric="minisblack", **options)

    return write


DEFLATED = {"compression": "zlib", "predictor": True}

FILES: dict[str, tuple[str, str, int, Writer]] = {
    # name: suffix, kind of number, channels, writer
    "png": ("png", "uint8", 3, pillow),
    "png-grey": ("png", "uint8", 1, pillow),
    "png-alpha": ("png", "uint8", 4, pillow),
    "png-grey-alpha": ("png", "uint8", 2, pillow),
    "png16": ("png", "uint16", 3, ours),
    "png16-grey": ("png", "uint16", 1, pillow),
    "png16-alpha": ("png", "uint16", 4, ours),
    "png16-grey-alpha": ("png", "uint16", 2, ours),
    "bmp": ("bmp", "uint8", 3, pillow),
    "tiff-pillow": ("tif", "uint8", 3, pillow),
    "tiff": ("tif", "uint8", 3, tiff()),
    "tiff-grey": ("tif", "uint8", 1, tiff(compression="lzw")),
    "tiff-5": ("tif", "uint8", 5, tiff(**DEFLATED)),
    "tiff-planar": ("tif", "uint8", 3, planar()),
    "tiff-planar-5": ("tif", "uint8", 5, planar(compression="packbits")),
    "tiff-pages-5": ("tif", "uint8", 5, paged(compression="zstd")),
    "tiff16": ("tif", "uint16", 3, tiff()),
    "tiff16-grey": ("tif", "uint16", 1, tiff(**DEFLATED)),
    "tiff16-7": ("tif", "uint16", 7, tiff(compression="lzw", predictor=True)),
    "tiff16-planar": ("tif", "uint16", 3, planar(compression="lzma")),
    "tiff16-pages": ("tif", "uint16", 2, paged()),
    "tiff16-pages-9": ("tif", "uint16", 9, paged(**DEFLATED)),
    "tiff16-big-endian": ("tif", "uint16", 5, tiff(byteorder=">")),
    "tiff16-tiles": ("tif", "uint16", 5, tiff(tile=(16, 16), compression="zlib")),
    "tiff16-big": ("tif", "uint16", 3, tiff(bigtiff=True)),
    "tiff16-imagej": ("tif", "uint16", 4, paged(imagej=True, metadata={"axes": "CYX"})),
    "tiff16-ome": ("tif", "uint16", 4, paged(ome=True, metadata={"axes": "CYX"})),
    "float": ("tif", "float32", 3, tiff()),
    "float-grey": ("tif", "float32", 1, tiff(**DEFLATED)),
    "float-6": ("tif", "float32", 6, tiff(byteorder=">", **DEFLATED)),
    "float-pages": ("tif", "float32", 3, paged()),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_comes_back_exactly(tmp_path: Path, name: str) -> None:
    suffix, kind, channels, write = FILES[name]
    pixels = numbers(kind, 21, 18, channels)
    file = tmp_path / f"x.{suffix}"
    write(file, pixels)
    made = codec(channels=channels)
    item = made.load(file)
    np.testing.assert_array_equal(as_pixels(item), pixels)
    assert isinstance(item, Image.Image) == (kind == "uint8" and channels <= 4)

    sample = made.encode(item, "a")
    assert sample.tensor.shape == (channels, 21, 18)
    seen = made.to_network(sample.tensor[None], "a")
    assert (seen.min(), seen.max()) == (-1, 1)
    back = made.decode(made.from_network(seen, "b")[0], "b", sample.meta)
    assert type(back) is type(item)
    np.testing.assert_allclose(as_pixels(back), pixels, atol=1e-6 if kind == "float32" else 0)
    np.testing.assert_array_equal(
        as_pixels(made.decode(sample.tensor, "b", sample.meta)), pixels, "without a network"
    )

    (tmp_path / "out").mkdir()
    written = made.save(item, tmp_path / "out" / "y.jpg")
    assert written.suffix == (".tif" if kind == "float32" or channels > 4 else ".png")
    np.testing.assert_array_equal(as_pixels(made.read_back(written)), pixels)


def test_palettes_cmyk_and_black_and_white_become_colours_and_grey(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    colours = Image.fromarray(rng.integers(0, 256, (9, 9, 3), dtype=np.uint8))
    for mode in ("P", "CMYK", "1"):
        picture = colours.quantize(8) if mode == "P" else colours.convert(mode)
        for suffix in ("png", "tif"):
            if (mode, suffix) == ("CMYK", "png"):
                continue
            picture.save(tmp_path / f"x.{suffix}")
            shown = codec().load(tmp_path / f"x.{suffix}")
            np.testing.assert_array_equal(np.asarray(shown), np.asarray(picture.convert("RGB")))


def test_twelve_bits_use_the_whole_of_sixteen(tmp_path: Path) -> None:
    values = np.arange(4096, dtype=np.uint16).reshape(64, 64)
    tifffile.imwrite(tmp_path / "x.tif", values, bitspersample=12)
    pixels = as_pixels(codec(channels=1).load(tmp_path / "x.tif"))
    assert (pixels[0, 0], pixels[-1, -1]) == (0, 65535)
    assert (np.diff(pixels.flatten().astype(int)) > 0).all()


def test_white_may_be_zero(tmp_path: Path) -> None:
    pixels = numbers("uint16", 8, 8)
    tifffile.imwrite(tmp_path / "x.tif", pixels, photometric="miniswhite")
    np.testing.assert_array_equal(
        as_pixels(codec(channels=1).load(tmp_path / "x.tif"))[..., 0], 65535 - pixels
    )


def test_thumbnails_are_passed_over(tmp_path: Path) -> None:
    pixels = numbers("uint16", 16, 16, 3)
    with tifffile.TiffWriter(tmp_path / "x.tif") as file:
        file.write(pixels, photometric="rgb", metadata=None)
        file.write(pixels[::4, ::4], photometric="rgb", subfiletype=1, metadata=None)
    np.testing.assert_array_equal(as_pixels(codec().load(tmp_path / "x.tif")), pixels)


def stored(pixels: Array, orientation: int) -> Array:
    """How a camera stores what is upright as ``pixels``, by EXIF's table of edges."""
    turned = {
        1: lambda x: x,
        2: np.fliplr,
        3: lambda x: np.rot90(x, 2),
        4: np.flipud,
        5: lambda x: x.swapaxes(0, 1),
        6: lambda x: np.rot90(x, 1),
        7: lambda x: np.rot90(x, 2).swapaxes(0, 1),
        8: lambda x: np.rot90(x, -1),
    }
    return np.ascontiguousarray(turned[orientation](pixels))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["uint8", "uint16"])
def test_tiff_orientation_is_applied(tmp_path: Path, kind: str, orientation: int) -> None:
    pixels = numbers(kind, 6, 9, 3)
    tag = (274, "H", 1, orientation, True)
    file = tmp_path / "x.tif"
    tifffile.imwrite(file, stored(pixels, orientation), photometric="rgb", extratags=[tag])
    np.testing.assert_array_equal(as_pixels(codec().load(file)), pixels)


def test_orientation_of_deep_png_is_applied(tmp_path: Path) -> None:
    pixels = numbers("uint16", 6, 9, 1)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(stored(pixels, 6)[..., 0]).save(tmp_path / "x.png", exif=exif)
    np.testing.assert_array_equal(as_pixels(codec(channels=1).load(tmp_path / "x.png")), pixels)


class TestRange:
    """Floating-point files in units of their own."""

    def test_transparency_takes_the_plain_range(self, tmp_path: Path) -> None:
        file = tmp_path / "x.tif"
        pixels = np.full((8, 8, 4), 50, dtype=np.float32)
        pixels[..., 3] = 1
        tifffile.imwrite(file, pixels, photometric="rgb", extrasamples=["unassalpha"])
        with pytest.raises(BadSample, match=r"transparency .* takes codec.range = \[0, 1\]"):
            codec(channels=4, range=(0, 100)).load(file)

    def test_four_plain_channels_of_any_range_come_back(self, tmp_path: Path) -> None:
        made = codec(channels=4, range=(0, 100))
        item = np.random.default_rng(0).random((8, 8, 4)).astype(np.float32)
        again = made.load(made.save(item, tmp_path / "x"))
        np.testing.assert_allclose(again, item, atol=1e-6)

    def test_values_are_relative_to_the_range_and_come_back(self, tmp_path: Path) -> None:
        heights = numbers("float32", 12, 12) * np.float32(700) - np.float32(100.3)
        tifffile.imwrite(tmp_path / "x.tif", heights)
        made = codec(channels=1, range=(-100.3, 599.7))
        item = made.load(tmp_path / "x.tif")
        assert (item.min(), item.max()) == (0, 1)
        written = made.save(item, tmp_path / "y.tif")
        np.testing.assert_allclose(tifffile.imread(written), heights, atol=1e-4)
        np.testing.assert_allclose(made.read_back(written), item, atol=1e-6)

    @pytest.mark.parametrize(
        ("low", "high", "why"),
        [
            (-3, 1, r"values from -3 to 1: set codec\.range .* it is \[0, 1\]"),
            (0, 812.5, r"values from 0 to 812\.5: set codec\.range"),
            (0, np.nan, "no finite numbers"),
            (-np.inf, 1, "no finite numbers"),
        ],
    )
    def test_values_beyond_it_are_refused(
        self, tmp_path: Path, low: float, high: float, why: str
    ) -> None:
        tifffile.imwrite(tmp_path / "x.tif", np.array([[low, 0.5], [0.5, high]], dtype=np.float32))
        with pytest.raises(BadSample, match=why):
            codec(channels=1).load(tmp_path / "x.tif")

    @pytest.mark.filterwarnings("ignore:PNG cannot hold floating-point numbers")
    @pytest.mark.parametrize("kind", ["int16", "int8"])
    def test_signed_integers_come_back_as_they_were(self, tmp_path: Path, kind: str) -> None:
        least, most = (-1024, 3071) if kind == "int16" else (-128, 127)
        rng = np.random.default_rng(0)
        values = rng.integers(least, most, (16, 24), dtype=kind, endpoint=True)
        values.flat[:2] = least, most
        tifffile.imwrite(tmp_path / "x.tif", values)
        made = codec(channels=1, bits=16, range=(least, most))
        item = made.load(tmp_path / "x.tif")
        sample = made.encode(item, "a")
        seen = made.to_network(sample.tensor[None], "a")
        assert (seen.min(), seen.max()) == (-1, 1)
        back = made.decode(made.from_network(seen, "b")[0], "b", sample.meta)
        for written in (made.save(back, tmp_path / "y"), made.save_as(back, tmp_path / "z", "png")):
            found = tifffile.imread(written)
            assert found.dtype == kind
            np.testing.assert_array_equal(found, values)
            np.testing.assert_array_equal(as_pixels(made.read_back(written)), as_pixels(item))

    def test_signed_integers_beyond_it_are_refused(self, tmp_path: Path) -> None:
        tifffile.imwrite(tmp_path / "x.tif", np.array([[-2000, 5], [6, 7]], dtype=np.int16))
        with pytest.raises(BadSample, match=r"from -2000 to 7: set codec\.range"):
            codec(channels=1, range=(-1024, 3071)).load(tmp_path / "x.tif")

    @pytest.mark.parametrize("kind", ["float16", "float64"])
    def test_other_floats_become_float32(self, tmp_path: Path, kind: str) -> None:
        values = np.linspace(0, 1, 64).reshape(8, 8).astype(kind)
        tifffile.imwrite(tmp_path / "x.tif", values)
        item = codec(channels=1).load(tmp_path / "x.tif")
        assert item.dtype == np.float32
        np.testing.assert_array_equal(item[..., 0], values.astype(np.float32))

    def test_it_must_rise(self) -> None:
        with pytest.raises(ValueError, match=r"codec\.range must be \(low, high\)"):
            codec(range=(1, 1))


class TestRefused:
    """Files that hold what is no picture here, each with its reason."""

    @pytest.mark.parametrize(
        ("values", "options", "why"),
        [
            (np.zeros((8, 8), np.uint32), {}, "uint32 of 32 bits: save it as unsigned"),
            (np.zeros((8, 8), np.int16), {}, r"int16 of 16 bits: set codec\.range"),
            (np.zeros((8, 8), np.int32), {}, "int32 of 32 bits: save it as unsigned"),
            (np.zeros((8, 8), np.complex64), {}, "complex64"),
            (np.zeros((4, 8, 8, 2), np.uint8), {"planarconfig": "contig"}, "has 4 axes"),
            (np.zeros((8, 8, 4), np.uint16), {"photometric": "separated"}, "SEPARATED of 16 bits"),
            (np.zeros((300, 8, 8), np.uint8), {}, "more than 256 pages"),
        ],
        ids=["uint32", "int16", "int32", "complex", "axes", "cmyk", "pages"],
    )
    def test_kinds(self, tmp_path: Path, values: Array, options: Any, why: str) -> None:
        tifffile.imwrite(tmp_path / "x.tif", values, **({"photometric": "minisblack"} | options))
        with pytest.raises(BadSample, match=why):
            codec().load(tmp_path / "x.tif")

    def test_pages_of_different_sizes(self, tmp_path: Path) -> None:
        with tifffile.TiffWriter(tmp_path / "x.tif") as file:
            file.write(np.zeros((8, 8), np.uint8), metadata=None)
            file.write(np.zeros((8, 9), np.uint8), metadata=None)
        with pytest.raises(BadSample, match="several pictures of different sizes"):
            codec().load(tmp_path / "x.tif")

    def test_pages_that_follow_each_other_in_a_circle_end(self, tmp_path: Path) -> None:
        file = tmp_path / "x.tif"
        paged(metadata=None)(file, np.zeros((8, 8, 3), np.uint8))
        with tifffile.TiffFile(file, mode="r+b") as tif:
            place = tif.pages[2].offset
            tif.filehandle.seek(place)
            tags = int.from_bytes(tif.filehandle.read(2), "little")
            tif.filehandle.seek(place + 2 + tags * 12)
            tif.filehandle.write(tif.pages[0].offset.to_bytes(4, "little"))
        with pytest.raises(BadSample, match="in a circle"):
            codec().load(file)


def test_a_large_depth_is_no_reason_to_lose_a_small_one(tmp_path: Path) -> None:
    item = codec(bits=16).load(write_picture(numbers("uint8", 8, 8, 3), tmp_path / "x"))
    made = codec(bits=16)
    sample = made.encode(item, "a")
    assert sample.tensor.dtype == torch.uint8
    seen = made.to_network(sample.tensor[None], "a")
    deep = made.decode(made.from_network(seen, "b")[0], "b", sample.meta)
    assert deep.dtype == np.uint16, "bits is the least of a translation"
    np.testing.assert_array_equal(deep, np.asarray(item).astype(np.uint16) * 257)


def test_natural_channels_are_kept_where_nothing_else_is_asked(tmp_path: Path) -> None:
    pixels = numbers("uint16", 8, 8, 6)
    file = write_picture(pixels, tmp_path / "x")
    np.testing.assert_array_equal(read_picture(file, (0.0, 1.0)), pixels)
