"""Numbers of channels: what is converted, what is refused, and domains that differ."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cyclekit_image.arrays import as_pixels, count_channels
from cyclekit_image.codec import ImageCodec, ImageOptions
from cyclekit_image.pictures import write_picture
from cyclekit_image.sheet import as_shown
from PIL import Image
from support import QUICK, SMALL, Cli, assert_resumes_exactly, draw, training

import cyclekit
from cyclekit.api import BadSample

Array = np.ndarray[Any, Any]


def codec(**options: object) -> ImageCodec:
    return ImageCodec(ImageOptions(**options))


def half_clear(kind: str, colours: int) -> Array:
    """Black, of which the lower half cannot be seen."""
    highest = 1 if kind == "float32" else np.iinfo(kind).max
    pixels = np.zeros((8, 8, colours + 1), dtype=kind)
    pixels[:4, :, -1] = highest
    return pixels


class TestConversion:
    """Grey, colours and transparency, in every depth."""

    @pytest.mark.parametrize("kind", ["uint8", "uint16", "float32"])
    @pytest.mark.parametrize("found", [1, 3])
    @pytest.mark.parametrize("wanted", [1, 3])
    def test_transparency_is_laid_on_white(
        self, tmp_path: Path, kind: str, found: int, wanted: int
    ) -> None:
        file = write_picture(half_clear(kind, found), tmp_path / "x")
        shown = as_pixels(codec(channels=wanted).load(file))
        assert shown.shape == (8, 8, wanted)
        assert (shown[:4] == 0).all()
        assert (shown[4:] == (1 if kind == "float32" else np.iinfo(kind).max)).all()

    @pytest.mark.parametrize("kind", ["uint8", "uint16", "float32"])
    def test_it_is_kept_or_added_where_it_is_wanted(self, tmp_path: Path, kind: str) -> None:
        pixels = half_clear(kind, 3)
        file = write_picture(pixels, tmp_path / "x")
        np.testing.assert_array_equal(as_pixels(codec(channels=4).load(file)), pixels)
        np.testing.assert_array_equal(as_pixels(codec(channels=2).load(file)), pixels[..., 2:])
        opaque = write_picture(pixels[..., :3], tmp_path / "opaque")
        assert (as_pixels(codec(channels=4).load(opaque))[..., 3] == pixels.max()).all()

    def test_deep_colours_become_the_same_grey_as_shallow_ones(self, tmp_path: Path) -> None:
        pixels = np.random.default_rng(0).integers(0, 256, (9, 9, 3), dtype=np.uint8)
        shallow = write_picture(pixels, tmp_path / "8")
        deep = write_picture(pixels.astype(np.uint16) * 257, tmp_path / "16")
        one, other = (as_pixels(codec(channels=1).load(file)) for file in (shallow, deep))
        assert np.abs(one - other / 257).max() <= 0.51

    @pytest.mark.parametrize(
        ("found", "wanted"), [(5, 3), (5, 1), (3, 5), (1, 5), (5, 6)]
    )  # fmt: skip
    def test_other_numbers_are_refused(self, tmp_path: Path, found: int, wanted: int) -> None:
        file = write_picture(np.zeros((8, 8, found), np.uint16), tmp_path / "x")
        counted = f"has {found} channels?; codec.channels says {wanted}"
        with pytest.raises(BadSample, match=counted) as error:
            codec(channels=wanted).load(file)
        assert error.value.path == file

    def test_planes_are_no_colours(self, tmp_path: Path) -> None:
        import tifffile

        planes = np.zeros((4, 8, 8), np.uint8)
        tifffile.imwrite(tmp_path / "x.tif", planes, photometric="minisblack")
        assert count_channels(codec(channels=4).load(tmp_path / "x.tif")) == 4
        with pytest.raises(BadSample, match="has 4 channels"):
            codec(channels=3).load(tmp_path / "x.tif")

    def test_the_setting_of_the_domain_is_named(self, tmp_path: Path) -> None:
        file = write_picture(np.zeros((8, 8, 5), np.uint8), tmp_path / "x")
        made = codec(channels=5, channels_b=3)
        assert count_channels(made.load_for(file, "a")) == 5
        with pytest.raises(BadSample, match=r"codec\.channels_b says 3"):
            made.load_for(file, "b")


class TestItems:
    """What people pass from Python."""

    @pytest.mark.parametrize(
        ("item", "why"),
        [
            (np.zeros((4, 4, 3), np.float32) + 255, "from 255 to 255: arrays of floating-point"),
            (np.full((4, 4, 3), np.nan), "no finite numbers"),
            (np.zeros((4, 4, 3), np.int64), "array of int64"),
            (np.zeros((1, 4, 4, 3), np.uint8), r"shape \(1, 4, 4, 3\)"),
            (np.zeros((4, 4, 7), np.uint8), r"has 7 channels; codec\.channels says 3"),
            ("x.png", "is no picture"),
        ],
    )
    def test_others_are_refused(self, item: Any, why: str) -> None:
        with pytest.raises(BadSample, match=why):
            codec().encode(item, "a")

    @pytest.mark.parametrize("kind", ["uint8", "uint16", "float32", ">u2", "float64"])
    def test_arrays_come_back_as_arrays(self, kind: str) -> None:
        pixels = (np.arange(48) % 2).reshape(4, 4, 3).astype(kind)
        made = codec()
        sample = made.encode(pixels, "a")
        seen = made.from_network(made.to_network(sample.tensor[None], "a"), "b")[0]
        back = made.decode(seen, "b", sample.meta)
        assert isinstance(back, np.ndarray)
        np.testing.assert_allclose(back, pixels, atol=1e-6)

    def test_deep_pictures_of_pillow_keep_their_depth(self) -> None:
        picture = Image.fromarray(np.arange(16, dtype=np.uint16).reshape(4, 4) * 4096)
        made = codec(channels=1)
        sample = made.encode(picture, "a")
        back = made.decode(sample.tensor, "b", sample.meta)
        np.testing.assert_array_equal(as_pixels(back)[..., 0], np.asarray(picture))


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5, 40])
@pytest.mark.parametrize("kind", ["uint8", "uint16", "float32"])
def test_the_sheet_shows_anything(kind: str, channels: int) -> None:
    pixels = np.full((6, 9, channels), 1 if kind == "float32" else np.iinfo(kind).max, dtype=kind)
    pixels[:3, :, 0] = 0
    shown = as_shown(pixels)
    assert (shown.mode, shown.size) == ("RGB", (9, 6))
    assert shown.getpixel((0, 5)) == (255, 255, 255)
    assert shown.getpixel((0, 0)) == ((0, 0, 0) if channels < 3 else (0, 255, 255))


SMALLEST = SMALL | QUICK | {
    "codec.resize": 20, "codec.crop": 16, "codec.scale_jitter": 0.2, "codec.colour_jitter": 0.1,
    "discriminator.layers": 1, "objective.identity.weight": 0,
}  # fmt: skip


def deep_data(root: Path) -> Path:
    """RGB in A, the same in five channels of 16 bits in B; test files are pairs."""
    for split, first in (("train", 0), ("test", 50)):
        for index in range(4):
            seed = first + index
            file = draw(root / f"{split}A" / f"{index}.png", seed, (26, 20))
            colours = np.asarray(Image.open(file)).astype(np.uint16) * 257
            stack = np.concatenate([colours, 65535 - colours[..., :2]], axis=2)
            (root / f"{split}B").mkdir(exist_ok=True)
            write_picture(stack, root / f"{split}B" / f"{index}")
    return root


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["grey to colours", "colours to five deep channels"])
def test_domains_with_different_channels_from_training_to_translation(
    kind: str, folders: Path, tmp_path: Path, cli: Cli
) -> None:
    if kind == "grey to colours":  # both folders hold RGB: A's is converted
        data, a, b, settings = folders, 1, 3, {"codec.channels": 1, "codec.channels_b": 3}
    else:
        data, a, b = deep_data(tmp_path / "data"), 3, 5
        settings = {"codec.channels": 3, "codec.channels_b": 5, "codec.bits": 16}
    run = tmp_path / "run"
    train = training("image", "horse2zebra", SMALLEST | settings)
    done = cli(*train(data, run))
    assert done.code == 0, done.err
    assert list((run / "samples").rglob("sheet.png"))

    done = cli("evaluate", run, "--quick")
    assert done.code == 0, done.err
    left_out = (
        f"left out 'identity' and 'colour': for domains with as many channels, not {a} and {b}"
    )
    assert left_out in " ".join(done.err.split())
    assert "failed" not in done.err
    (report,) = (json.loads(file.read_text()) for file in (run / "evaluations").glob("*.json"))
    for direction in ("a2b", "b2a"):
        assert set(report[direction]) >= {"l1", "psnr", "ssim", "cycle_l1"}
    assert report["baselines"] == {}

    model = cyclekit.load(run, accelerator="cpu")
    for direction, target, folder in (("a2b", b, "testA"), ("b2a", a, "testB")):
        done = cli("translate", run, data / folder, "-o", tmp_path / direction,
                   f"--direction={direction}")  # fmt: skip
        assert done.code == 0, done.err
        for source in (data / folder).iterdir():
            (made,) = (tmp_path / direction).glob(f"{source.stem}.*")
            pixels = as_pixels(model.translate(made, "b2a" if direction == "a2b" else "a2b"))
            assert count_channels(model.translate(source, direction)) == target
            assert pixels.shape[2] == (a if direction == "a2b" else b)
            assert pixels.dtype == (np.uint16 if "deep" in kind else np.uint8)

    assert_resumes_exactly(run, tmp_path / "halved", lambda half: cli("resume", half))


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"objective__identity__weight": 5}, "objective.identity.weight must be 0 here"),
        ({"generator__residual": "true"}, "generator.residual adds the input to the output"),
    ],
)
def test_what_differing_channels_rule_out_is_said(
    settings: dict[str, object], why: str, folders: Path, tmp_path: Path, cli: Cli
) -> None:
    train = training("image", "horse2zebra", SMALLEST | {"codec.channels_b": 1})
    done = cli(*train(folders, tmp_path / "run", **settings))
    assert done.code == 2
    assert why in " ".join(done.err.split())
    assert "Traceback" not in done.err


def test_files_with_wrong_channels_are_skipped_and_named(tmp_path: Path, cli: Cli) -> None:
    data = deep_data(tmp_path / "data")
    write_picture(np.zeros((20, 20, 5), np.uint8), data / "trainA" / "five")
    write_picture(np.zeros((20, 20, 5), np.uint8), data / "testA" / "five")
    draw(data / "testB" / "colours.png", 9)
    train = training("image", "horse2zebra", SMALLEST)
    run = tmp_path / "run"
    settings = {"codec__channels_b": 5, "train__evaluate_every": 4}
    done = cli(*train(data, run, **settings))
    assert done.code == 0, done.err
    said = " ".join(done.err.split())
    assert "has 5 channels; codec.channels says 3" in said
    assert "has 3 channels; codec.channels_b says 5" in said
