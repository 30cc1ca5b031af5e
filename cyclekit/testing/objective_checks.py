"""Checks of an objective: what it states, and that its parts are its whole."""

import copy
from collections.abc import Mapping

import torch
from torch import Tensor

from cyclekit.engine.declarations import Phase
from cyclekit.engine.objective import complete_loss
from cyclekit.engine.step import Step
from cyclekit.engine.terms import Losses
from cyclekit.testing.checks import check
from cyclekit.testing.faults import calling, require
from cyclekit.testing.subject import Subject

CLOSE = 1e-4  # of float32 sums in another order


@check("parts", "checkpoint")
def partial_losses(subject: Subject) -> None:
    """``parts`` add up to ``losses``, and each names the networks that it trains."""
    trainer = subject.new_trainer()
    model, networks = trainer.model, trainer.model.networks
    for network in networks.values():
        network.eval()  # dropout, and norms that count their calls, would tell the two ways apart
    found = []
    for in_parts in (False, True):
        objective = copy.deepcopy(model.objective)
        batch = trainer.batches.batch(0, 0, torch.device("cpu"))
        step = Step(0, 0, positions=[0])
        sums: dict[str, Tensor] = {}
        for phase in objective.phases:
            for name in networks:
                for parameter in model.trained(name):
                    parameter.requires_grad_(name in phase.trains)
            asked = (phase, networks, batch, step)
            for part in (
                objective.partial_losses(*asked) if in_parts else [complete_loss(objective, *asked)]
            ):
                with calling(f"The losses of phase {phase.name!r}"):
                    losses = part.losses()
                _require_losses(losses, phase)
                torch.autograd.backward(losses.total)
                for name, term in {phase.name: losses.total, **losses.terms}.items():
                    sums[name] = sums.get(name, torch.zeros(())) + term.detach()
                _require_named(part.trains, phase, networks)
        found.append(sums)
    one, other = found
    require(
        one.keys() == other.keys()
        and all(torch.allclose(one[name], other[name], rtol=CLOSE, atol=CLOSE) for name in one),
        f"The objective's parts do not add up to its losses ({_shown(other)} against "
        f"{_shown(one)}): whoever changes losses of an objective with terms changes parts too.",
    )


def _require_losses(losses: Losses, phase: Phase) -> None:
    require(
        isinstance(losses, Losses) and losses.total.dim() == 0,
        f"losses must return Losses with a scalar total, in phase {phase.name!r}.",
    )
    kept = [name for name, term in losses.terms.items() if term.requires_grad]
    require(not kept, f"Losses.terms must be detached: {', '.join(kept)}.")


def _require_named(trains: tuple[str, ...], phase: Phase, networks: Mapping[str, object]) -> None:
    """Gradients are where the part says, and nowhere else."""
    for name in phase.trains:
        network = networks[name]
        assert isinstance(network, torch.nn.Module)
        moved = any(p.grad is not None and bool(p.grad.any()) for p in network.parameters())
        require(
            not moved or name in trains,
            f"A part of phase {phase.name!r} trains {name}, which it does not name: name it in "
            f"Term.networks, or Part.trains.",
        )
        network.zero_grad(set_to_none=True)


def _shown(sums: Mapping[str, Tensor]) -> str:
    return ", ".join(f"{name} {value.item():.5g}" for name, value in sums.items())
