"""Losses against values computed by hand."""

import math

import pytest
import torch

from cyclekit.engine.losses import ADVERSARIAL_LOSSES, gradient_penalty

LOGITS = torch.tensor([[0.5, -1.0], [2.0, 0.0]])


def softplus(x: float) -> float:
    return math.log1p(math.exp(x))


@pytest.mark.parametrize(
    ("name", "real", "fake", "generator"),
    [
        # ((-.5)^2 + (-2)^2 + 1 + (-1)^2) / 4, (.25 + 1 + 4 + 0) / 4
        ("lsgan", 6.25 / 4, 5.25 / 4, 6.25 / 4),
        (
            "vanilla",
            sum(softplus(-x) for x in (0.5, -1, 2, 0)) / 4,
            sum(softplus(x) for x in (0.5, -1, 2, 0)) / 4,
            sum(softplus(-x) for x in (0.5, -1, 2, 0)) / 4,
        ),
        # relu(1 - x): .5 2 0 1; relu(1 + x): 1.5 0 3 1; -mean: -.375
        ("hinge", 3.5 / 4, 5.5 / 4, -0.375),
        ("wgan-gp", -0.375, 0.375, -0.375),
    ],
)
def test_values_by_hand(name: str, real: float, fake: float, generator: float) -> None:
    loss = ADVERSARIAL_LOSSES[name]
    assert loss.real(LOGITS).item() == pytest.approx(real)
    assert loss.fake(LOGITS).item() == pytest.approx(fake)
    assert loss.generator(LOGITS).item() == pytest.approx(generator)


def test_gradient_penalty_of_a_linear_critic() -> None:
    # The gradient of w.x is w everywhere: |w| = 5, so the penalty is 16.
    weight = torch.tensor([3.0, 4.0], requires_grad=True)
    real, fake = torch.randn(3, 2), torch.randn(3, 2)
    penalty = gradient_penalty(lambda x: x @ weight, real, fake, torch.rand(3))
    assert penalty.item() == pytest.approx(16.0)
    penalty.backward()
    assert weight.grad is not None  # the critic really pays: d/dw (|w| - 1)^2 = 2 (|w| - 1) w / |w|
    torch.testing.assert_close(weight.grad, 2 * 4 * torch.tensor([0.6, 0.8]))


def test_gradient_penalty_is_taken_between_real_and_fake() -> None:
    # The gradient of x^2/2 is x itself, so the penalty tells where it was taken.
    real, fake = torch.full((1, 1), 4.0), torch.full((1, 1), 2.0)
    for share, where in ((0.0, 2.0), (1.0, 4.0), (0.25, 2.5)):
        penalty = gradient_penalty(lambda x: x**2 / 2, real, fake, torch.tensor([share]))
        assert penalty.item() == pytest.approx((where - 1) ** 2)


def test_gradient_penalty_of_patches() -> None:
    # Four logits, each a sample's value: their sum's gradient has length 2, their mean's .5.
    real, fake = torch.randn(3, 1, 4), torch.randn(3, 1, 4)
    for patches, steepness in (("sum", 2.0), ("mean", 0.5)):
        penalty = gradient_penalty(lambda x: x, real, fake, torch.rand(3), patches)
        assert penalty.item() == pytest.approx((steepness - 1) ** 2)


def test_gradient_penalty_of_no_gradient_is_finite() -> None:
    weight = torch.zeros(2, requires_grad=True)
    real, fake = torch.randn(3, 2), torch.randn(3, 2)
    penalty = gradient_penalty(lambda x: x @ weight, real, fake, torch.rand(3))
    penalty.backward()
    assert penalty.item() == 1.0
    assert weight.grad is not None
    assert weight.grad.isfinite().all()
