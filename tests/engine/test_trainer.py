"""What a trainer gives back when it is restored."""

import copy
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from support import as_restored, make_trainer
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from cyclekit.engine.terms import Losses
from cyclekit.engine.trainer import Trainer
from cyclekit.nets.patchgan import PatchGAN
from cyclekit.nets.spectral import spectral_norms


class Roundings(TorchDispatchMode):
    """Counts how often each tensor was rounded to bf16, by where it lies."""

    def __init__(self) -> None:
        super().__init__()
        self.of: Counter[int] = Counter()

    def __torch_dispatch__(
        self, operator: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if operator is torch.ops.aten._to_copy.default and kwargs.get("dtype") == torch.bfloat16:
            self.of[args[0].data_ptr()] += 1
        return operator(*args, **kwargs)


def weights(trainer: Trainer) -> torch.Tensor:
    networks = trainer.model.networks.values()
    return torch.cat([p.detach().flatten() for net in networks for p in net.parameters()])


def test_moments_come_back_in_their_parameters_memory_format(folders: Path, tmp_path: Path) -> None:
    """A fused step reads parameter and moments side by side, whatever order they lie in."""

    def made(name: str) -> Trainer:
        trainer, prepared = make_trainer(folders, tmp_path / name, objective__history_size=0)
        for network in prepared.model.networks.values():
            network.to(memory_format=torch.channels_last)
        return trainer

    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    one, two = made("one"), made("two")
    for _ in range(2):
        one.train_step()
        one.step += 1
    state = copy.deepcopy(one.state_dict())
    for optimizer in state["optimizers"].values():  # as they are in another program's checkpoint
        for moments in optimizer["state"].values():
            moments |= {name: value.contiguous() for name, value in moments.items()}
    two.load_state(as_restored(state))
    for name, network in two.model.networks.items():
        network.load_state_dict(one.model.networks[name].state_dict())
    assert weights(one).equal(weights(two))
    for trainer in (one, two):
        trainer.train_step()
    assert weights(one).equal(weights(two))
    kernel = next(p for p in two.model.networks["generator_a2b"].parameters() if p.dim() == 4)
    (moments,) = [o.state[kernel] for o in two._optimizers.values() if kernel in o.state]
    assert kernel.is_contiguous(memory_format=torch.channels_last)
    assert moments["exp_avg"].stride() == kernel.stride()


def test_a_run_in_16_mixed_goes_on_in_another_precision(folders: Path, tmp_path: Path) -> None:
    """Its Adam was not fused, as a loss scale wants it."""
    trainer, _ = make_trainer(folders, tmp_path)
    trainer.train_step()
    state = copy.deepcopy(trainer.state_dict())
    for optimizer in state["optimizers"].values():
        for group in optimizer["param_groups"]:
            group["fused"] = False
    trainer.load_state(as_restored(state))
    before = weights(trainer)
    trainer.train_step()
    assert not weights(trainer).equal(before)


def test_networks_are_rounded_once_and_losses_never(
    folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer, prepared = make_trainer(folders, tmp_path, train__precision="bf16-mixed")
    objective, products = prepared.model.objective, []
    losses = objective.losses

    def watched(*arguments: Any) -> Losses:
        products.append(torch.ones(2, 2) @ torch.ones(2, 2))
        return losses(*arguments)

    monkeypatch.setattr(objective, "losses", watched)
    weights = prepared.model.networks["generator_a2b"].state_dict()
    largest = max(weights.values(), key=Tensor.numel)
    with Roundings() as rounded:
        trainer.train_step()
    assert [product.dtype for product in products] == [torch.float32] * 2
    times = rounded.of[largest.data_ptr()]
    assert times == 1  # for the translations, the identities and the way back


def test_spectral_norms_move_on_once_in_a_step(folders: Path, tmp_path: Path) -> None:
    """However often a discriminator is called."""
    trainer, prepared = make_trainer(folders, tmp_path, discriminator__spectral_norm=True)
    norms = list(spectral_norms(prepared.model.networks["discriminator_a"]))
    expected = []
    for norm, weight in norms:
        once = copy.deepcopy(norm)
        once.advance(weight)
        expected.append(once._u)
    trainer.train_step()
    for (norm, _), u in zip(norms, expected, strict=True):
        torch.testing.assert_close(norm._u, u)
    assert len(norms) > 1


def test_what_an_author_froze_stays_as_it_is(
    folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as features that somebody else trained: no step moves them, and the run says so."""
    make = PatchGAN.__init__

    def half_frozen(self: PatchGAN, *settings: Any) -> None:
        make(self, *settings)
        next(self.parameters()).requires_grad_(False)

    monkeypatch.setattr(PatchGAN, "__init__", half_frozen)
    trainer, prepared = make_trainer(folders, tmp_path, train__steps=2)
    judge = trainer.model.networks["discriminator_a"]
    before = {name: value.detach().clone() for name, value in judge.named_parameters()}
    trainer.train_step()
    kept = [name for name, value in judge.named_parameters() if value.equal(before[name])]
    assert kept == list(before)[:1]
    said = [line for line in prepared.describe(trainer.fabric) if "discriminator_a" in line]
    assert "are trained, the others frozen" in said[0]
