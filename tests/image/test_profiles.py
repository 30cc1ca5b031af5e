"""Colour profiles: pictures look as a viewer shows them, and damaged profiles harm nobody."""

import io
import random
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile
from cyclekit_image.arrays import as_pixels
from cyclekit_image.codec import ImageCodec, ImageOptions
from cyclekit_image.origin import Origin, with_origin
from cyclekit_image.pictures import write_picture
from PIL import Image, ImageCms

Array = np.ndarray[Any, Any]

# Pillow's, of what is damaged on purpose.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL")

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
WIDE = imagecodecs.cms_profile("adobergb")
GREY = imagecodecs.cms_profile("gray", gamma=1.0)
LAB = imagecodecs.cms_profile("lab4")


def inks() -> bytes:
    """A profile of a printer whose inks are plain complements of linear light."""
    grid = np.stack(np.meshgrid(*[np.array([0.0, 1.0])] * 4, indexing="ij"), axis=-1)
    light = (1 - grid[..., :3]) * (1 - grid[..., 3:])
    lab = imagecodecs.cms_transform(
        (light.reshape(1, -1, 3) * 65535).round().astype(np.uint16),
        imagecodecs.cms_profile("srgb", gamma=1.0), LAB, colorspace="rgb", outcolorspace="lab",
    )  # fmt: skip
    ramp = np.array([0, 65535], ">u2").tobytes()
    table = (
        b"mft2" + bytes(4) + bytes([4, 3, 2, 0])
        + np.array([65536, 0, 0, 0, 65536, 0, 0, 0, 65536], ">i4").tobytes()
        + np.array([2, 2], ">u2").tobytes()
        + ramp * 4 + (lab.astype(np.float64) * 65280 / 65535).astype(">u2").tobytes() + ramp * 3
    )  # fmt: skip
    white = b"XYZ " + bytes(4) + np.array([63190, 65536, 54061], ">i4").tobytes()
    text = b"text" + bytes(4) + b"x\0\0\0"
    tags = {b"A2B0": table, b"wtpt": white, b"cprt": text, b"desc": text}
    place, index, body = 132 + 12 * len(tags), b"", b""
    for name, data in tags.items():
        data += bytes(-len(data) % 4)
        index += name + (place + len(body)).to_bytes(4, "big") + len(data).to_bytes(4, "big")
        body += data
    head = bytearray(WIDE[:128])
    head[8:12], head[12:24] = b"\x02\x40\0\0", b"prtrCMYKLab "
    head[:4] = (place + len(body)).to_bytes(4, "big")
    return bytes(head) + len(tags).to_bytes(4, "big") + index + body


def codec(**options: object) -> ImageCodec:
    return ImageCodec(ImageOptions(**options))


def smooth(mode: str = "RGB") -> Image.Image:
    coarse = np.random.default_rng(0).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((30, 20), Image.Resampling.BICUBIC).convert(mode)


def shown(picture: Image.Image, profile: bytes) -> Array:
    """What a viewer shows, by Pillow's own colour management."""
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    turned = ImageCms.profileToProfile(
        picture, source, ImageCms.createProfile("sRGB"), outputMode="RGB"
    )
    assert turned is not None
    return np.asarray(turned).astype(int)


@pytest.mark.parametrize(
    ("mode", "profile", "suffix"),
    [
        *(("RGB", WIDE, suffix) for suffix in ("png", "jpg", "webp", "tif", "avif")),
        ("L", GREY, "png"),
        ("L", GREY, "jpg"),
        ("CMYK", inks(), "tif"),
        ("CMYK", inks(), "jpg"),
        ("LAB", LAB, "tif"),
    ],
)
def test_pictures_of_every_mode_look_as_a_viewer_shows_them(
    tmp_path: Path, mode: str, profile: bytes, suffix: str
) -> None:
    picture = smooth("RGB")
    if mode == "LAB":
        to_lab = ImageCms.buildTransform(
            ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB"
        )
        picture = ImageCms.applyTransform(picture, to_lab)
    else:
        picture = picture.convert(mode)
    file = tmp_path / f"x.{suffix}"
    picture.save(file, icc_profile=profile)
    with Image.open(file) as saved:
        expected, unchanged = shown(saved, profile), np.asarray(saved.convert("RGB")).astype(int)
    channels = 1 if mode == "L" else 3
    made = codec(channels=channels)
    item = made.load(file)
    assert np.abs(as_pixels(item).astype(int) - expected[..., :channels]).max() <= 2
    if mode != "LAB":  # which Pillow converts whatever the profile
        assert np.abs(expected - unchanged).max() > 8, "else it would not show"
    sample = made.encode(item, "a")
    assert sample.facts == {"profile_converted": 1.0}
    (said,) = made.remarks({"a": [sample.facts, {}], "b": []})
    assert said == "1 of 2 pictures of domain A have a colour profile and are converted to sRGB"
    with Image.open(made.save(item, tmp_path / "y")) as written:
        assert "icc_profile" not in written.info


