"""Layers cost no more than they have to, and compute what torch's do."""

import itertools
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile
from torch.utils._python_dispatch import TorchDispatchMode

from cyclekit.contract.tensors import TensorSpec
from cyclekit.nets.blocks import CONV, LastingDropout, conv, norm_layers
from cyclekit.nets.patchgan import PatchGAN, PatchGANOptions
from cyclekit.nets.reflection import reflect
from cyclekit.nets.resnet import ResNetGenerator, ResNetOptions

PICTURE = TensorSpec(3, (None, None))


class Types(TorchDispatchMode):
    """Collects what operators return, by their names."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: dict[str, set[torch.dtype]] = {}

    def __torch_dispatch__(
        self, operator: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        out = operator(*args, **(kwargs or {}))
        if isinstance(out, torch.Tensor):
            self.seen.setdefault(operator.__name__.partition(".")[0], set()).add(out.dtype)
        return out


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("mode", ["reflect", "replicate", "zeros"])
@pytest.mark.parametrize("dims", CONV)
def test_convolutions_are_torchs(dims: int, mode: str, precision: torch.dtype) -> None:
    own = conv(dims, 3, 4, 3, stride=2, padding=1, dilation=2, padding_mode=mode)
    theirs = CONV[dims](3, 4, 3, stride=2, padding=1, dilation=2, padding_mode=mode)
    theirs.load_state_dict(own.state_dict())
    x = torch.randn(2, 3, *(9,) * dims).to(precision)
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == torch.bfloat16):
        assert torch.equal(own(x), theirs(x))


THEIR_NORM: dict[int, Any] = {1: nn.InstanceNorm1d, 2: nn.InstanceNorm2d, 3: nn.InstanceNorm3d}


@pytest.mark.parametrize("affine", [False, True])
@pytest.mark.parametrize("dims", THEIR_NORM)
def test_instance_norms_and_their_gradients_are_torchs(dims: int, affine: bool) -> None:
    (own,) = norm_layers("instance", dims, 3, affine)
    theirs = THEIR_NORM[dims](3, affine=affine)
    assert own.state_dict().keys() == theirs.state_dict().keys()
    torch.manual_seed(0)
    for weight in own.parameters():
        nn.init.normal_(weight)
    theirs.load_state_dict(own.state_dict())
    x = torch.randn(2, 3, *(4, 5, 6)[:dims], dtype=torch.float64, requires_grad=True)
    far = torch.randn_like(x)

    def told(norm: nn.Module) -> list[Tensor]:
        made = norm.double()(x)
        (first,) = torch.autograd.grad((made * far).sum(), x, create_graph=True)
        (second,) = torch.autograd.grad(first.square().sum(), x)
        return [made, first, second]

    for mine, wanted in zip(told(own), told(theirs), strict=True):
        torch.testing.assert_close(mine, wanted)
    one = torch.ones(1, 3, *(1,) * dims, dtype=torch.float64)
    with pytest.raises(ValueError, match="more than 1 spatial element"):
        own(one)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_instance_norms_keep_precision_in_any_layout(layout: torch.memory_format) -> None:
    (own,) = norm_layers("instance", 2, 4, affine=True)
    x = torch.randn(2, 4, 5, 6).bfloat16().contiguous(memory_format=layout)
    with torch.autocast("cpu", torch.bfloat16):
        made, wanted = own(x), F.instance_norm(x)
    assert made.dtype == torch.bfloat16
    torch.testing.assert_close(made, wanted, atol=0.02, rtol=0.02)


@pytest.mark.parametrize("mode", ["reflect", "zeros"])
def test_padding_may_be_named(mode: str) -> None:
    layer = conv(2, 3, 4, 5, padding="same", padding_mode=mode)
    assert layer(torch.randn(1, 3, 8, 9)).shape == (1, 4, 8, 9)


@pytest.mark.slow
@pytest.mark.parametrize("sizes", [(7,), (4, 9), (5, 4, 6)])
@pytest.mark.parametrize("width", [0, 1, 3])
def test_reflection_and_its_gradients_are_torchs(sizes: tuple[int, ...], width: int) -> None:
    x = torch.randn(2, 3, *sizes, dtype=torch.float64, requires_grad=True)
    widths = (width, *(1 for _ in sizes[1:]))
    theirs = F.pad(x, [w for w in reversed(widths) for _ in range(2)], mode="reflect")
    own, weight = reflect(x, widths), torch.randn_like(theirs)
    assert torch.equal(own, theirs)
    wanted = torch.autograd.grad((theirs * weight).sum(), x)
    torch.testing.assert_close(torch.autograd.grad((own * weight).sum(), x), wanted)
    assert torch.autograd.gradgradcheck(reflect, (x, widths))


def test_padding_stays_in_half_precision() -> None:
    x = torch.randn(1, 3, 8, 8).bfloat16()
    with torch.autocast("cpu", torch.bfloat16), Types() as types:
        conv(2, 3, 4, 3, padding=1, padding_mode="reflect")(x)
    assert types.seen["reflection_pad2d"] == {torch.bfloat16}


@pytest.mark.parametrize(
    "network",
    [
        ResNetGenerator(PICTURE, PICTURE, ResNetOptions(channels=4, blocks=1)),
        PatchGAN(PICTURE, PICTURE.logits(), PatchGANOptions(channels=4)),
    ],
)
def test_autograd_copies_no_view(network: nn.Module) -> None:
    made = network(torch.randn(1, 3, 32, 32))
    with profile(activities=[ProfilerActivity.CPU]) as backward:
        made.sum().backward()
    names = {event.name.rpartition(" ")[2] for event in backward.events()}
    assert "ConvolutionBackward0" in names
    assert not any("CopySlices" in name for name in names)


def test_lasting_dropout_drops_a_share_of_each_place_by_its_own_hash() -> None:
    ones, kept = torch.ones(2, 32, 24, 24), {}
    for place in (*range(-9, 10),):
        made = LastingDropout(0.3, place).eval()(ones)
        assert torch.equal(made[0], made[1])
        assert made.unique().tolist() == pytest.approx([0, 1 / 0.7])
        kept[place] = (made[0] > 0).double()
        assert kept[place].mean() == pytest.approx(0.7, abs=0.02)
        for axis in range(3):  # neighbours have nothing in common
            assert abs(correlation(kept[place], kept[place].roll(1, axis))) < 0.03
    pairs = list(itertools.combinations(kept.values(), 2))
    assert max(abs(correlation(one, other)) for one, other in pairs) < 0.04
    assert torch.equal(LastingDropout(0.3, 2).eval()(ones[..., :9])[0] > 0, kept[2][..., :9] > 0)


def correlation(one: Tensor, other: Tensor) -> float:
    return float(torch.corrcoef(torch.stack([one.flatten(), other.flatten()]))[0, 1])
