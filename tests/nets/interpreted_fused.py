"""Triton's kernels, interpreted on a CPU, against the plain layers; `test_fused.py` runs this in a
process of its own, since Triton is interpreted from its import on, or never."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cyclekit.contract.tensors import TensorSpec
from cyclekit.engine.norm_statistics import collect_statistics, fixed_statistics
from cyclekit.nets import fused
from cyclekit.nets.fused import lay_channels_last, normalized
from cyclekit.nets.patchgan import PatchGAN, PatchGANOptions
from cyclekit.nets.resnet import ResNetGenerator, ResNetOptions

PICTURES = TensorSpec(channels=3, sizes=(16, 12), range=(-1.0, 1.0))


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """The shapes that the kernels are given, as on a GPU."""
    shapes: list[tuple[int, ...]] = []
    forward = normalized

    def noted(x: Tensor, *how: object) -> Tensor:
        shapes.append(tuple(x.shape))
        return forward(x, *how)  # type: ignore[arg-type]

    monkeypatch.setattr(fused, "normalized", noted)
    monkeypatch.setattr(fused, "_has_kernels", lambda device: True)
    return shapes


def last(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last)


def plain(x: Tensor, slope: float, borders: tuple[int, int]) -> Tensor:
    high, wide = borders
    activated = F.leaky_relu(F.instance_norm(x), slope)
    return F.pad(activated, [wide, wide, high, high], mode="reflect") if any(borders) else activated


@pytest.mark.parametrize(
    ("shape", "slope", "borders"),
    [
        ((2, 20, 9, 7), 0.0, (1, 1)),
        ((1, 5, 12, 12), 0.2, (3, 3)),  # several tiles of positions
        ((2, 3, 4, 5), 1.0, (0, 0)),
        ((1, 70, 3, 3), 0.2, (2, 1)),  # several blocks of channels, mirrored from both sides
    ],
)
@pytest.mark.parametrize(("dtype", "off"), [(torch.float32, 2e-6), (torch.bfloat16, 3e-2)])
def test_values_and_gradients_are_the_plain_layers(
    calls: list[tuple[int, ...]],
    shape: tuple[int, ...],
    slope: float,
    borders: tuple[int, int],
    dtype: torch.dtype,
    off: float,
) -> None:
    torch.manual_seed(0)
    x = last((torch.randn(shape) * 3 + 5).to(dtype)).requires_grad_()
    exact = x.detach().double().requires_grad_()
    found, truth = normalized(x, 1e-5, slope, borders), plain(exact, slope, borders)
    assert found.dtype == dtype
    assert found.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(found.double(), truth, rtol=off, atol=off)
    gradient = torch.randn(truth.shape)
    (own,) = torch.autograd.grad(found, x, gradient.to(dtype))
    (its,) = torch.autograd.grad(truth, exact, gradient.double())
    torch.testing.assert_close(own.double(), its, rtol=off, atol=off)


def test_a_gradient_can_be_differentiated(calls: list[tuple[int, ...]]) -> None:
    """As a penalty on gradients does."""
    torch.manual_seed(0)
    found = []
    for how in (lambda x: normalized(x, 1e-5, 0.2, (1, 1)), lambda x: plain(x, 0.2, (1, 1))):
        torch.manual_seed(1)
        x = last(torch.randn(2, 3, 6, 5)).requires_grad_()
        (gradient,) = torch.autograd.grad((how(x) ** 3).sum(), x, create_graph=True)
        (twice,) = torch.autograd.grad((gradient**2).sum(), x)
        found.append(twice)
    torch.testing.assert_close(*found, rtol=1e-4, atol=1e-4)


def networks() -> tuple[nn.Module, nn.Module]:
    torch.manual_seed(2)
    generator = ResNetGenerator(
        PICTURES, PICTURES, ResNetOptions(channels=4, blocks=1, downsamplings=1)
    )
    logits = TensorSpec(channels=1, sizes=(1, 1), range=None)
    return generator, PatchGAN(PICTURES, logits, PatchGANOptions(channels=4, layers=2))


def losses(generator: nn.Module, discriminator: nn.Module) -> list[Tensor]:
    """Everything that a step computes by the networks."""
    torch.manual_seed(3)
    fake = generator(torch.rand(2, 3, 16, 12) * 2 - 1)
    logits = discriminator(fake)
    parameters = [*generator.parameters(), *discriminator.parameters()]
    return [fake, logits, *torch.autograd.grad(logits.square().mean(), parameters)]


def test_networks_compute_the_same_by_it(calls: list[tuple[int, ...]]) -> None:
    together = networks()
    found = losses(*together)
    assert calls == []  # of maps that lie channel by channel
    for network in together:
        lay_channels_last(network)
    fused_found = losses(*together)
    # All five norms of the generator: in, down, two of a block, up. And both of the discriminator.
    assert len(calls) == 5 + 2
    for one, other in zip(found, fused_found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


def test_statistics_that_are_held_stay_held(calls: list[tuple[int, ...]]) -> None:
    """Tiles of a large picture are normalised by the whole's."""
    generator, _ = networks()
    lay_channels_last(generator)
    whole, other = torch.rand(2, 1, 3, 16, 12).unbind()
    with torch.no_grad(), collect_statistics(generator) as statistics:
        seen = generator(whole)
    with torch.no_grad(), fixed_statistics(generator, statistics):
        torch.testing.assert_close(generator(whole), seen)
        held = generator(other)
    assert calls == []
    with torch.no_grad():
        assert not torch.allclose(generator(other), held)
    assert len(calls) == 5
