"""Other ways to halve and to double: sizes, values, what is saved, how they begin."""

import pytest
import torch
from torch import nn

from cyclekit.api import ResNetGenerator, ResNetOptions, TensorSpec
from cyclekit.nets.resampling import BlurDown, PixelShuffle, ShuffleUp, blur_up

SIZES = (8, 12, 16)


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("upsample", ["pixelshuffle", "blur"])
@pytest.mark.parametrize("padding", ["reflect", "replicate", "zeros"])
def test_generators_keep_sizes(dims: int, upsample: str, padding: str) -> None:
    spec = TensorSpec(2, (None,) * dims)
    options = ResNetOptions(
        channels=4, blocks=1, upsample=upsample, downsample="blur", padding=padding
    )
    made = ResNetGenerator(spec, spec, options)(torch.randn(2, 2, *SIZES[:dims]))
    assert made.shape == (2, 2, *SIZES[:dims])


def test_channels_are_laid_side_by_side_as_torch_does() -> None:
    x = torch.randn(2, 12, 3, 5)
    assert PixelShuffle()(x).equal(nn.PixelShuffle(2)(x))
    line = torch.tensor([[[0.0, 2, 4], [1, 3, 5]]])
    assert PixelShuffle()(line).flatten().tolist() == [0, 1, 2, 3, 4, 5]
    cube = PixelShuffle()(torch.randn(1, 16, 2, 3, 4))
    assert cube.shape == (1, 2, 4, 6, 8)


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_shuffled_outputs_start_equal(dims: int) -> None:
    spec = TensorSpec(1, (None,) * dims)
    network = ResNetGenerator(spec, spec, ResNetOptions(channels=4, upsample="pixelshuffle"))
    ups = [module for module in network.modules() if isinstance(module, ShuffleUp)]
    assert len(ups) == 2
    for up in ups:
        made = up(torch.randn(1, up.conv.in_channels, *(4,) * dims))
        for axis in range(2, 2 + dims):
            one, other = made.unflatten(axis, (-1, 2)).unbind(axis + 1)
            torch.testing.assert_close(one, other)
        assert made.std() > 0


@pytest.mark.parametrize("padding", ["reflect", "replicate"])
@pytest.mark.parametrize("dims", [1, 2, 3])
def test_blurring_leaves_level_ground_level(dims: int, padding: str) -> None:
    x = torch.full((1, 2, *SIZES[:dims]), 3.0)
    halved = BlurDown(dims, padding)(x)
    assert halved.shape[2:] == tuple(size // 2 for size in SIZES[:dims])
    torch.testing.assert_close(halved, torch.full_like(halved, 3.0))
    torch.testing.assert_close(blur_up(dims)(halved), x)


def test_a_pattern_too_fine_to_keep_is_gone() -> None:
    """Taken every second value it would be level ground of its own."""
    alternating = torch.tensor([1.0, -1.0] * 8).view(1, 1, -1)
    assert BlurDown(1, "replicate")(alternating)[..., 1:-1].abs().max() < 1e-6


def test_halved_and_doubled_lies_where_it_lay() -> None:
    ramp = torch.arange(16.0).view(1, 1, -1)
    again = blur_up(1)(BlurDown(1, "reflect")(ramp))
    torch.testing.assert_close(again[..., 3:-3], ramp[..., 3:-3])


def test_each_channel_is_filtered_by_itself() -> None:
    x = torch.zeros(1, 2, 8, 8)
    x[:, 1] = 1
    halved = BlurDown(2, "reflect")(x)
    assert halved[:, 0].abs().max() == 0
    torch.testing.assert_close(halved[:, 1], torch.ones(1, 4, 4))


def test_filters_are_not_saved_and_default_names_stay() -> None:
    spec = TensorSpec(1, (None,))

    def names(**options: object) -> set[str]:
        return set(ResNetGenerator(spec, spec, ResNetOptions(blocks=1, **options)).state_dict())

    assert names() == {
        f"layers.{place}.{kind}"
        for place in (0, 3, 6, 10, 13, 16, "9.residual.0", "9.residual.3")
        for kind in ("weight", "bias")
    }
    assert not any("kernel" in name for name in names(downsample="blur"))
