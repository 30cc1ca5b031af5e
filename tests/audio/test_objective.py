"""Frames are blanked on the first hop alone; frames that were filled up weigh nothing."""

import pytest
import torch
from cyclekit_audio.objective import VoiceObjective, VoiceOptions
from torch import Tensor, nn

from cyclekit.api import Step, TensorSpec

SPEC = TensorSpec(1, sizes=(8, None), range=None, gaps=True)


def objective(**options: object) -> VoiceObjective:
    settings = VoiceOptions.model_validate({"history_size": 0} | options)
    return VoiceObjective(settings, {"a": SPEC, "b": SPEC})


def a_step(samples: int) -> Step:
    return Step(0, seed=1, positions=range(samples))


class Keeping(nn.Module):
    """A generator that remembers what it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(0.5))
        self.seen: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        self.seen.append(x.detach())
        return self.gain * x[:, :1]


class Mean(nn.Module):
    """A discriminator."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean(dim=(2, 3), keepdim=True)


def networks() -> dict[str, nn.Module]:
    return {
        "generator_a2b": Keeping(),
        "generator_b2a": Keeping(),
        "discriminator_a": Mean(),
        "discriminator_b": Mean(),
    }


def test_a_stretch_of_the_source_is_blanked_and_said() -> None:
    made = objective(frame_mask={"longest": 10})
    assert made.input_spec(SPEC).channels == 2
    x = torch.ones(200, 1, 8, 20)
    given = made.prepare(x, "a", "translate", a_step(200))
    assert given.shape == (200, 2, 8, 20)
    values, mask = given[:, :1], given[:, 1:]
    assert torch.equal(values, x * mask)
    blank = (mask[:, 0, 0] == 0).sum(dim=1)
    assert (blank.min(), blank.max()) == (0, 10)
    assert (mask == mask[:, :, :1]).all()  # the same frames in every band
    edges = mask[:, 0, 0].diff().abs().sum(dim=1)
    assert edges.max() == 2  # one stretch
    assert {0, 19} <= {int(i) for row in mask[:, 0, 0] for i in (row == 0).nonzero()}


def test_other_hops_and_translation_see_everything() -> None:
    made = objective(frame_mask={"longest": 10})
    x = torch.randn(4, 1, 8, 20)
    for purpose, step in (("cycle", a_step(4)), ("identity", a_step(4)), ("translate", None)):
        given = made.prepare(x, "a", purpose, step)
        assert torch.equal(given[:, :1], x)
        assert (given[:, 1] == 1).all()


def test_without_masks_generators_get_the_sample_alone() -> None:
    x = torch.randn(4, 1, 8, 20)
    assert objective().prepare(x, "a", "translate", a_step(4)) is x
    assert objective().input_spec(SPEC) == SPEC


def test_the_first_hop_alone_is_masked_in_training() -> None:
    made = objective(frame_mask={"longest": 10}, identity={"weight": 5})
    nets = networks()
    batch = {name: torch.randn(30, 1, 8, 20) for name in "ab"}
    made.losses("generators", nets, batch, a_step(30))
    first, *others = nets["generator_a2b"].seen
    masks = first[:, 1]  # the source and the identity's input in one call
    assert (masks[:30] == 0).any()
    assert (masks[30:] == 1).all()
    assert all((x[:, 1] == 1).all() for x in others)


@pytest.mark.parametrize("term", ["cycle", "identity"])
def test_frames_that_were_filled_up_weigh_nothing(term: str) -> None:
    made = objective()
    nets = networks()
    whole = {name: torch.randn(1, 1, 8, 20) for name in "ab"}
    gappy = {name: x.clone() for name, x in whole.items()}
    gappy["a"][..., 15:] = torch.nan
    losses = made.losses("generators", nets, gappy, a_step(1))
    factor = 1 - 0.5 ** (2 if term == "cycle" else 1)
    expected = factor * whole["a"][..., :15].abs().sum() / whole["a"].numel()
    torch.testing.assert_close(losses.terms[f"{term}_a"], expected)
    losses.total.backward()
    assert all(p.grad is None or p.grad.isfinite() for n in nets.values() for p in n.parameters())


def test_masked_losses_come_in_parts_too() -> None:
    made, where = objective(frame_mask={"longest": 10}, identity={"weight": 5}), a_step(3)
    batch = {name: torch.randn(3, 1, 8, 20, dtype=torch.float64) for name in "ab"}
    batch["a"][:, :, :, 15:] = torch.nan
    wanted, got = networks(), networks()
    phase = made.phases[0]
    made.losses(phase.name, wanted, batch, where).total.backward()
    parts = made.partial_losses(phase, got, batch, where)
    assert len(parts) == 2
    for part in parts:
        part.losses().total.backward()
    for name in phase.trains:
        torch.testing.assert_close(got[name].gain.grad, wanted[name].gain.grad)


def test_discriminators_never_see_a_gap() -> None:
    made = objective()
    nets = networks()
    batch = {name: torch.full((1, 1, 8, 20), torch.nan) for name in "ab"}
    step = a_step(1)
    made.losses("generators", nets, batch, step)
    terms = made.losses("discriminators", nets, batch, step).terms
    assert all(term.isfinite() for term in terms.values())
