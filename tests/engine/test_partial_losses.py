"""``train.memory = "low"``: losses in parts add up to the whole, and so do their gradients."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from support import make_trainer
from torch import Tensor, nn

from cyclekit.api import (
    CycleObjective,
    CycleOptions,
    Losses,
    PartialLoss,
    PatchGAN,
    PatchGANOptions,
    ResNetGenerator,
    ResNetOptions,
    Step,
    TensorSpec,
    Term,
    Trip,
)
from cyclekit.contract.declarations import Phase
from cyclekit.engine.fabric import full_precision
from cyclekit.engine.network_builder import Networks
from cyclekit.engine.objective import complete_loss
from cyclekit.engine.step import Batch
from cyclekit.engine.trainer import Trainer

TERMS: dict[str, dict[str, object]] = {
    "default": {},
    "adversarial alone": {"cycle": {"weight": 0}, "identity": {"weight": 0}},
    "no identity": {"identity": {"weight": 0}},
    "identity that has ended": {"identity": {"until_step": 1}},
    "hinge": {"adversarial": {"loss": "hinge"}},
    "vanilla": {"adversarial": {"loss": "vanilla"}},
    "wgan-gp": {"adversarial": {"loss": "wgan-gp"}},
    "relativistic": {"adversarial": {"loss": "relativistic"}},
    "regularization": {"adversarial": {"regularization": {"r1": 1, "r2": 2, "every": 2}}},
    "second adversarial": {"second_adversarial": {"weight": 2}},
    "mixed domain": {"mixed_domain": {"weight": 2, "gamma": 3, "generator_weight": 0.5}},
    "mixed domain, discriminators": {"mixed_domain": {"weight": 2}},
    "noise": {"input_noise": {"sigma": 0.5}},
    "rounding": {"rounding": {"discriminators": True, "cycle": True}},
    "augmentation": {"augmentation": {"translation": 0.25, "cutout": 0.5, "colour": True}},
    "separate calls": {"batch_calls": False},
}
TERMS["everything"] = {
    "adversarial": {"loss": "relativistic", "regularization": {"r1": 1, "r2": 2}},
    "second_adversarial": {"weight": 2},
    "mixed_domain": {"weight": 2, "gamma": 3, "generator_weight": 0.5},
    "input_noise": {"sigma": 0.5},
    "rounding": {"discriminators": True, "cycle": True},
    "augmentation": {"translation": 0.25, "cutout": 0.5, "colour": True},
}


class Builder:
    """Small real networks, the judges with spectral norm."""

    def generator(self, source: TensorSpec, target: TensorSpec) -> nn.Module:
        return ResNetGenerator(source, target, ResNetOptions(channels=4, blocks=1)).double()

    def discriminator(self, source: TensorSpec) -> nn.Module:
        options = PatchGANOptions(channels=4, layers=1, spectral_norm=True)
        return PatchGAN(source, source.logits(), options).double()


def made(
    kind: type[CycleObjective], terms: Mapping[str, object], gaps: bool
) -> tuple[CycleObjective, dict[str, nn.Module], dict[str, Tensor]]:
    spec = TensorSpec(1, (None,), range=(0.0, 1.0), gaps=gaps)
    # Two fakes are stored, so that stored ones are shown from the second step on.
    options = CycleOptions.model_validate({"history_size": 2} | dict(terms))
    objective = kind(options, {"a": spec, "b": spec})
    torch.manual_seed(0)
    networks = objective.networks(Builder())
    batch = {name: torch.rand(2, 1, 32, dtype=torch.float64) for name in ("a", "b", "mixed")}
    if gaps:
        batch["a"][0, :, 20:] = torch.nan
        batch["mixed"][1, :, 25:] = torch.nan
    return objective, networks, batch


def outcome(
    objective: CycleObjective, networks: Networks, batch: Batch, in_parts: bool
) -> dict[str, Tensor]:
    """All that two steps leave: sums of losses, gradients, buffers, and what was kept."""
    found: dict[str, Tensor] = {}
    for index in range(2):
        where = Step(index, 0, range(2))
        for phase in objective.phases:
            for name, network in networks.items():
                network.requires_grad_(name in phase.trains)
            asked = (phase, networks, batch, where)
            for part in (
                objective.partial_losses(*asked) if in_parts else [complete_loss(objective, *asked)]
            ):
                before = {name: p.grad for name, p in named(networks) if p.grad is not None}
                before = {name: gradient.clone() for name, gradient in before.items()}
                losses = part.losses()
                losses.total.backward()
                for name, value in {"total": losses.total, **losses.terms}.items():
                    key = f"{index} {phase.name} {name}"
                    found[key] = found.get(key, torch.zeros(())) + value.detach()
                for name, p in named(networks):
                    if p.grad is not None and not p.grad.equal(before.get(name, torch.zeros(()))):
                        assert name.split(".")[0] in part.trains, name
        found |= {f"{index} kept {name}": x for name, x in where.carried.items()}
        found |= {f"{index} {name}": p.grad.clone() for name, p in named(networks)}
    for name, network in networks.items():
        found |= {f"{name}.{key}": buffer for key, buffer in network.named_buffers()}
    return found


def named(networks: Networks) -> list[tuple[str, nn.Parameter]]:
    return [
        (f"{name}.{key}", parameter)
        for name, network in networks.items()
        for key, parameter in network.named_parameters()
    ]


@pytest.mark.slow
@pytest.mark.parametrize("name", [*TERMS, "gaps"])
def test_parts_add_up_to_the_whole(name: str) -> None:
    terms, gaps = TERMS.get(name, TERMS["everything"]), name == "gaps"
    wanted, got = (outcome(*made(CycleObjective, terms, gaps), way) for way in (False, True))
    assert list(wanted) == list(got)
    for key, value in wanted.items():
        torch.testing.assert_close(got[key], value, rtol=1e-9, atol=1e-12, msg=key)
    gradients = [value for key, value in wanted.items() if key.startswith("1 generator_a2b.")]
    assert max(gradient.abs().max() for gradient in gradients) > 1e-3


def test_a_direction_and_a_judge_at_a_time() -> None:
    objective, networks, batch = made(CycleObjective, TERMS["everything"], False)
    generators, discriminators = objective.phases
    where = Step(0, 0, range(2))
    there, back = objective.partial_losses(generators, networks, batch, where)
    terms = there.losses().terms
    assert set(terms) == {
        "cycle_a", "identity_b", "adversarial_a2b", "second_adversarial_a", "mixed_adversarial_a2b"
    }  # fmt: skip
    assert terms.keys().isdisjoint(back.losses().terms)
    judged = objective.partial_losses(discriminators, networks, batch, where)
    # Those penalties that each pays come before its costs.
    assert [part.trains for part in judged] == [(j,) for j in discriminators.trains for _ in "123"]
    assert [set(part.losses().terms) for part in judged] == [
        {pays + judge} for judge in discriminators.trains for pays in ("r1_", "r2_", "")
    ]


def test_a_variant_adds_a_term_of_its_own() -> None:
    class Brighter(CycleObjective):
        def generator_terms(self, trip: Trip) -> list[Term]:
            there = (trip.way.there,)
            return [
                *super().generator_terms(trip),
                Term(f"mean_{trip.way.direction.target}", 2.0, there, lambda: trip.fake.mean()),
            ]

    wanted, got = (outcome(*made(Brighter, {}, False), way) for way in (False, True))
    plain = outcome(*made(CycleObjective, {}, False), True)
    for key, value in wanted.items():
        torch.testing.assert_close(got[key], value, rtol=1e-9, atol=1e-12, msg=key)
    total, terms = "0 generators total", ("0 generators mean_a", "0 generators mean_b")
    torch.testing.assert_close(got[total], plain[total] + 2 * sum(got[term] for term in terms))


def test_a_variant_with_losses_of_its_own_says_so_of_parts_too() -> None:
    class Doubled(CycleObjective):
        def losses(self, phase: str, networks: Networks, batch: Batch, step: Step) -> Losses:
            losses = super().losses(phase, networks, batch, step)
            return Losses(2 * losses.total, losses.terms)

        def partial_losses(
            self, phase: Phase, networks: Networks, batch: Batch, step: Step
        ) -> Sequence[PartialLoss]:
            return [complete_loss(self, phase, networks, batch, step)]

    objective, networks, batch = made(Doubled, {}, False)
    plain, same, _ = made(CycleObjective, {}, False)
    phase, where = objective.phases[0], Step(0, 0, range(2))
    (part,) = objective.partial_losses(phase, networks, batch, where)
    assert part.trains == phase.trains
    wanted = plain.losses(phase.name, same, batch, where).total
    torch.testing.assert_close(part.losses().total, 2 * wanted)


def test_a_trainer_takes_the_same_steps(folders: Path, tmp_path: Path) -> None:
    def trained(memory: str) -> tuple[Trainer, list[Tensor]]:
        settings: dict[str, Any] = {
            "train__memory": memory,
            "train__precision": "64-true",
            "train__accumulate": 2,
            "train__clip": 1.0,
            "generator__blocks": 2,
            "objective__second_adversarial": {"weight": 1},
            "objective__mixed_domain": {"weight": 1, "generator_weight": 1},
        }
        (tmp_path / memory).mkdir()
        trainer, prepared = make_trainer(folders, tmp_path / memory, **settings)
        with full_precision("64-true"):
            for _ in range(3):
                trainer.train_step()
                trainer.step += 1
        trainer.require_finite()
        networks = prepared.model.networks.values()
        return trainer, [p.detach() for network in networks for p in network.parameters()]

    (usual, wanted), (sparing, got) = trained("normal"), trained("low")
    for one, other in zip(wanted, got, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-9)
    losses = usual.read_losses(), sparing.read_losses()
    assert list(losses[0]) == list(losses[1])
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)


class Kept:
    """A tensor that a graph keeps for its backward pass."""

    now = most = 0

    def __init__(self, x: Tensor) -> None:
        self.x = x
        Kept.now += x.numel()
        Kept.most = max(Kept.most, Kept.now)

    def __del__(self) -> None:
        Kept.now -= self.x.numel()


def test_a_step_keeps_a_fraction(folders: Path, tmp_path: Path) -> None:
    most = {}
    for memory in ("normal", "low"):
        (tmp_path / memory).mkdir()
        trainer, _ = make_trainer(
            folders, tmp_path / memory, generator__blocks=9, train__memory=memory
        )
        Kept.now = Kept.most = 0
        with torch.autograd.graph.saved_tensors_hooks(Kept, lambda kept: kept.x):
            trainer.train_step()
        assert Kept.now == 0
        most[memory] = Kept.most
    assert most["low"] < most["normal"] / 3
