"""The published shapes, and the small ones."""

from dataclasses import replace

import pytest
import torch
from cyclekit_audio.networks import DISCRIMINATORS, GENERATORS, Shuffle1d
from torch import nn

from cyclekit.api import RecipeError, TensorSpec

SPEC = TensorSpec(1, sizes=(80, None), range=None)
MASKED = replace(SPEC, channels=2)


def build(name: str, source: TensorSpec = SPEC, **options: object) -> nn.Module:
    (network,) = [network for network in GENERATORS if network.name == name]
    return network.build(source, SPEC, network.options.model_validate(options))


def judge(name: str, **options: object) -> nn.Module:
    (network,) = [network for network in DISCRIMINATORS if network.name == name]
    return network.build(SPEC, SPEC.logits(), network.options.model_validate(options))


def millions(network: nn.Module) -> float:
    return sum(p.numel() for p in network.parameters()) / 1e6


def test_maskcyclegan_vcs_generator_and_discriminator() -> None:
    assert millions(build("vc2", MASKED)) == pytest.approx(24.54, abs=0.005)
    network = judge("vc2")
    assert millions(network) == pytest.approx(6.20, abs=0.005)
    assert network(torch.randn(1, 1, 80, 64)).shape == (1, 1, 10, 8)


@pytest.mark.parametrize("name", ["vc2", "gated", "tiny"])
@pytest.mark.parametrize("source", [SPEC, MASKED], ids=["plain", "masked"])
@pytest.mark.parametrize("residual", [False, True])
def test_generators_keep_shape(name: str, source: TensorSpec, residual: bool) -> None:
    network = build(name, source, channels=8, blocks=1, residual=residual)
    for frames in (16, 64, 100):
        x = torch.randn(2, source.channels, 80, frames)
        assert network(x).shape == (2, 1, 80, frames)


def test_a_residual_generator_begins_near_the_identity() -> None:
    x = torch.randn(1, 1, 80, 64)
    assert (build("tiny", residual=True)(x) - x).abs().mean() < 0.5
    assert (build("tiny", residual=False)(x) - x).abs().mean() > 0.5


@pytest.mark.parametrize("name", ["vc2", "tiny", "gated", "patchgan"])
def test_discriminators_judge_patches(name: str) -> None:
    logits = judge(name, channels=4)(torch.randn(2, 1, 80, 64))
    assert logits.shape[:2] == (2, 1)
    assert logits[0].numel() > 4


@pytest.mark.parametrize("name", ["vc2", "tiny"])
def test_mel_bands_that_cannot_be_halved_twice_are_refused(name: str) -> None:
    with pytest.raises(RecipeError, match="divide by 4"):
        build(name, replace(SPEC, sizes=(82, None)))


def test_shuffling_interleaves_frames() -> None:
    x = torch.arange(8.0).view(1, 4, 2)
    assert Shuffle1d()(x).tolist() == [[[0, 2, 1, 3], [4, 6, 5, 7]]]
