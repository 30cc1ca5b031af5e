"""What translations are written as, and what they keep of their sources' files."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from cyclekit_image.arrays import as_array, as_pixels
from cyclekit_image.codec import ImageCodec, ImageOptions
from cyclekit_image.pictures import read_picture
from PIL import Image
from support import Cli, draw, results

import cyclekit

Array = np.ndarray[Any, Any]

MAP: list[tuple[int, str, int, Any, bool]] = [
    (33550, "d", 3, (10.0, 10.0, 0.0), True),
    (33922, "d", 6, (0.0, 0.0, 0.0, 5e5, 4.6e6, 0.0), True),
    (34735, "H", 8, (1, 1, 0, 1, 3072, 0, 1, 32633), True),
    (34736, "d", 2, (6378137.0, 298.257223563), True),
    (34737, "s", 0, "WGS 84 / UTM zone 33N|", True),
    (42113, "s", 0, "-9999", True),
]


def translated(
    file: Path, out: Path, asked: str = "same", **options: Any
) -> tuple[Path, list[str], Any]:
    """A file through encode, decode and save_as: what was written, what was said, the item."""
    made = ImageCodec(ImageOptions(**options))
    item = made.load(file)
    sample = made.encode(item, "a")
    back = made.decode(sample.tensor, "b", sample.meta)
    out.mkdir(exist_ok=True)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        written = made.save_as(back, out / file.name, asked)
    return written, [str(warning.message) for warning in caught], item


def picture(mode: str = "RGB") -> Image.Image:
    coarse = np.random.default_rng(0).integers(0, 256, (4, 4, 4), dtype=np.uint8)
    return Image.fromarray(coarse).resize((30, 20), Image.Resampling.BICUBIC).convert(mode)


@pytest.mark.parametrize(
    ("name", "mode", "kind"),
    [
        ("x.png", "RGB", "PNG"),
        ("x.tiff", "RGB", "TIFF"),
        ("x.TIF", "RGBA", "TIFF"),
        ("x.bmp", "RGB", "BMP"),
        ("x.webp", "RGBA", "WEBP"),
        ("x.ppm", "RGB", "PPM"),
        ("x.pgm", "L", "PPM"),
        ("x.jp2", "RGBA", "JPEG2000"),
        ("x.jpg", "RGB", "PNG"),
        ("x.gif", "RGB", "PNG"),
        ("x.avif", "RGB", "PNG"),
    ],
)
def test_the_sources_kind_is_kept_where_that_loses_nothing(
    tmp_path: Path, name: str, mode: str, kind: str
) -> None:
    picture(mode).save(tmp_path / name)
    channels = len(mode)
    written, said, item = translated(tmp_path / name, tmp_path / "out", channels=channels)
    with Image.open(written) as found:
        assert found.format == kind
        np.testing.assert_array_equal(np.asarray(found), np.asarray(item))
    if kind == "PNG" and name != "x.png":
        assert written.suffix == ".png"
        (only,) = said
        assert "without loss: they are written as PNG" in only
    else:
        assert (written.name, said) == (name, [])


@pytest.mark.parametrize(
    ("asked", "name", "kind"),
    [("png", "x.tif", "PNG"), ("jpeg", "x.png", "JPEG"), ("tiff", "x.jpg", "TIFF")],
)
def test_what_was_asked_for_is_written(tmp_path: Path, asked: str, name: str, kind: str) -> None:
    picture().save(tmp_path / name)
    written, said, item = translated(tmp_path / name, tmp_path / "out", asked)
    assert said == []
    assert written.suffix == {"png": ".png", "jpeg": ".jpg", "tiff": ".tif"}[asked]
    with Image.open(written) as found:
        assert found.format == kind
        apart = np.abs(np.asarray(found).astype(int) - np.asarray(item))
        assert apart.mean() < (3 if kind == "JPEG" else 1e-9)


def test_what_jpeg_cannot_hold_is_said(tmp_path: Path) -> None:
    picture("RGBA").save(tmp_path / "x.png")
    written, said, _ = translated(tmp_path / "x.png", tmp_path / "out", "jpeg", channels=4)
    assert [("transparency" in text) for text in said] == [True]
    with Image.open(written) as found:
        flat = Image.alpha_composite(Image.new("RGBA", found.size, "white"), picture("RGBA"))
        assert np.abs(np.asarray(found).astype(int) - np.asarray(flat.convert("RGB"))).mean() < 3
    deep = np.asarray(picture()).astype(np.uint16) * 257
    tifffile.imwrite(tmp_path / "d.tif", deep, photometric="rgb")
    written, said, _ = translated(tmp_path / "d.tif", tmp_path / "out", "jpeg")
    assert [("JPEG holds 8 bits" in text) for text in said] == [True]
    with Image.open(written) as found:
        assert np.abs(np.asarray(found).astype(int) - np.asarray(picture())).mean() < 3


@pytest.mark.parametrize("asked", ["same", "png", "jpeg"])
def test_what_only_tiff_can_hold_is_tiff(tmp_path: Path, asked: str) -> None:
    tifffile.imwrite(tmp_path / "x.tif", as_array(picture()), photometric="rgb")
    written, said, item = translated(tmp_path / "x.tif", tmp_path / "out", asked)
    np.testing.assert_allclose(tifffile.imread(written), as_pixels(item), atol=1e-6)
    assert [("cannot hold floating-point" in text) for text in said] == [True] * (asked != "same")


@pytest.mark.parametrize("kind", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("channels", [1, 3, 5])
def test_a_map_stays_a_map(tmp_path: Path, kind: str, channels: int) -> None:
    whole = np.random.default_rng(0).random((20, 30, channels))
    pixels = (whole if kind == "float32" else whole * np.iinfo(kind).max).astype(kind)
    tifffile.imwrite(
        tmp_path / "x.tif", pixels if channels > 1 else pixels[..., 0],
        photometric="rgb" if channels == 3 else "minisblack", metadata=None, extratags=MAP,
        planarconfig="contig" if channels > 1 else None, resolution=(72.5, 36.25),
        resolutionunit=3,
    )  # fmt: skip
    written, said, _ = translated(tmp_path / "x.tif", tmp_path / "out", channels=channels)
    assert said == []
    with tifffile.TiffFile(written) as found:
        tags = found.pages[0].tags
        for tag, _, _, value, _ in MAP:
            assert tags[tag].value == value
        x, y = (above / below for above, below in (tags[tag].value for tag in (282, 283)))
        assert (x, y, tags[296].value) == (72.5, 36.25, 3)
        np.testing.assert_allclose(found.asarray(), pixels.squeeze(), atol=1e-6)


def test_what_is_lost_of_a_map_is_said(tmp_path: Path) -> None:
    pixels = np.asarray(picture())
    tifffile.imwrite(tmp_path / "x.tif", pixels, photometric="rgb", extratags=MAP)
    _, said, _ = translated(tmp_path / "x.tif", tmp_path / "out", "png")
    assert said == ["PNG cannot hold a picture's place on a map, which is lost: "
                    "--format tiff keeps it"]  # fmt: skip
    tifffile.imwrite(
        tmp_path / "t.tif", pixels, photometric="rgb", extratags=[*MAP, (274, "H", 1, 6, True)]
    )
    written, said, _ = translated(tmp_path / "t.tif", tmp_path / "out")
    assert said == ["some pictures are stored turned, so that their place on a map is not kept"]
    assert 33550 not in tifffile.TiffFile(written).pages[0].tags


def test_damaged_tags_are_passed_over(tmp_path: Path) -> None:
    odd = [(33550, "s", 0, "ten", True), (34735, "H", 2, (1, 2), True), (282, "H", 1, 0, True)]
    for kind in (np.uint8, np.uint16):
        tifffile.imwrite(
            tmp_path / "x.tif", np.asarray(picture()).astype(kind), photometric="rgb", extratags=odd
        )
        written, _, _ = translated(tmp_path / "x.tif", tmp_path / "out")
        tags = tifffile.TiffFile(written).pages[0].tags
        assert 33550 not in tags
        assert tags[34735].value == (1, 2)


@pytest.mark.parametrize(
    ("name", "asked", "dpi"),
    [
        ("x.png", "same", 300),
        ("x.jpg", "same", 300),
        ("x.jpg", "jpeg", 300),
        ("x.bmp", "same", 300),
        ("x.tif", "png", 300),
        ("x.png", "tiff", 300),
    ],
)
def test_resolution_is_kept(tmp_path: Path, name: str, asked: str, dpi: int) -> None:
    picture().save(tmp_path / name, dpi=(dpi, 2 * dpi))
    written, _, _ = translated(tmp_path / name, tmp_path / "out", asked)
    with Image.open(written) as found:
        assert [round(float(value)) for value in found.info["dpi"]] == [dpi, 2 * dpi]


def test_resolution_of_deep_png_is_kept_and_turns_with_the_picture(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    deep = Image.fromarray(np.asarray(picture("L")).astype(np.uint16) * 257)
    deep.save(tmp_path / "x.png", dpi=(100, 200), exif=exif)
    written, _, item = translated(tmp_path / "x.png", tmp_path / "out", channels=1)
    with Image.open(written) as found:
        assert [round(value) for value in found.info["dpi"]] == [200, 100]
        assert found.size == (20, 30)
        np.testing.assert_array_equal(np.asarray(found), as_pixels(item)[..., 0])


def test_from_the_command_line(trained: Path, tmp_path: Path, cli: Cli) -> None:
    folder = tmp_path / "in"
    draw(folder / "a.jpg", 0)
    draw(folder / "b.tif", 1)
    for frame in (draw(folder / "moving.png", 2), draw(folder / "still.png", 3)):
        with Image.open(frame) as one:
            one.save(folder / f"{frame.stem}.gif", save_all=frame.stem == "moving",
                     append_images=[picture()])  # fmt: skip
        frame.unlink()

    def run(out: str, *more: str) -> tuple[list[str], str]:
        done = cli("translate", trained, folder, "-o", tmp_path / out, "--direction=a2b", *more)
        assert done.code == 0, done.err
        return [path.name for path in results(tmp_path / out)], done.err

    names, said = run("same")
    assert names == ["a.png", "b.tif", "moving.png", "still.png"]
    assert said.count("JPEG cannot hold some pictures without loss") == 1
    assert said.count("GIF cannot hold") == 1, "once for both"
    assert said.count("some pictures hold several frames, of which the first is used") == 1
    assert "UserWarning" not in said
    names, said = run("jpeg", "--format=jpeg")
    assert names == ["a.jpg", "b.jpg", "moving.jpg", "still.jpg"]
    same, jpeg = (read_picture(tmp_path / f, (0, 1)) for f in ("same/a.png", "jpeg/a.jpg"))
    assert np.abs(np.asarray(same).astype(int) - np.asarray(jpeg)).mean() < 5
    done = cli("translate", trained, folder, "-o", tmp_path / "x", "--direction=a2b",
               "--format=jpg")  # fmt: skip
    assert done.code == 2
    assert "there is none called 'jpg'. There are: same, png, jpeg, tiff" in done.err


def test_from_python(trained: Path, tmp_path: Path) -> None:
    model = cyclekit.load(trained, accelerator="cpu")
    picture().save(tmp_path / "x.tif", dpi=(300, 300))
    made = model.translate(tmp_path / "x.tif", "a2b")
    assert model.save(made, tmp_path / "y").suffix == ".png"
    written = model.save(made, tmp_path / "z", format="same")
    assert written.suffix == ".tif"
    with Image.open(written) as found:
        assert found.info["dpi"] == (300, 300)
    with pytest.raises(cyclekit.errors.UsageError, match="none called 'gif'"):
        model.save(made, tmp_path / "z", format="gif")
