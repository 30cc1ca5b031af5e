"""The published sizes and shapes, and a start that leaves pieces as they are."""

import pytest
import torch
from cyclekit_music.genre import genre_network
from cyclekit_music.networks import (
    DISCRIMINATORS,
    GENERATORS,
    BrunnerOptions,
    PhraseDiscriminator,
    PhraseDiscriminatorOptions,
    RollGenerator,
    TinyOptions,
)
from pydantic import ValidationError
from torch import nn

from cyclekit.api import TensorSpec

PAPER = TensorSpec(channels=1, sizes=(64, 84), range=(0.0, 1.0))


def parameters(network: nn.Module, least_axes: int = 1) -> int:
    return sum(p.numel() for p in network.parameters() if p.dim() >= least_axes)


def test_the_papers_generator_has_its_size() -> None:
    network = RollGenerator(PAPER, PAPER, BrunnerOptions())
    assert parameters(network, least_axes=4) == 12_540_032  # convolutions
    assert parameters(network) == pytest.approx(12.54e6, rel=1e-3)  # norms and a bias included


@pytest.mark.parametrize(
    ("kernels", "weights"), [((7, 7, 7), 818_496), ((4, 4, 1), 263_424)], ids=["code", "table"]
)
def test_the_papers_discriminator_has_its_size(kernels: tuple[int, int, int], weights: int) -> None:
    judge = PhraseDiscriminator(PAPER, PAPER.logits(), PhraseDiscriminatorOptions(kernels=kernels))
    assert parameters(judge, least_axes=4) == weights
    assert judge(torch.rand(2, 1, 64, 84)).shape == (2, 1, 16, 21)


def test_deeper_discriminators_see_more() -> None:
    """Four halvings: each logit sees 61 steps and pitches, where the published one sees 43."""
    options = PhraseDiscriminatorOptions(
        channels=(8, 16, 16, 16), kernels=(5, 5, 5, 5, 1), norm="none"
    )
    judge = PhraseDiscriminator(PAPER, PAPER.logits(), options)
    roll = torch.rand(1, 1, 64, 84, requires_grad=True)
    logits = judge(roll)
    assert logits.shape == (1, 1, 4, 6)
    logits[0, 0, 2, 3].backward()
    assert roll.grad is not None
    seen = roll.grad[0, 0].abs().sum(0).nonzero()
    assert seen.max() - seen.min() + 1 == 61


def test_a_kernel_that_is_missing_is_named() -> None:
    with pytest.raises(ValidationError, match=r"3 widths need 4 kernels.*but there are 3"):
        PhraseDiscriminatorOptions(channels=(8, 16, 32))


def test_the_papers_classifier_has_its_size() -> None:
    network = genre_network(2)
    assert parameters(network, least_axes=4) == 1_154_816
    assert network(torch.rand(3, 1, 64, 84)).shape == (3, 2)


def test_rolls_keep_their_shape_and_range() -> None:
    spec = TensorSpec(channels=2, sizes=(64, 84), range=(0.0, 1.0))
    made = RollGenerator(spec, spec, TinyOptions())(torch.rand(2, 2, 64, 84))
    assert made.shape == (2, 2, 64, 84)
    assert 0 <= made.min() <= made.max() <= 1


def test_a_generator_that_keeps_begins_as_the_identity() -> None:
    spec = TensorSpec(channels=2, sizes=(64, 84), range=(0.0, 1.0))
    roll = (torch.rand(1, 2, 64, 84) < 0.1).float()

    def kept(keep: float) -> float:
        made = RollGenerator(spec, spec, TinyOptions(identity_logit=keep))(roll)
        return float(((made >= 0.5) == (roll > 0)).float().mean())

    assert kept(2.0) > 0.999
    assert kept(0.0) < 0.9


def test_every_network_names_itself_once() -> None:
    for networks in (GENERATORS, DISCRIMINATORS):
        names = [network.name for network in networks]
        assert len(set(names)) == len(names)
