"""Layers that are computed again for the backward pass: nothing changes but what is kept."""

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from cyclekit.api import ResNetGenerator, ResNetOptions, TensorSpec
from cyclekit.nets.recompute import spare_memory

SPEC = TensorSpec(1, (None, None))


def pair(**options: Any) -> tuple[nn.Module, nn.Module]:
    """A generator, and one with the same weights that keeps less."""
    torch.manual_seed(0)
    made = ResNetOptions.model_validate({"channels": 4, "blocks": 3} | options)
    usual = ResNetGenerator(SPEC, SPEC, made).double()
    sparing = copy.deepcopy(usual)
    spare_memory(sparing)
    return usual, sparing


@contextmanager
def kept() -> Iterator[list[int]]:
    """Numbers that the graph keeps for its backward pass, as they come."""
    sizes: list[int] = []

    def pack(x: Tensor) -> Tensor:
        sizes.append(x.numel())
        return x

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda x: x):
        yield sizes


def gradients(network: nn.Module, call: Callable[[nn.Module], Tensor]) -> list[Tensor]:
    torch.manual_seed(1)  # dropout
    call(network).square().sum().backward()
    return [p.grad for p in network.parameters() if p.grad is not None]


@pytest.mark.parametrize(
    "options",
    [{}, {"dropout": 0.5}, {"activate_sum": True, "affine": True}, {"norm": "none"}],
    ids=["plain", "dropout", "activated sums", "no norm"],
)
def test_gradients_are_the_same(options: dict[str, object]) -> None:
    x = torch.randn(2, 1, 16, 16, dtype=torch.float64)
    usual, sparing = pair(**options)
    # Twice in one graph, as in a cycle; dropout must come back to the right one of the two.
    wanted, got = (gradients(network, lambda f: f(f(x))) for network in (usual, sparing))
    assert len(wanted) == len(got) > 0
    for one, other in zip(wanted, got, strict=True):
        assert one.equal(other)


def test_under_autocast_too() -> None:
    x = torch.randn(2, 1, 16, 16)
    usual, sparing = (network.float() for network in pair())
    with torch.autocast("cpu", torch.bfloat16):
        wanted, got = (gradients(network, lambda f: f(x)) for network in (usual, sparing))
    for one, other in zip(wanted, got, strict=True):
        assert one.equal(other)


def test_less_is_kept_in_training_alone() -> None:
    x = torch.randn(1, 1, 32, 32, dtype=torch.float64)
    usual, sparing = pair(blocks=9)
    numbers = []
    for network in (usual, sparing):
        with kept() as sizes:
            network(x)
        numbers.append(sum(sizes))
    assert numbers[1] < numbers[0] / 2
    usual.eval()
    sparing.eval()
    assert usual(x).equal(sparing(x))
    assert list(usual.state_dict()) == list(sparing.state_dict())


def test_batch_norm_counts_a_batch_once() -> None:
    x = torch.randn(2, 1, 16, 16, dtype=torch.float64)
    usual, sparing = pair(norm="batch")
    for network in (usual, sparing):
        gradients(network, lambda f: f(x))
    for one, other in zip(usual.buffers(), sparing.buffers(), strict=True):
        assert one.equal(other)
