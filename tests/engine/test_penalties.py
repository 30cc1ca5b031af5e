"""Penalties on gradients, and the gradients of these, against values worked out by hand."""

import pytest
import torch
from torch import Tensor, nn

from cyclekit.engine.penalties import (
    RegularizationOptions,
    gradient_penalty,
    penalty_groups,
    zero_centred_penalty,
)


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


class Critic(nn.Module):
    """``v . tanh(W x)``: one logit for a sample."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.inner = nn.Parameter(torch.randn(4, 3, dtype=torch.float64))
        self.outer = nn.Parameter(torch.randn(4, dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = torch.tanh(x @ self.inner.T.to(x.dtype)) @ self.outer.to(x.dtype)
        return logits


def test_second_gradients_of_r1_by_hand() -> None:
    critic, x = Critic(), torch.randn(5, 3, dtype=torch.float64)
    penalty = zero_centred_penalty(critic, x)
    penalty.backward()

    inner, outer = critic.inner.detach(), critic.outer.detach()
    value, by_inner, by_outer = 0.0, torch.zeros(4, 3).double(), torch.zeros(4).double()
    for sample in x:
        t = torch.tanh(inner @ sample)
        bend = 1 - t**2  # tanh'
        gradient = inner.T @ (outer * bend)
        back = inner @ gradient
        value += float(gradient @ gradient) / 2 / len(x)
        by_outer += back * bend / len(x)
        # W is in the product itself, and in what tanh' is taken of: tanh'' = -2 tanh tanh'.
        by_inner += torch.outer(outer * bend, gradient) / len(x)
        by_inner += torch.outer(back * outer * -2 * t * bend, sample) / len(x)
    assert penalty.item() == pytest.approx(value, rel=1e-12)
    assert critic.inner.grad is not None
    assert critic.outer.grad is not None
    torch.testing.assert_close(critic.inner.grad, by_inner, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(critic.outer.grad, by_outer, rtol=1e-12, atol=1e-12)


def test_r1_does_not_depend_on_how_many_places_are_judged() -> None:
    # Each logit is three times its place: a gradient of 3 at each.
    for places in (1, 4, 100):
        penalty = zero_centred_penalty(lambda x: 3 * x, torch.randn(2, 1, places))  # type: ignore[arg-type]
        assert penalty.item() == pytest.approx(4.5)


def test_penalties_are_computed_in_full_precision_under_autocast() -> None:
    layer = nn.Conv1d(1, 2, 3)
    x = torch.randn(2, 1, 16)
    share = torch.rand(2)
    wanted = zero_centred_penalty(layer, x), gradient_penalty(layer, x, x + 1, share)
    with torch.autocast("cpu", torch.bfloat16):
        got = zero_centred_penalty(layer, x), gradient_penalty(layer, x, x + 1, share)
    assert got == wanted
    assert {penalty.dtype for penalty in got} == {torch.float32}


def test_lazy_penalties_are_paid_so_many_times_over() -> None:
    options = RegularizationOptions(r1=0.5, r2=2.0, every=4)
    shown: list[int] = []

    def seen() -> tuple[Tensor, Tensor]:
        shown.append(1)
        return torch.ones(1, 1, 2), torch.full((1, 1, 2), 3.0)

    squares: nn.Module = lambda x: x**2 / 2  # type: ignore[assignment] # noqa: E731
    for step in range(9):
        groups = list(penalty_groups(options, "judge", squares, seen, step))
        assert len(groups) == (0 if step % 4 else 2)
    terms = [term for group in groups for term in group.terms]
    assert [(term.name, term.weight) for term in terms] == [("r1_judge", 2.0), ("r2_judge", 8.0)]
    assert not shown
    # The gradient of x^2 / 2 is x, one logit for each place.
    assert [term.compute().item() for term in terms] == pytest.approx([0.5, 4.5])
