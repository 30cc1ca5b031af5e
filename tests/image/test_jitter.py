"""What varies training windows: each option does what it says, from the generator's chance."""

from collections.abc import Callable

import pytest
import torch
from cyclekit_image.codec import ImageCodec, ImageOptions
from torch import Tensor

SEEDS = range(40)
RAMP = torch.arange(36 * 36, dtype=torch.float32).view(1, 36, 36).expand(3, -1, -1) / (36 * 36 - 1)
STORED: dict[int, Callable[[Tensor], Tensor]] = {
    8: lambda x: (x * 255).round().to(torch.uint8),
    16: lambda x: (x * 65535 - 32768).round().to(torch.int16),
    32: lambda x: x,
}


def codec(**options: object) -> ImageCodec:
    return ImageCodec(ImageOptions(**({"resize": 36, "crop": 32, "flip": False} | options)))


def varied(made: ImageCodec, window: Tensor, seed: int = 0) -> Tensor:
    return made.augment(window, "a", torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("bits", STORED)
@pytest.mark.parametrize("preprocess", ["resize_and_crop", "none"])
def test_everything_at_once_repeats_itself_and_keeps_kind_size_and_range(
    bits: int, preprocess: str
) -> None:
    made = codec(
        bits=bits, preprocess=preprocess, flip=True, flip_vertical=True, scale_jitter=0.5,
        colour_jitter=0.9, rotate=preprocess != "none",
    )  # fmt: skip
    window = STORED[bits](RAMP)
    before = window.clone()
    size = 32 if preprocess == "resize_and_crop" else 36
    for seed in SEEDS:
        cut = varied(made, window, seed)
        assert torch.equal(cut, varied(made, window, seed))
        assert (cut.dtype, tuple(cut.shape)) == (window.dtype, (3, size, size))
        seen = made.to_network(cut, "a")
        assert seen.min() >= -1
        assert seen.max() <= 1
    assert torch.equal(window, before)
    assert len({varied(made, window, seed).float().mean().item() for seed in SEEDS}) > 30


def test_what_is_off_draws_nothing() -> None:
    """The corner and the mirror of a window are those of earlier versions."""
    made = codec(flip=True)
    window = STORED[8](RAMP)
    for seed in SEEDS:
        rng = torch.Generator().manual_seed(seed)
        top, left = (int(torch.randint(5, (), generator=rng)) for _ in range(2))
        expected = window[:, top : top + 32, left : left + 32]
        if torch.rand((), generator=rng) < 0.5:
            expected = expected.flip(-1)
        assert torch.equal(varied(made, window, seed), expected)


def test_vertical_mirror() -> None:
    made = codec(preprocess="none", flip_vertical=True)
    mirrored = [torch.equal(varied(made, RAMP, seed), RAMP.flip(-2)) for seed in SEEDS]
    assert 8 < sum(mirrored) < 32
    assert all(
        torch.equal(varied(made, RAMP, seed), RAMP)
        for seed in SEEDS
        if not mirrored[seed]
    )  # fmt: skip


def test_quarter_turns() -> None:
    made = codec(crop=36, rotate=True)
    turns = [RAMP.rot90(k, (-2, -1)) for k in range(4)]
    found = [
        next(k for k, turn in enumerate(turns) if torch.equal(varied(made, RAMP, seed), turn))
        for seed in SEEDS
    ]
    assert set(found) == {0, 1, 2, 3}


@pytest.mark.parametrize("preprocess", ["scale_width", "none"])
def test_windows_that_are_not_square_cannot_be_turned(preprocess: str) -> None:
    with pytest.raises(ValueError, match=r"codec\.rotate needs square windows"):
        codec(preprocess=preprocess, rotate=True)


def test_zoom_shows_a_part_of_the_window() -> None:
    made = codec(crop=36, scale_jitter=1.0)
    spans = [varied(made, RAMP, seed) for seed in SEEDS]
    shares = [(x[0, -1].mean() - x[0, 0].mean()).item() for x in spans]
    whole = (RAMP[0, -1].mean() - RAMP[0, 0].mean()).item()
    assert max(shares) < whole * 1.02
    assert min(shares) < whole * 0.6
    assert min(shares) > whole * 0.4, "twofold at most"


def test_brightness_and_contrast_change_and_transparency_does_not() -> None:
    made = codec(preprocess="none", colour_jitter=0.3, channels=4)
    window = torch.cat([RAMP * 0.5 + 0.25, torch.full((1, 36, 36), 0.4)])
    means, spreads = [], []
    for seed in SEEDS:
        cut = varied(made, window, seed)
        assert torch.equal(cut[3], window[3])
        means.append((cut[:3].mean() / window[:3].mean()).item())
        spreads.append((cut[:3].std() / window[:3].std()).item())
    assert 0.69 < min(means) < 0.8
    assert 1.2 < max(means) < 1.31
    assert 0.45 < min(spreads) < 0.7
    assert 1.3 < max(spreads) < 1.7


def test_crop_may_not_exceed_the_shorter_side() -> None:
    with pytest.raises(ValueError, match="cannot be larger"):
        codec(preprocess="scale_shortside", crop=40)
