"""Checks of an objective: what it states, and that its parts are its whole."""

import copy
import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from cyclekit.contract.declarations import Phase
from cyclekit.engine.model import Model
from cyclekit.engine.objective import complete_loss
from cyclekit.engine.step import Batch, Step
from cyclekit.engine.terms import Losses
from cyclekit.testing.checks import check
from cyclekit.testing.faults import calling, require
from cyclekit.testing.subject import Subject

CLOSE = 1e-4  # of float32 sums in another order
CLOSELY = {"rel_tol": 1e-3, "abs_tol": 1e-4}
TOGETHER = 2  # samples of a batch


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


@check("samples", "parts")
def samples_are_independent(subject: Subject) -> None:
    """What a sample contributes to a loss does not depend on the others in its batch."""
    trainer = subject.new_trainer()
    model = trainer.model
    for network in model.networks.values():
        network.eval()
    singles = [trainer.batches.draw(0, [place], torch.device("cpu")) for place in range(TOGETHER)]
    if any(len({batch[name].shape for batch in singles}) > 1 for name in singles[0]):
        return  # they are never in one batch
    whole = {name: torch.cat([batch[name] for batch in singles]) for name in singles[0]}
    together = _totals(model, whole, range(TOGETHER))
    alone = [_totals(model, batch, [place]) for place, batch in enumerate(singles)]
    mean = {name: sum(of[name] for of in alone) / len(alone) for name in together}
    odd = [name for name in together if not math.isclose(mean[name], together[name], **CLOSELY)]
    require(
        not odd,
        f"{', '.join(odd)} of two samples in one batch is not the mean of what both have alone "
        f"({', '.join(f'{together[name]:.5g} against {mean[name]:.5g}' for name in odd)}): several "
        f"ranks, or train.accumulate, would then train something else. Take means over samples, "
        f"and none of what differs between samples of a batch.",
    )


def _totals(model: Model, batch: Batch, positions: Sequence[int]) -> dict[str, float]:
    """The losses of every phase for a batch whose samples are at these places of the step's."""
    objective, step = copy.deepcopy(model.objective), Step(0, 0, positions=list(positions))
    found: dict[str, float] = {}
    for phase in objective.phases:
        losses = complete_loss(objective, phase, model.networks, batch, step).losses()
        found |= {name: term.item() for name, term in losses.terms.items()}
        found[f"the loss of phase {phase.name!r}"] = losses.total.item()
    return found


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
