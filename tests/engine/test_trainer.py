"""What a trainer gives back when it is restored."""

import copy
from pathlib import Path

import torch
from support import make_trainer

from cyclekit.engine.trainer import Trainer


def weights(trainer: Trainer) -> torch.Tensor:
    networks = trainer.model.networks.values()
    return torch.cat([p.detach().flatten() for net in networks for p in net.parameters()])


def test_moments_come_back_in_their_parameters_memory_format(folders: Path, tmp_path: Path) -> None:
    """A fused step reads parameter and moments side by side, whatever order they lie in."""

    def made(name: str) -> Trainer:
        trainer, prepared = make_trainer(folders, tmp_path / name, history__size=0)
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
    two.load_state_dict(state)
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
