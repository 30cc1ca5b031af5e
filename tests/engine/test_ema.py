"""The moving average of weights."""

from pathlib import Path

import torch
from support import make_trainer
from torch import nn

from cyclekit.engine.ema import MovingAverage


def test_follows_the_weights_by_hand() -> None:
    network = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(network.weight)
    average = MovingAverage({"g": network}, decay=0.9)
    nn.init.ones_(network.weight)
    average.update(1000)
    torch.testing.assert_close(average.networks["g"].weight.item(), 0.1)
    average.update(1001)
    torch.testing.assert_close(average.networks["g"].weight.item(), 0.19)


def test_the_random_start_is_soon_forgotten() -> None:
    network = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(network.weight)
    average = MovingAverage({"g": network}, decay=0.999)
    nn.init.ones_(network.weight)
    for step in range(1, 101):
        average.update(step)
    assert average.networks["g"].weight.item() > 0.99  # a constant .999 would be at .1


def test_weights_count_as_a_power_of_their_step() -> None:
    network = nn.Linear(2, 1, bias=False)
    average = MovingAverage({"g": network}, decay=0.999999, share=0.25)
    for step in range(1, 2001):
        share = step / 2000
        network.weight.data = torch.tensor([[share, share**2]])
        average.update(step)
    # The means of t and its square under a density in proportion to t ** 3 on 0..1.
    means = torch.tensor([[4 / 5, 4 / 6]])
    torch.testing.assert_close(average.networks["g"].weight, means, rtol=0, atol=2e-3)


def test_the_recipe_says_how_far_back_it_reaches(folders: Path, tmp_path: Path) -> None:
    trainer, _ = make_trainer(
        folders, tmp_path, train__ema=0.9999, train__ema_share=0.5, train__steps=1
    )
    weight = next(trainer.model.networks["generator_a2b"].parameters())
    start = weight.detach().clone()
    trainer.fit(lambda: None)
    assert trainer.average is not None
    averaged = next(trainer.average.networks["generator_a2b"].parameters())
    torch.testing.assert_close(averaged, (start + weight) / 2)  # after the first step: half of each


def test_takes_no_gradient_and_follows_buffers() -> None:
    network = nn.BatchNorm1d(2)
    average = MovingAverage({"g": network}, decay=0.5)
    network.running_mean.fill_(3.0)
    average.update(1)
    copied = average.networks["g"]
    assert not any(parameter.requires_grad for parameter in copied.parameters())
    assert copied.running_mean.tolist() == [3.0, 3.0]
