"""Spoilt pictures are what they are called, and a recipe learns to undo them."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from cyclekit_image.corruptions import CORRUPTIONS
from PIL import Image
from support import QUICK, Outcome, draw, training


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_spoilt_picture_keeps_size_and_kind(name: str, mode: str, tmp_path: Path) -> None:
    picture = Image.open(draw(tmp_path / "x.png", 0, mode=mode)).convert(mode)
    before = np.array(picture)
    spoilt = CORRUPTIONS[name](picture, np.random.default_rng(0))
    assert isinstance(spoilt, Image.Image)
    assert (spoilt.size, spoilt.mode) == (picture.size, mode)
    assert np.array_equal(picture, before)
    assert np.array_equal(spoilt, before) == (name == "grey" and mode == "L")


@pytest.mark.parametrize("name", CORRUPTIONS)
@pytest.mark.parametrize("kind", [np.uint16, np.float32])
def test_arrays_keep_depth_and_channels(name: str, kind: type) -> None:
    rng = np.random.default_rng(0)
    values = rng.random((24, 30, 5)).astype(np.float32)
    picture = values if kind is np.float32 else (values * 65535).astype(np.uint16)
    before = picture.copy()
    spoilt = CORRUPTIONS[name](picture, rng)
    assert isinstance(spoilt, np.ndarray)
    assert (spoilt.shape, spoilt.dtype) == (picture.shape, picture.dtype)
    assert np.array_equal(picture, before)
    assert not np.array_equal(spoilt, before)
    white = CORRUPTIONS[name](np.ones_like(values), rng)
    assert white.max() <= 1  # type: ignore[union-attr]


def test_transparency_is_not_spoilt() -> None:
    rng = np.random.default_rng(0)
    picture = Image.fromarray(rng.integers(0, 256, (40, 60, 4), dtype=np.uint8), "RGBA")
    for name in ("grey", "hole"):
        alpha = np.asarray(CORRUPTIONS[name](picture, rng))[..., 3]
        assert np.array_equal(alpha, np.asarray(picture)[..., 3])


def test_grey_has_no_colour_and_a_hole_leaves_the_rest() -> None:
    rng = np.random.default_rng(0)
    picture = Image.fromarray(rng.integers(0, 256, (40, 60, 3), dtype=np.uint8))
    grey = np.asarray(CORRUPTIONS["grey"](picture, rng))
    assert (grey == grey[..., :1]).all()
    changed = (np.asarray(CORRUPTIONS["hole"](picture, rng)) != np.asarray(picture)).any(axis=2)
    assert 1 / 16 <= changed.mean() <= 1 / 4
    rough = np.abs(np.diff(np.asarray(picture).astype(int), axis=1)).mean()
    blurred = np.asarray(CORRUPTIONS["blurred"](picture, rng)).astype(int)
    assert np.abs(np.diff(blurred, axis=1)).mean() < 0.6 * rough


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["gray2color", "blurred2sharp", "filled"])
def test_one_folder_is_enough(recipe: str, tmp_path: Path, cli: Callable[..., Outcome]) -> None:
    for number in range(12):
        draw(tmp_path / f"mine/{number}.png", number, size=(48, 40))
    small = QUICK | {"codec.crop": 32, "generator.channels": 4, "generator.blocks": 1}
    outcome = cli(*training("image", recipe, small)(tmp_path / "mine", tmp_path / "run"))
    assert outcome.code == 0, outcome.err
    data = tmp_path / "run/data"
    assert {folder.name: len(list(folder.iterdir())) for folder in data.iterdir()} == {
        "trainA": 6, "trainB": 5, "testA": 1, "testB": 1
    }  # fmt: skip
    judged = cli("evaluate", tmp_path / "run", "--quick", "--accelerator=cpu")
    assert judged.code == 0, judged.err
    assert "a2b l1" in judged.out
