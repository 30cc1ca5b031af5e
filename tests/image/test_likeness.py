"""KID, FID and feature cosines: the distances by hand, the networks by what they are shown."""

import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from cyclekit_image import features, lite
from cyclekit_image.features import (
    frechet_distance,
    inception_features,
    lite_features,
)
from cyclekit_image.likeness import ImageMetricOptions, score_inception, score_lite0
from PIL import Image
from torch import Tensor, nn

from cyclekit.api import Estimate, RecipeError, Translations, install_command, kernel_distance


def noise(count: int, seed: int, low: int = 0, size: int = 24) -> list[Image.Image]:
    pixels = np.random.default_rng(seed).integers(low, 256, (count, size, size, 3), dtype=np.uint8)
    return [Image.fromarray(picture) for picture in pixels]


def shown(
    outputs: list[Image.Image], targets: list[Image.Image], **more: Any
) -> Translations[Image.Image]:
    truths = more.pop("truths", [])
    return Translations("a", "b", outputs, outputs, [], truths, targets, **more)


def gaussian(count: int, shift: float, scale: float = 1.0, size: int = 5) -> Tensor:
    drawn = torch.randn(count, size, dtype=torch.double, generator=torch.Generator().manual_seed(3))
    return drawn * scale + shift


def test_kernel_distance_by_its_definition() -> None:
    x, y = gaussian(4, 0), gaussian(6, 0.5)

    def k(one: Tensor, other: Tensor) -> float:
        return float((one @ other / 5 + 1) ** 3)

    def within(rows: Tensor) -> float:
        n = len(rows)
        return sum(k(rows[i], rows[j]) for i in range(n) for j in range(n) if i != j) / n / (n - 1)

    between = sum(k(a, b) for a in x for b in y) / 24
    assert kernel_distance(x, y) == pytest.approx(within(x) + within(y) - 2 * between)


def test_kernel_distance_has_no_bias() -> None:
    generator = torch.Generator().manual_seed(0)
    distances = [
        kernel_distance(*torch.randn(2, 8, 5, dtype=torch.double, generator=generator))
        for _ in range(2000)
    ]
    spread = float(np.std(distances) / len(distances) ** 0.5)
    assert abs(np.mean(distances)) < 4 * spread
    assert kernel_distance(gaussian(50, 0), gaussian(50, 1)) > 0.5


@pytest.mark.parametrize("count", [4, 60], ids=["fewer than features", "more"])
def test_frechet_distance_by_matrix_roots(count: int) -> None:
    x, y = gaussian(count, 0), gaussian(count + 3, 0.5, 2)
    sx, sy = torch.cov(x.T), torch.cov(y.T)
    root = torch.linalg.eigvals(sx @ sy).clone().sqrt().real.sum()
    wanted = (x.mean(0) - y.mean(0)).square().sum() + sx.trace() + sy.trace() - 2 * root
    assert frechet_distance(x, y) == pytest.approx(float(wanted), rel=1e-5)
    assert frechet_distance(x, x) == pytest.approx(0, abs=1e-9)


def test_lite0_gives_its_pooled_features_of_colour_and_grey() -> None:
    pictures = noise(2, 0)
    made = lite_features(0)(pictures)
    assert made.shape == (2, 1280)
    y, x = np.mgrid[:40, :40]
    slope = Image.fromarray(np.stack([x * 6, y * 6, (x + y) * 3], axis=-1).astype(np.uint8))
    assert float(lite_features(0)([slope]).norm()) == pytest.approx(13.4275, rel=1e-3), (
        "resizing and normalisation belong to what kid_lite0 means"
    )
    grey = pictures[0].convert("L")
    same = lite_features(0)([grey, grey.convert("RGB")])
    torch.testing.assert_close(same[0], same[1])
    assert torch.equal(made, lite_features(0)(pictures)), "the same each time"


def test_the_target_is_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[int] = []

    def extract(pictures: Any) -> Tensor:
        looked.append(len(pictures))
        return torch.stack(
            [torch.from_numpy(np.asarray(p)).double().mean((0, 1)) for p in pictures]
        )

    seen = features.Seen(extract)
    targets, truths = noise(5, 1), noise(3, 2)
    for seed in (3, 4):
        figures = score_lite0(shown(noise(3, seed, 100), targets, truths=truths), seen)
    assert looked == [3, 5, 3, 3]
    assert set(figures) == {"kid_lite0", "feature_cosine"}
    other = noise(5, 1, 200)
    alike, apart = score_lite0(shown(other, other), seen)["kid_lite0"], figures["kid_lite0"]
    assert isinstance(alike, Estimate)
    assert isinstance(apart, Estimate)
    assert alike.value < apart.value
    assert apart.low < apart.high


def test_what_cannot_be_computed_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = features.Seen(lambda pictures: torch.ones(len(pictures), 4))
    with pytest.warns(UserWarning, match="left out: 1 test picture, 2 are needed"):
        assert score_lite0(shown(noise(1, 0), noise(3, 1)), seen) == {}
    deep = [np.zeros((24, 24, 5), np.uint16)] * 3
    with pytest.warns(UserWarning, match="1 or 3 channels"):
        assert score_lite0(shown(deep, deep), seen) == {}  # type: ignore[arg-type]
    monkeypatch.setattr(lite, "available", lambda size: False)
    with pytest.warns(UserWarning, match=re.escape(install_command("metrics"))):
        assert score_lite0(shown(noise(3, 0), noise(3, 1)), seen) == {}


class StandIn(nn.Module):
    """Takes what StyleGAN's Inception takes; its features are the means of the bytes."""

    def forward(self, img: Tensor, return_features: bool = False) -> Tensor:
        if not return_features:
            return torch.zeros(img.shape[0], 9)
        return img.float().mean(dim=(2, 3))


class Nameless(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.float().mean(dim=(2, 3))


@pytest.fixture(params=[StandIn, Nameless])
def file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / "inception.pt"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.script(request.param()).save(str(path))
    return path


def test_inception_is_shown_bytes_of_every_size_in_order(file: Path) -> None:
    sizes = (24, 24, 40, 24)
    pictures = [picture for n, size in enumerate(sizes) for picture in noise(1, n, size=size)]
    wanted = [np.asarray(picture, dtype=float).mean((0, 1)) for picture in pictures]
    np.testing.assert_allclose(inception_features(file)(pictures), np.stack(wanted), rtol=1e-5)


def test_fid_and_kid_need_the_users_file(file: Path) -> None:
    outputs, targets = noise(4, 0), noise(5, 1)
    assert score_inception(shown(outputs, targets), {}) == {}
    options = ImageMetricOptions(inception=str(file))
    figures = score_inception(shown(outputs, targets, options=options), {})
    assert set(figures) == {"fid", "kid"}
    far = score_inception(shown(noise(4, 0, 200), targets, options=options), {})
    assert float(far["fid"]) > float(figures["fid"])


def test_a_file_that_is_no_network_is_named(tmp_path: Path) -> None:
    (tmp_path / "no.pt").write_bytes(b"nothing")
    options = ImageMetricOptions(inception=str(tmp_path / "no.pt"))
    with pytest.raises(RecipeError, match=r"metrics\.inception .*no\.pt is no TorchScript file"):
        score_inception(shown(noise(3, 0), noise(3, 1), options=options), {})
