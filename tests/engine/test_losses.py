"""Losses against values computed by hand."""

import math

import pytest
import torch

from cyclekit.engine.losses import ADVERSARIAL_LOSSES
from cyclekit.errors import RecipeError

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


def test_a_loss_of_pairs_compares_fakes_with_real_samples() -> None:
    loss = ADVERSARIAL_LOSSES["relativistic"]
    fakes = torch.tensor([[1.0, 1.0], [0.0, 0.0]])
    # real - fake: -.5, -2, 2, 0
    discriminator = sum(softplus(-x) for x in (-0.5, -2, 2, 0)) / 4
    assert loss.discriminator(LOGITS, fakes).item() == pytest.approx(discriminator)
    assert loss.pairs is not None
    generator = sum(softplus(x) for x in (-0.5, -2, 2, 0)) / 4
    assert loss.pairs(fakes, LOGITS).item() == pytest.approx(generator)
    with pytest.raises(RecipeError, match="compares a fake's logits with a real sample's"):
        loss.real(LOGITS)


def test_other_losses_halve_both_sides() -> None:
    assert ADVERSARIAL_LOSSES["lsgan"].discriminator(LOGITS, LOGITS).item() == pytest.approx(
        (6.25 + 5.25) / 8
    )


@pytest.mark.parametrize("name", ADVERSARIAL_LOSSES)
def test_guessing_costs_what_is_said(name: str) -> None:
    """Of all answers that are the same for everything, the cheapest."""
    loss = ADVERSARIAL_LOSSES[name]
    answers = torch.linspace(-2, 2, 401)
    cheapest = min(float(loss.discriminator(answer, answer)) for answer in answers)
    if loss.undecided is None:
        assert cheapest == 0  # whatever the answer is
    else:
        assert cheapest == pytest.approx(loss.undecided, abs=1e-6)
    assert loss.undecided_of(["one"]) == ({} if loss.undecided is None else {"one": loss.undecided})
