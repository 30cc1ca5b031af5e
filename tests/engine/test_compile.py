"""Compiled networks train as the others do; what cannot be compiled is refused in one sentence."""

import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from support import SMALL, Cli, make_trainer, training

from cyclekit.engine.trainer import Trainer

arguments = training("image", "horse2zebra", SMALL)


def steps(trainer: Trainer, count: int) -> None:
    for _ in range(count):
        trainer.train_step()
        trainer.step += 1


def weights(trainer: Trainer) -> dict[str, torch.Tensor]:
    return {
        f"{name}.{key}": value.clone()
        for name, network in trainer.model.networks.items()
        for key, value in network.state_dict().items()
    }


@pytest.mark.slow
def test_compiled_networks_learn_the_same_and_are_saved_alike(
    folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    learned = {}
    calls = 0

    def counted(graph: Any, examples: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        return graph.forward  # compiling to C++ would take minutes; what is traced is the same

    monkeypatch.setenv("CXX", sys.executable)  # nothing is asked of it
    plain_compile = torch.compile
    monkeypatch.setattr(
        torch, "compile", lambda network, **options: plain_compile(network, backend=counted)
    )
    for compiled in (False, True):
        folder = tmp_path / str(compiled)
        folder.mkdir()
        trainer, _ = make_trainer(folders, folder, train__compile=compiled)
        steps(trainer, 2)
        learned[compiled] = weights(trainer)
        assert bool(calls) == compiled
    torch.testing.assert_close(learned[True], learned[False], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("paid", ["loss=wgan-gp", "regularization.r2=0.5"])
def test_a_penalty_on_gradients_cannot_be_compiled(
    paid: str, cli: Cli, folders: Path, tmp_path: Path
) -> None:
    outcome = cli(
        *arguments(folders, tmp_path / "run"),
        "--set=train.compile=true",
        f"--set=objective.adversarial.{paid}",
    )
    assert outcome.code == 2
    assert "second derivatives" in outcome.err
    assert not (tmp_path / "run").exists()


def test_a_missing_compiler_is_named(
    cli: Cli, folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    outcome = cli(*arguments(folders, tmp_path / "run"), "--set=train.compile=true")
    assert outcome.code == 2
    assert "no-such-compiler" in outcome.err
