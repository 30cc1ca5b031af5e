"""Where the time of steps goes, and what is computed in them."""

import json
import time
from pathlib import Path

import pytest
import torch
from support import QUICK, Cli, as_options
from torch import nn

from cyclekit.engine.account import Account, CountedWork, convolution_speed
from cyclekit.training.timing import described

CPU = torch.device("cpu")


def test_operations_of_convolutions_products_and_their_gradients() -> None:
    convolution, product = nn.Conv2d(3, 5, 3, padding=1), nn.Linear(7, 11)
    x, y = torch.ones(2, 3, 8, 8), torch.ones(4, 7)
    with CountedWork() as forward:
        made = convolution(x).sum() + product(y).sum()
    convolved, multiplied = 2 * 2 * 5 * 64 * 3 * 9, 2 * 4 * 7 * 11
    assert forward.flop == convolved + multiplied
    with CountedWork() as backward:
        made.backward()
    # Nobody asked for the gradients of what goes in.
    assert backward.flop == convolved + multiplied


def test_phases_and_waiting_are_told_from_each_other() -> None:
    account, convolution, x = Account(CPU), nn.Conv2d(1, 1, 3), torch.ones(1, 1, 10, 10)

    def step(index: int) -> None:
        with account.waiting():
            time.sleep(0.002)
        with account.phase("judges"):
            convolution(x)
        if index % 2:
            with account.phase("makers"):
                convolution(x)
                time.sleep(0.02)

    assert account.read() is None
    for index in range(2):
        step(index)
    first = account.read()
    assert first is not None
    assert first.flop == 0, "the second phase has not been counted yet"
    for index in range(4):
        step(index)
    spent = account.read()
    assert spent is not None
    assert spent.seconds["makers"] > spent.seconds["data"]
    assert spent.seconds["makers"] >= 0.01
    assert spent.flop == 1.5 * 2 * 64 * 9
    assert account.read() is None


def test_a_device_has_a_speed_and_draws_nothing_to_tell_it() -> None:
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    assert convolution_speed(CPU, "32-true") > 1e6
    assert torch.rand(1) == expected


def test_a_training_says_once_where_its_time_goes(cli: Cli, folders: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    settings = QUICK | {"train.steps": 6, "train.log_every": 2, "train.evaluate_every": 0}
    done = cli("train", "--plugin=image", "--recipe=demo", f"--data={folders}",
               f"--run-dir={run}", "--accelerator=cpu", *as_options(settings))  # fmt: skip
    assert done.code == 0, done.err
    (told,) = [line for line in done.err.splitlines() if line.startswith("a step: ")]
    for word in ("generators ", "discriminators ", "waiting for data ", "GFLOP", "of memory"):
        assert word in told
    *_, last = map(json.loads, (run / "timing.jsonl").read_text().splitlines())
    parts = [last[f"seconds_{name}"] for name in ("data", "generators", "discriminators")]
    assert all(parts)
    assert sum(parts) < last["seconds_per_step"]
    assert last["gflop_per_step"] > 0.01
    assert last["share_of_peak"] > 0
    assert last["peak_memory_bytes"] > 10**8


@pytest.mark.parametrize("told", [{}, {"seconds_per_step": 1.0, "samples_per_second": 2.0}])
def test_nothing_is_said_of_what_was_not_measured(told: dict[str, float]) -> None:
    assert described(told) == ""
