"""The moving average of weights."""

import torch
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
    network = nn.Linear(1, 1, bias=False)
    average = MovingAverage({"g": network}, decay=0.999999, share=0.25)
    for step in range(1, 2001):
        nn.init.constant_(network.weight, step)
        average.update(step)
    # The mean of t under a density of t ** 3 on 0..2000.
    assert abs(average.networks["g"].weight.item() / 2000 - 4 / 5) < 0.002


def test_takes_no_gradient_and_follows_buffers() -> None:
    network = nn.BatchNorm1d(2)
    average = MovingAverage({"g": network}, decay=0.5)
    network.running_mean.fill_(3.0)
    average.update(1)
    copied = average.networks["g"]
    assert not any(parameter.requires_grad for parameter in copied.parameters())
    assert copied.running_mean.tolist() == [3.0, 3.0]
