"""What one network can take from another: blocks, channels, and what it leaves alone."""

import pytest
import torch
from torch import nn

from cyclekit.contract.tensors import TensorSpec
from cyclekit.engine.transfer import transfer
from cyclekit.nets.resnet import ResNetGenerator, ResNetOptions

SMALL = {"channels": 4, "blocks": 2, "norm": "none"}


def generator(seed: int, channels: tuple[int, int] = (3, 3), **options: object) -> ResNetGenerator:
    torch.manual_seed(seed)
    source, target = (TensorSpec(count, (None, None), range=(-1, 1)) for count in channels)
    return ResNetGenerator(source, target, ResNetOptions.model_validate(SMALL | options))


def convolutions(network: nn.Module) -> list[nn.Module]:
    return [module for module in network.modules() if isinstance(module, nn.Conv2d)]


def test_equal_networks_become_the_same() -> None:
    old, new = generator(0), generator(1)
    got = transfer(old, new)
    assert (got.fitted, got.anew, got.unused) == ([], [], [])
    assert got.describe() == f"{got.taken} of {got.taken} tensors"
    x = torch.rand(2, 3, 16, 12)
    assert old(x).equal(new(x))


@pytest.mark.parametrize(("before", "after"), [(2, 5), (5, 2)])
def test_more_and_fewer_blocks_shift_nothing(before: int, after: int) -> None:
    old, new = generator(0, blocks=before), generator(1, blocks=after)
    got = transfer(old, new)
    assert len(got.anew) == max(after - before, 0) * 4
    assert len(got.unused) == max(before - after, 0) * 4
    for end in (0, 1, -1):
        assert old.layers[end].state_dict().keys() == new.layers[end].state_dict().keys()
    ends = [[*network.layers[:6], *network.layers[-5:]] for network in (old, new)]
    for one, other in zip(*ends, strict=True):
        for mine, theirs in zip(one.parameters(), other.parameters(), strict=False):
            assert mine.shape != theirs.shape or mine.equal(theirs)


@pytest.mark.parametrize("count", [3, 4])
def test_grey_becomes_colours_that_are_equal(count: int) -> None:
    old, new = generator(0, (1, 1)), generator(1, (count, count))
    got = transfer(old, new)
    assert not got.anew
    assert len(got.fitted) == 3  # the first and last weights, and the last bias
    grey = torch.rand(2, 1, 16, 16)
    made = new(grey.expand(-1, count, -1, -1))
    assert made.allclose(old(grey).expand(-1, count, -1, -1), atol=1e-5)


def test_colours_become_grey() -> None:
    old, new = generator(0), generator(1, (1, 1))
    with torch.no_grad():  # one that makes grey
        first, *others = old.layers[-1].weight
        for other in others:
            other.copy_(first)
        old.layers[-1].bias.fill_(0.1)
    assert len(transfer(old, new).fitted) == 3
    grey = torch.rand(2, 1, 16, 16)
    assert new(grey).allclose(old(grey.expand(-1, 3, -1, -1))[:, :1], atol=1e-5)


def test_a_further_input_changes_nothing_at_first() -> None:
    old, new = generator(0), generator(1, (5, 3))
    transfer(old, new)
    x = torch.rand(2, 5, 16, 16)
    assert new(x).allclose(old(x[:, :3]), atol=1e-6)


def test_transposed_convolutions_have_their_inputs_elsewhere() -> None:
    old = nn.Sequential(nn.ConvTranspose2d(4, 1, 2), nn.Flatten())
    new = nn.Sequential(nn.ConvTranspose2d(4, 2, 2), nn.Flatten())
    assert len(transfer(old, new).fitted) == 2
    x = torch.rand(1, 4, 3, 3)
    assert new(x).chunk(2, dim=1)[0].allclose(old(x))
    assert new(x).chunk(2, dim=1)[1].allclose(old(x))


def test_another_width_is_no_number_of_channels() -> None:
    old, new = generator(0, channels=(3, 3)), generator(1, **{"norm": "instance"})
    wide = generator(2)
    before = {name: tensor.clone() for name, tensor in wide.state_dict().items()}
    narrow = ResNetGenerator(
        TensorSpec(3, (None, None)), TensorSpec(3, (None, None)),
        ResNetOptions(channels=8, blocks=2, norm="none"),
    )  # fmt: skip
    got = transfer(narrow, wide)
    assert not got.fitted
    assert all(wide.state_dict()[name].equal(before[name]) for name in got.anew)
    assert "anew: " in got.describe()
    assert " more" in got.describe()
    # Norms' convolutions have no biases, so that the others' find no place.
    assert transfer(new, old).taken == len(new.state_dict())
