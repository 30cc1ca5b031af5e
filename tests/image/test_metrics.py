"""Figures for pairs, the cycle, and the colour baseline, on pictures with known answers."""

import math

import numpy as np
import pytest
from cyclekit_image.arrays import Item
from cyclekit_image.metrics import match_colours, score_cycle, score_pairs, score_structure
from PIL import Image
from support import mean_figures

from cyclekit.api import Translations


def flat(*values: int, size: int = 16) -> list[Image.Image]:
    return [Image.new("RGB", (size, size), (v, v, v)) for v in values]


def pictures(made: list[Item], truth: list[Item]) -> Translations[Item]:
    return Translations("a", "b", truth, made, made, truth, truth)


def test_l1_and_psnr_by_hand() -> None:
    scored = mean_figures(score_pairs)(pictures(flat(100, 51), flat(151, 51)), None)
    assert scored["l1"] == pytest.approx((51 / 255) / 2)
    # First pair: error .2, so -10 log10(.04); second: equal, capped at 100 dB.
    assert scored["psnr"] == pytest.approx((-10 * math.log10(0.04) + 100) / 2, rel=1e-5)


def test_ssim_of_equal_and_of_unlike_pictures() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    x, y = (Image.fromarray(pixels) for pixels in noise)
    assert mean_figures(score_structure)(pictures([x], [x]), None)["ssim"] == pytest.approx(1)
    assert mean_figures(score_structure)(pictures([x], [y]), None)["ssim"] < 0.1


def test_cycle_compares_inputs_with_what_came_back() -> None:
    scored = mean_figures(score_cycle)(pictures(flat(100), flat(151)), None)
    assert scored == {"cycle_l1": pytest.approx(0.2)}


@pytest.mark.parametrize(("kind", "white"), [("uint8", 255), ("uint16", 65535), ("float32", 1)])
def test_figures_do_not_depend_on_the_depth(kind: str, white: int) -> None:
    black = np.zeros((16, 16, 5), kind)
    made = black + np.array(white, kind)
    scored = mean_figures(score_pairs)(pictures([made], [black]), None)
    assert scored == {"l1": pytest.approx(1), "psnr": pytest.approx(0, abs=1e-4)}
    assert mean_figures(score_cycle)(pictures([made], [black]), None) == {
        "cycle_l1": pytest.approx(1)
    }


def test_deep_and_shallow_pictures_can_be_compared() -> None:
    deep = [np.full((16, 16, 3), 51 * 257, np.uint16)]
    assert mean_figures(score_pairs)(pictures(deep, flat(51)), None)["l1"] == pytest.approx(0)


def test_pairs_of_different_channels_are_no_pairs() -> None:
    with pytest.raises(ValueError, match="differ in channels: 3 and 5"):
        mean_figures(score_pairs)(pictures(flat(0), [np.zeros((16, 16, 5), np.uint8)]), None)


def test_pairs_of_different_sizes_are_no_pairs() -> None:
    with pytest.raises(ValueError, match="differ in size"):
        mean_figures(score_pairs)(pictures(flat(0), flat(0, size=20)), None)


def test_colour_matching_gives_the_targets_mean_and_deviation() -> None:
    rng = np.random.default_rng(0)
    source = [Image.fromarray(rng.normal(100, 20, (32, 32, 3)).clip(0, 255).astype(np.uint8))]
    target = [Image.fromarray(rng.normal(150, 10, (32, 32, 3)).clip(0, 255).astype(np.uint8))]
    made = np.asarray(match_colours(source, target)(source[0]), dtype=float)
    assert made.mean() == pytest.approx(150, abs=1)
    assert made.std() == pytest.approx(10, abs=0.5)


def test_colour_matching_of_grey_and_of_one_flat_picture() -> None:
    grey = [Image.new("L", (8, 8), 100)]
    made = match_colours(grey, [Image.new("L", (8, 8), 200)])(grey[0])
    assert (made.mode, made.getpixel((0, 0))) == ("L", 200)


@pytest.mark.parametrize(("kind", "white"), [("uint8", 255), ("uint16", 65535), ("float32", 1)])
def test_colour_matching_keeps_the_kind_of_an_array(kind: str, white: int) -> None:
    rng = np.random.default_rng(0)
    source, target = (
        [(rng.uniform(low, low + 0.2, (32, 32, 6)) * white).astype(kind)] for low in (0.1, 0.6)
    )
    made = match_colours(source, target)(source[0])
    assert isinstance(made, np.ndarray)
    assert (made.dtype, made.shape) == (kind, (32, 32, 6))
    assert made.mean() / white == pytest.approx(0.7, abs=0.01)
