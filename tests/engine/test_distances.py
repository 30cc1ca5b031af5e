"""What distances say of samples of two values, of which one is rare."""

import pytest
import torch
from torch import Tensor

from cyclekit.contract.tensors import TensorSpec
from cyclekit.engine.distances import cross_entropy, distance, l1
from cyclekit.errors import RecipeError

ROLL = TensorSpec(1, sizes=(16, 12), range=(0.0, 1.0))


def tune(voices: int = 1, batch: int = 2) -> Tensor:
    """A pitch a step for each voice."""
    roll = torch.zeros(batch, 1, 16, 12)
    for step in range(16):
        for voice in range(voices):
            roll[:, :, step, (5 * step + 3 * voice) % 12] = 1
    return roll


def test_from_the_truth_to_knowing_nothing() -> None:
    roll = tune()
    assert cross_entropy(roll, roll, ROLL) < 1e-3
    assert cross_entropy(torch.full_like(roll, 1 / 12), roll, ROLL).item() == pytest.approx(1, 1e-3)


def test_who_is_not_sure_does_better_to_say_so_than_to_be_silent() -> None:
    """A note is at one of two places, as often at either."""
    first, second = torch.zeros(2, 1, 1, 8).unbind()
    first[..., 2] = second[..., 3] = 1
    either, truth = torch.zeros(2, 1, 1, 8), torch.stack([first, second])
    either[..., 2:4] = 0.5
    silence = torch.zeros_like(either)
    spec = TensorSpec(1, sizes=(1, 8), range=(0.0, 1.0))
    assert cross_entropy(either, truth, spec) < cross_entropy(silence, truth, spec) / 2
    assert l1(silence, truth) <= l1(either, truth)


def test_a_tune_counts_as_much_as_four_voices() -> None:
    half_known = [(tune(voices) + tune(voices).mean()) / 2 for voices in (1, 4)]
    one, four = (cross_entropy(half_known[i], tune(v), ROLL).item() for i, v in enumerate((1, 4)))
    assert one == pytest.approx(four, rel=0.3)
    plain = [l1(torch.zeros(1, 1, 16, 12), tune(voices, batch=1)) for voices in (1, 4)]
    assert plain[1] == 4 * plain[0]  # what silence costs by L1


def test_what_is_sure_and_wrong_can_still_be_learned() -> None:
    made = torch.zeros(1, 1, 16, 12, requires_grad=True)
    cross_entropy(made, tune(batch=1), ROLL).backward()
    assert made.grad is not None
    assert made.grad.isfinite().all()
    assert (made.grad[tune(batch=1) == 1] < 0).all()


def test_what_is_beyond_the_range_is_drawn_back() -> None:
    truth = tune(batch=1)
    made = (3 * truth - 1).requires_grad_()  # 2 where there is a note, -1 where there is none
    cost = cross_entropy(made, 1 - truth, ROLL)
    assert cost.item() == pytest.approx(cross_entropy(truth, 1 - truth, ROLL).item(), 1e-5)
    cost.backward()
    assert made.grad is not None
    assert (made.grad[truth == 1] > 0).all()
    assert (made.grad[truth == 0] < 0).all()


def test_silence_is_no_division_by_zero() -> None:
    silence = torch.zeros(1, 1, 16, 12)
    assert cross_entropy(silence, silence, ROLL) < 0.1
    assert cross_entropy(tune(batch=1), silence, ROLL).isfinite()


def test_two_halves_are_one_batch() -> None:
    """As two ranks are, whatever each of them holds."""
    truth = torch.cat([tune(1), tune(4)]).double()
    made = (0.8 * truth + 0.1).double()
    halves = [cross_entropy(m, t, ROLL) for m, t in zip(made.chunk(2), truth.chunk(2), strict=True)]
    assert cross_entropy(made, truth, ROLL).item() == pytest.approx(sum(halves).item() / 2, 1e-12)


def test_gaps_cost_nothing() -> None:
    truth, made = tune(batch=1), 0.8 * tune(batch=1) + 0.1
    valid = torch.zeros_like(truth, dtype=torch.bool)
    valid[:, :, :8] = True
    other = made.clone()
    other[:, :, 8:] = 0.7
    short = TensorSpec(1, sizes=(8, 12), range=(0.0, 1.0))
    half = cross_entropy(made[:, :, :8], truth[:, :, :8], short)
    assert cross_entropy(other, truth, ROLL, valid).item() == pytest.approx(half.item(), 1e-5)


def test_any_range_will_do_but_none() -> None:
    truth, made = tune(), 0.8 * tune() + 0.1
    wide = TensorSpec(1, sizes=(16, 12), range=(-1.0, 1.0))
    same = distance("cross_entropy", 2 * made - 1, 2 * truth - 1, wide)
    assert same.item() == pytest.approx(cross_entropy(made, truth, ROLL).item(), 1e-5)
    with pytest.raises(RecipeError, match=r"objective\.distance=cross_entropy needs.*Take l1"):
        distance("cross_entropy", made, truth, TensorSpec(1, sizes=(16, 12), range=None))
