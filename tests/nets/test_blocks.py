"""Layers cost no more than they have to, and compute what torch's do."""

from typing import Any

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from cyclekit.contract import TensorSpec
from cyclekit.nets.blocks import CONV, conv
from cyclekit.nets.patchgan import PatchGAN, PatchGANOptions
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
    waiting, names = [network(torch.randn(1, 3, 32, 32)).grad_fn], set()
    while waiting:
        node = waiting.pop()
        names.add(type(node).__name__)
        waiting += [parent for parent, _ in node.next_functions if parent is not None]
    assert "ConvolutionBackward0" in names
    assert "CopySlices" not in names
