"""How far generators look: what lies beyond ``reach`` changes nothing."""

import pytest
import torch
from torch import nn

from cyclekit.api import (
    ResNetGenerator,
    ResNetOptions,
    TensorSpec,
    UNetGenerator,
    UNetOptions,
)

LINE = TensorSpec(1, (None,))


def truth(network: nn.Module, multiple_of: int, length: int) -> int:
    """The largest distance at which an input changes an output."""
    torch.manual_seed(1)
    for parameter in network.parameters():  # nothing may vanish behind an activation
        nn.init.uniform_(parameter, 0.1, 0.3)
    x = torch.rand(1, 1, length, dtype=torch.float64)
    farthest = 0
    with torch.no_grad():
        before = network(x)
        middle = length // 2 // multiple_of * multiple_of
        for place in range(middle, middle + multiple_of):
            nudged = x.clone()
            nudged[..., place] += 1
            changed = (network(nudged) - before).flatten().nonzero().flatten()
            farthest = max(farthest, place - int(changed.min()), int(changed.max()) - place)
    return farthest


@pytest.mark.parametrize("downsamplings", [0, 1, 2, 3])
@pytest.mark.parametrize("upsample", ["deconv", "resize", "pixelshuffle", "blur"])
@pytest.mark.parametrize("downsample", ["stride", "blur"])
def test_residual_generators_reach(downsamplings: int, upsample: str, downsample: str) -> None:
    options = ResNetOptions(
        channels=2, blocks=1, norm="none", residual=True,
        downsamplings=downsamplings, upsample=upsample, downsample=downsample,
    )  # fmt: skip
    network = ResNetGenerator(LINE, LINE, options).double()
    assert truth(network, 2**downsamplings, 256) == network.reach


@pytest.mark.parametrize("downsamplings", [1, 2])
def test_narrow_filters_reach_less(downsamplings: int) -> None:
    options = ResNetOptions(
        channels=2, blocks=1, norm="none", residual=True, downsamplings=downsamplings,
        downsample="blur", blur_taps=3, upsample="blur", padding_at={"resampling": "zeros"},
    )  # fmt: skip
    network = ResNetGenerator(LINE, LINE, options).double()
    assert truth(network, 2**downsamplings, 256) == network.reach


def test_blocks_reach_at_their_stride() -> None:
    def reach(**options: int) -> int:
        return ResNetGenerator(LINE, LINE, ResNetOptions(channels=2, **options)).reach

    assert reach(downsamplings=0, blocks=0) == 6
    assert reach(downsamplings=0, blocks=5) == 6 + 5 * 2
    assert reach(blocks=9) - reach(blocks=6) == 3 * 2 * 4


@pytest.mark.parametrize("downsamplings", [2, 3, 4])
@pytest.mark.parametrize(("rectify", "leave"), [("before", "deconv"), ("after", "resize")])
def test_unets_reach(downsamplings: int, rectify: str, leave: str) -> None:
    target = TensorSpec(1, (None,), range=None)
    options = UNetOptions(
        channels=2, norm="none", downsamplings=downsamplings, rectify=rectify, leave=leave
    )
    network = UNetGenerator(LINE, target, options).double()
    assert truth(network, 2**downsamplings, 256) == network.reach
