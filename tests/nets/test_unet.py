"""The U-Net: the published sizes, the reference's skips, any number of dimensions, sizes."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cyclekit.api import UNET_128, UNET_256, RecipeError, TensorSpec, UNetGenerator, UNetOptions

PICTURE = TensorSpec(3, (None, None))


def count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize(
    ("network", "published", "size"), [(UNET_128, 41_828_995, 128), (UNET_256, 54_413_955, 256)]
)
def test_the_published_sizes(network: type, published: int, size: int) -> None:
    with torch.device("meta"):  # counted, not drawn
        built = network.build(PICTURE, PICTURE, network.options(norm="batch"))
    assert count(built) == published
    assert built.multiple_of == size


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("norm", ["instance", "batch", "none"])
def test_keeps_sizes_down_to_one_position_in_the_middle(dims: int, norm: str) -> None:
    source, target = TensorSpec(2, (None,) * dims), TensorSpec(5, (None,) * dims)
    options = UNetOptions(channels=2, downsamplings=3, norm=norm, dropout=0.5)
    network = UNetGenerator(source, target, options)
    for sizes in ((8, 8, 8)[:dims], (16, 8, 24)[:dims]):
        assert network(torch.randn(2, 2, *sizes)).shape == (2, 5, *sizes)


def test_equals_the_reference_written_out() -> None:
    """Three levels by hand: the skips carry activated maps, the innermost map has no norm."""
    torch.manual_seed(0)
    options = UNetOptions(channels=4, downsamplings=3)
    network = UNetGenerator(PICTURE, PICTURE, options).double()
    weights = iter(network.state_dict().items())
    down, up = {}, {}
    for level in range(3):
        down[level] = [next(weights)[1] for _ in ("weight", "bias")]
    for level in (2, 1, 0):
        up[level] = [next(weights)[1] for _ in ("weight", "bias")]
    assert next(weights, None) is None

    def halved(x: Tensor, level: int) -> Tensor:
        return F.conv2d(x, *down[level], stride=2, padding=1)

    def doubled(x: Tensor, level: int) -> Tensor:
        return F.conv_transpose2d(x.relu(), *up[level], stride=2, padding=1)

    x = torch.randn(1, 3, 16, 16, dtype=torch.float64)
    first = F.leaky_relu(halved(x, 0), 0.2)
    second = F.leaky_relu(F.instance_norm(halved(first, 1)), 0.2)
    within = torch.cat([second, F.instance_norm(doubled(halved(second, 2), 2))], dim=1)
    around = torch.cat([first, F.instance_norm(doubled(within, 1))], dim=1)
    torch.testing.assert_close(network(x), doubled(around, 0).tanh())


def test_the_skip_carries_the_activated_map() -> None:
    network = UNetGenerator(PICTURE, PICTURE, UNetOptions(channels=4, downsamplings=3))
    x = torch.randn(1, 4, 8, 8)
    assert network.inner(x.clone())[:, :4].equal(F.leaky_relu(x, 0.2))


def test_dropout_is_in_the_widest_layers_alone() -> None:
    options = UNetOptions(channels=2, downsamplings=8, dropout=0.5)
    modules = UNetGenerator(PICTURE, PICTURE, options).modules()
    assert sum(isinstance(module, nn.Dropout) for module in modules) == 3  # 8 - 5, as published


def test_unfit_sizes_are_told() -> None:
    network = UNetGenerator(PICTURE, PICTURE, UNetOptions(channels=2, downsamplings=5))
    with pytest.raises(RecipeError, match=r"divide by 32, .* has \(32, 48\)"):
        network(torch.randn(1, 3, 32, 48))