@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_sixteen_bits_are_converted_in_sixteen(tmp_path: Path, suffix: str, alpha: bool) -> None:
    ramp = np.linspace(0, 65535, 20 * 30 * 3).astype(np.uint16).reshape(20, 30, 3)
    pixels = np.concatenate([ramp, ramp[::-1, :, :1]], axis=2) if alpha else ramp
    file = tmp_path / f"x.{suffix}"
    if suffix == "tif":
        tifffile.imwrite(
            file, pixels, photometric="rgb", iccprofile=WIDE,
            extrasamples=["unassalpha"] if alpha else None,
        )  # fmt: skip
    else:
        write_picture(with_origin(pixels, Origin(profile=WIDE)), file)
        with Image.open(file) as saved:
            assert saved.info["icc_profile"] == WIDE
    item = as_pixels(codec(channels=pixels.shape[2]).load(file))
    assert item.dtype == np.uint16
    expected = shown(Image.fromarray((ramp / 257).round().astype(np.uint8)), WIDE)
    assert np.abs(item[..., :3] / 257 - expected).max() <= 2
    assert len(np.unique(item[..., :3])) > 1000, "not by way of 8 bits"
    if alpha:
        np.testing.assert_array_equal(item[..., 3], pixels[..., 3])


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "webp"])
def test_what_is_srgb_anyway_stays_and_keeps_its_profile(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"x.{suffix}"
    smooth().save(file, icc_profile=SRGB)
    with Image.open(file) as saved:
        expected = np.asarray(saved)
    made = codec()
    sample = made.encode(made.load(file), "a")
    back = made.decode(sample.tensor, "b", sample.meta)
    np.testing.assert_array_equal(as_pixels(back), expected)
    assert not sample.facts
    with Image.open(made.save(back, tmp_path / "y")) as written:
        assert written.info["icc_profile"] == SRGB
    grey = made.decode(sample.tensor[:1], "b", sample.meta)
    with Image.open(made.save(grey, tmp_path / "z")) as written:
        assert "icc_profile" not in written.info, "which is one for colours"


def test_channels_that_are_no_colours_are_left_alone(tmp_path: Path) -> None:
    planes = np.random.default_rng(0).integers(0, 65535, (9, 9, 5), dtype=np.uint16)
    options = {"photometric": "minisblack", "planarconfig": "contig", "iccprofile": WIDE}
    tifffile.imwrite(tmp_path / "x.tif", planes, **options)
    made = codec(channels=5)
    item = made.load(tmp_path / "x.tif")
    np.testing.assert_array_equal(as_pixels(item), planes)
    with tifffile.TiffFile(made.save(item, tmp_path / "y")) as written:
        assert written.pages[0].tags[34675].value == WIDE


def test_pictures_given_from_python_are_converted_once_and_not_changed() -> None:
    picture = smooth()
    picture.info["icc_profile"] = WIDE
    before = np.asarray(picture).copy()
    made = codec()
    sample = made.encode(picture, "a")
    assert np.abs(sample.tensor.permute(1, 2, 0).numpy() - shown(picture, WIDE)).max() <= 2
    assert picture.info["icc_profile"] == WIDE
    np.testing.assert_array_equal(np.asarray(picture), before)
    again = made.encode(made.decode(sample.tensor, "a", sample.meta), "a")
    assert again.tensor.equal(sample.tensor)


def test_damaged_profiles_and_exif_leave_the_picture_as_it_is(tmp_path: Path) -> None:
    rng = random.Random(0)
    plain = np.asarray(smooth())
    whole = b"II*\0\x08\0\0\0\2\0\x12\1\3\0\1\0\0\0\1\0\0\0\x1a\1\5\0\1\0\0\0\x26\0\0\0" + bytes(9)
    for index in range(60):
        profile, exif = bytearray(WIDE), bytearray(whole)
        profile[rng.randrange(36, 40)] ^= 0xFF  # the signature of every profile
        for spoilt in (profile, exif):
            for _ in range(rng.choice((1, 8))):
                spoilt[rng.randrange(len(spoilt))] = rng.randrange(256)
        exif[18:20] = b"\1\0"  # still upright, if it can be read
        file = tmp_path / f"{index}.png"
        smooth().save(file, icc_profile=bytes(profile), exif=b"Exif\0\0" + bytes(exif))
        item = codec().load(file)
        np.testing.assert_array_equal(np.asarray(item), plain)
        assert codec().encode(item, "a").facts == {"profile_unusable": 1.0}


@pytest.mark.parametrize("exif", [b"Exif\0\0" + bytes(12), b"Exif\0\0", b"Exif\0\0MM", bytes(40)])
@pytest.mark.parametrize("suffix", ["png", "jpg", "webp"])
def test_an_empty_or_blanked_exif_block_is_none(tmp_path: Path, suffix: str, exif: bytes) -> None:
    file = tmp_path / f"x.{suffix}"
    smooth().save(file, exif=exif)
    with Image.open(file) as saved:
        expected = np.asarray(saved)
    np.testing.assert_array_equal(np.asarray(codec().load(file)), expected)
