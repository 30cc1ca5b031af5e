"""The CycleGAN objective: each term by hand, gradients, batched calls, freezing."""

from collections.abc import Mapping

import pytest
import torch
from torch import Tensor, nn

from cyclekit.api import (
    CycleObjective,
    CycleOptions,
    PatchGAN,
    PatchGANOptions,
    ResNetGenerator,
    ResNetOptions,
    Step,
    TensorSpec,
)
from cyclekit.errors import PluginError, RecipeError

SPEC = TensorSpec(1, (None,))
SPECS = {"a": SPEC, "b": SPEC}


class Builder:
    """Small real networks."""

    def generator(self, source: TensorSpec, target: TensorSpec) -> nn.Module:
        return ResNetGenerator(source, target, ResNetOptions(channels=4, blocks=1)).double()

    def discriminator(self, source: TensorSpec) -> nn.Module:
        options = PatchGANOptions(channels=4, layers=1)
        return PatchGAN(source, source.logits(), options).double()


class Affine(nn.Module):
    """``scale * x + shift``: losses of such networks can be computed by hand."""

    def __init__(self, scale: float, shift: float) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(scale))
        self.shift = nn.Parameter(torch.tensor(shift))

    def forward(self, x: Tensor) -> Tensor:
        return self.scale * x + self.shift


def options(**tables: Mapping[str, object] | bool | int) -> CycleOptions:
    return CycleOptions.model_validate(tables)


def step(index: int = 0, batch: int = 2) -> Step:
    return Step(index, seed=0, positions=range(batch))


def batch(size: int = 16, count: int = 2, seed: int = 0) -> dict[str, Tensor]:
    rng = torch.Generator().manual_seed(seed)
    return {
        name: torch.rand(count, 1, size, generator=rng, dtype=torch.float64) for name in ("a", "b")
    }


def affine_networks() -> dict[str, nn.Module]:
    return {
        "generator_a2b": Affine(2.0, 0.0),
        "generator_b2a": Affine(0.5, 1.0),
        "discriminator_a": Affine(1.0, 0.0),
        "discriminator_b": Affine(1.0, 0.5),
    }


A, B = torch.full((2, 1, 8), 3.0), torch.full((2, 1, 8), 4.0)


def test_generator_terms_by_hand() -> None:
    objective = CycleObjective(options(history_size=0), SPECS)
    losses = objective.losses("generators", affine_networks(), {"a": A, "b": B}, step())
    # a=3 -> fake b 6 -> a 4 (cycle 1); b=4 -> fake a 3 -> b 6 (cycle 2)
    # identity: G_AB(b) = 8 (4 off), G_BA(a) = 2.5 (.5 off)
    # D_B(6) = 6.5: (5.5)^2; D_A(3) = 3: 2^2
    expected = {
        "cycle_a": 1.0,
        "cycle_b": 2.0,
        "identity_b": 4.0,
        "identity_a": 0.5,
        "adversarial_a2b": 30.25,
        "adversarial_b2a": 4.0,
    }
    assert {name: value.item() for name, value in losses.terms.items()} == expected
    assert losses.total.item() == 10 * 3 + 5 * 4.5 + 34.25


def test_each_cycle_may_have_a_weight_of_its_own() -> None:
    def total(**cycle: object) -> float:
        objective = CycleObjective(options(cycle=cycle, history_size=0), SPECS)
        networks = affine_networks()
        return float(
            objective.losses("generators", networks, {"a": A, "b": B}, step()).total.detach()
        )

    both = total(weight=10.0)  # as above: the cycle from A is 1 off, that from B 2
    assert total(weight_a=7.0) == pytest.approx(both - 3 * 1)
    assert total(weight_b=0.0) == pytest.approx(both - 10 * 2)
    assert total(weight=3.0, weight_a=10.0, weight_b=10.0) == pytest.approx(both)


def test_self_regularization_keeps_fakes_close_to_what_they_are_made_from() -> None:
    def losses(**tables: Mapping[str, object]) -> dict[str, float]:
        objective = CycleObjective(options(**tables, history_size=0), SPECS)
        made = objective.losses("generators", affine_networks(), {"a": A, "b": B}, step())
        return {"total": made.total.item(), **{k: v.item() for k, v in made.terms.items()}}

    without, with_it = losses(), losses(self_regularization={"weight": 2.0})
    assert "self_regularization_a" not in without
    # a=3 -> fake b 6 is 3 off; b=4 -> fake a 3 is 1 off
    assert (with_it["self_regularization_a"], with_it["self_regularization_b"]) == (3.0, 1.0)
    assert with_it["total"] == pytest.approx(without["total"] + 2 * (3 + 1))


def test_discriminator_terms_by_hand() -> None:
    objective = CycleObjective(options(history_size=0), SPECS)
    where = step()
    networks = affine_networks()
    objective.losses("generators", networks, {"a": A, "b": B}, where)
    losses = objective.losses("discriminators", networks, {"a": A, "b": B}, where)
    # D_A: real 3 -> (3-1)^2 = 4, fake 3 -> 9, halved 6.5; D_B: real 4.5 -> 12.25, fake 6.5 -> 42.25
    terms = {name: value.item() for name, value in losses.terms.items()}
    assert terms == {"discriminator_a": 6.5, "discriminator_b": 27.25}
    assert losses.total.item() == 33.75


def test_gradient_equals_that_of_separately_computed_terms() -> None:
    objective = CycleObjective(options(history_size=0), SPECS)
    torch.manual_seed(0)
    networks = objective.networks(Builder())
    samples = batch()
    objective.losses("generators", networks, samples, step()).total.backward()
    got = [p.grad.clone() for p in networks["generator_a2b"].parameters() if p.grad is not None]

    for network in networks.values():
        network.zero_grad()
    there, back = networks["generator_a2b"], networks["generator_b2a"]
    a, b = samples["a"], samples["b"]
    terms = [
        ((networks["discriminator_b"](there(a)) - 1) ** 2).mean(),
        ((networks["discriminator_a"](back(b)) - 1) ** 2).mean(),
        10 * (back(there(a)) - a).abs().mean(),
        10 * (there(back(b)) - b).abs().mean(),
        5 * (there(b) - b).abs().mean(),
        5 * (back(a) - a).abs().mean(),
    ]
    for term in terms:
        term.backward()
    wanted = [p.grad for p in there.parameters() if p.grad is not None]
    assert len(got) == len(wanted) > 0
    for one, other in zip(got, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("phase", ["generators", "discriminators"])
def test_batched_calls_equal_separate_ones(phase: str) -> None:
    totals = []
    for together in (True, False):
        objective = CycleObjective(options(batch_calls=together, history_size=0), SPECS)
        torch.manual_seed(0)
        networks = objective.networks(Builder())
        where, samples = step(), batch()
        losses = objective.losses("generators", networks, samples, where)
        if phase == "discriminators":
            losses = objective.losses("discriminators", networks, samples, where)
        losses.total.backward()
        judge = networks["discriminator_a" if phase == "discriminators" else "generator_a2b"]
        gradient = torch.cat([p.grad.flatten() for p in judge.parameters() if p.grad is not None])
        totals.append((losses.total.detach(), gradient))
    torch.testing.assert_close(totals[0], totals[1], rtol=1e-6, atol=1e-9)


def test_networks_with_batch_statistics_are_called_separately() -> None:
    class Counting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm = nn.BatchNorm1d(1)
            self.sizes: list[int] = []

        def forward(self, x: Tensor) -> Tensor:
            self.sizes.append(len(x))
            out: Tensor = self.norm(x)
            return out

    networks: dict[str, nn.Module] = {name: Counting() for name in affine_networks()}
    objective = CycleObjective(options(history_size=0), SPECS)
    objective.losses("generators", networks, {"a": A, "b": B}, step())
    assert networks["generator_a2b"].sizes == [2, 2, 2]  # fake, identity, cycle: never four at once


def test_identity_ends_at_its_step() -> None:
    objective = CycleObjective(options(identity={"until_step": 10}, history_size=0), SPECS)
    samples = {"a": A, "b": B}
    before = objective.losses("generators", affine_networks(), samples, step(9)).terms
    after = objective.losses("generators", affine_networks(), samples, step(10)).terms
    assert "identity_a" in before
    assert "identity_a" not in after


def test_second_adversarial_judges_cycled_samples() -> None:
    objective = CycleObjective(options(second_adversarial={"weight": 2.0}, history_size=0), SPECS)
    networks = affine_networks() | {
        "second_discriminator_a": Affine(1.0, 0.0),
        "second_discriminator_b": Affine(1.0, 0.0),
    }
    where, samples = step(), {"a": A, "b": B}
    losses = objective.losses("generators", networks, samples, where)
    # cycled a = 4 -> (4-1)^2, cycled b = 6 -> (6-1)^2
    assert losses.terms["second_adversarial_a"].item() == 9.0
    assert losses.terms["second_adversarial_b"].item() == 25.0
    assert losses.total.item() == 10 * 3 + 5 * 4.5 + 34.25 + 2 * 34
    judged = objective.losses("discriminators", networks, samples, where).terms
    # real a = 3: 4, cycled 4: 16, halved 10
    assert judged["second_discriminator_a"].item() == 10.0


def test_mixed_domain_reaches_generators_only_with_a_weight() -> None:
    samples = {"a": A, "b": B, "mixed": torch.full((2, 1, 8), 1.0)}
    for weight, reached in ((0.0, False), (0.5, True)):
        mixed = {"weight": 1.0, "gamma": 3.0, "generator_weight": weight}
        objective = CycleObjective(options(mixed_domain=mixed, history_size=0), SPECS)
        networks = affine_networks() | {
            "mixed_discriminator_a": Affine(1.0, 0.0),
            "mixed_discriminator_b": Affine(1.0, 0.0),
        }
        where = step()
        losses = objective.losses("generators", networks, samples, where)
        losses.total.backward()
        assert ("mixed_adversarial_a2b" in losses.terms) is reached
        assert (networks["mixed_discriminator_b"].scale.grad is not None) is reached
        judged = objective.losses("discriminators", networks, samples, where)
        # real 1: 0, fake a 3: 9, halved 4.5; fake b 6: 36, halved 18; gamma 3
        assert judged.terms["mixed_discriminator_a"].item() == 4.5
        assert judged.total.item() == 33.75 + 3 * (4.5 + 18)
    assert objective.streams["mixed"].domains == ("a", "b", "extra")


@pytest.mark.parametrize(("weight", "moved"), [(0.0, False), (0.5, True)])
def test_the_mixed_term_alone_moves_the_generators(weight: float, moved: bool) -> None:
    none = {"weight": 0.0}
    mixed = {"weight": 1.0, "generator_weight": weight}
    objective = CycleObjective(
        options(adversarial=none, cycle=none, identity=none, mixed_domain=mixed), SPECS
    )
    networks = {name: network.double() for name, network in objective.networks(Builder()).items()}
    samples = batch() | {"mixed": batch(seed=1)["a"]}
    objective.losses("generators", networks, samples, step()).total.backward()
    for name in ("generator_a2b", "generator_b2a"):
        gradients = [p.grad for p in networks[name].parameters() if p.grad is not None]
        assert any(gradient.abs().sum() > 0 for gradient in gradients) is moved


def two_valued(bounds: tuple[float, float] | None = (0.0, 1.0)) -> dict[str, TensorSpec]:
    return dict.fromkeys("ab", TensorSpec(1, (None,), range=bounds))


class Watching(Affine):
    """Remembers what it was shown."""

    def __init__(self) -> None:
        super().__init__(1.0, 0.0)
        self.shown: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        self.shown.append(x.detach())
        return super().forward(x)


@pytest.mark.parametrize("everywhere", [False, True])
def test_rounded_fakes_have_two_values_and_a_gradient(everywhere: bool) -> None:
    rounding = {"discriminators": True, "cycle": everywhere}
    objective = CycleObjective(options(rounding=rounding, history_size=0), two_valued())
    judge, back = Watching(), Watching()
    networks = affine_networks() | {"discriminator_b": judge, "generator_b2a": back}
    networks["generator_a2b"] = Affine(1.0, 0.2)
    samples = {name: torch.tensor([[[0.0, 0.2, 0.4, 1.0]]]) for name in "ab"}
    where = step(batch=1)
    objective.losses("generators", networks, samples, where).total.backward()
    (shown,) = judge.shown
    assert shown.flatten().tolist() == [0, 0, 1, 1]
    assert where.carried["discriminator_b"].flatten().tolist() == [0, 0, 1, 1]
    returned = back.shown[-1].flatten().tolist()
    assert returned == pytest.approx([0, 0, 1, 1] if everywhere else [0.2, 0.4, 0.6, 1.2])
    assert networks["generator_a2b"].shift.grad.abs() > 0


def test_rounding_needs_a_range() -> None:
    objective = CycleObjective(options(rounding={"discriminators": True}), two_valued(None))
    with pytest.raises(RecipeError, match="rounding needs tensors with a range"):
        objective.losses("generators", affine_networks(), {"a": A, "b": B}, step())


def test_wgan_gp_really_pays_its_penalty() -> None:
    totals = []
    for weight in (0.0, 10.0):
        adversarial = {"loss": "wgan-gp", "gradient_penalty": weight}
        objective = CycleObjective(options(adversarial=adversarial, history_size=0), SPECS)
        networks, where, samples = affine_networks(), step(), {"a": A, "b": B}
        objective.losses("generators", networks, samples, where)
        totals.append(objective.losses("discriminators", networks, samples, where).total.item())
    # |d sum(x) / dx| = sqrt(8) for both critics
    assert totals[1] - totals[0] == pytest.approx(2 * 10 * (8**0.5 - 1) ** 2, rel=1e-5)


def test_regularization_is_paid_in_due_steps_and_logged_by_itself() -> None:
    adversarial = {"regularization": {"r1": 2.0, "r2": 0.5, "every": 3}}
    objective = CycleObjective(options(adversarial=adversarial, history_size=0), SPECS)
    plain = CycleObjective(options(history_size=0), SPECS)
    for index in (3, 4):
        found = []
        for which in (objective, plain):
            networks, where, samples = affine_networks(), step(index), {"a": A, "b": B}
            which.losses("generators", networks, samples, where)
            found.append(which.losses("discriminators", networks, samples, where))
        penalties = found[0].terms.keys() - found[1].terms.keys()
        more = (found[0].total - found[1].total).item()
        if index == 4:
            assert not penalties
            assert more == 0
            continue
        # Critics are x + shift: each logit has a gradient of 1, half of whose square is paid.
        assert {name: found[0].terms[name].item() for name in penalties} == dict.fromkeys(
            [f"{which}_discriminator_{domain}" for which in ("r1", "r2") for domain in "ab"], 0.5
        )
        assert more == pytest.approx(2 * 3 * (2.0 + 0.5) * 0.5)


def test_a_relativistic_generator_is_shown_real_samples() -> None:
    objective = CycleObjective(options(adversarial={"loss": "relativistic"}, history_size=0), SPECS)
    networks, where, samples = affine_networks(), step(), {"a": A, "b": B}
    made = networks["generator_a2b"](A)
    terms = objective.losses("generators", networks, samples, where).terms
    softplus = torch.nn.functional.softplus
    wanted = softplus(networks["discriminator_b"](B) - networks["discriminator_b"](made)).mean()
    assert terms["adversarial_a2b"].item() == pytest.approx(wanted.item())
    judged = objective.losses("discriminators", networks, samples, where).terms
    wanted = softplus(networks["discriminator_b"](made) - networks["discriminator_b"](B)).mean()
    assert judged["discriminator_b"].item() == pytest.approx(wanted.item())


def test_a_relativistic_loss_needs_windows_of_one_size() -> None:
    objective = CycleObjective(options(adversarial={"loss": "relativistic"}), SPECS)
    with pytest.raises(RecipeError, match=r"'relativistic' needs windows of one size; it met"):
        objective.losses("generators", affine_networks(), {"a": A, "b": B[..., :4]}, step())


def test_input_noise_is_drawn_from_step_and_position() -> None:
    objective = CycleObjective(options(input_noise={"sigma": 0.5}, history_size=0), SPECS)
    samples = {"a": A, "b": B}

    def term(where: Step) -> float:
        return objective.losses("generators", affine_networks(), samples, where).terms[
            "adversarial_a2b"
        ].item()  # fmt: skip

    assert term(step(3)) == term(step(3)) != term(step(4))
    whole = step(3, batch=2).normal(A, "x")
    parts = [Step(3, 0, [position]).normal(A[:1], "x") for position in (0, 1)]
    torch.testing.assert_close(whole, torch.cat(parts))
    assert whole.std().item() == pytest.approx(1, abs=0.5)


@pytest.mark.parametrize("back_translation", [False, True])
def test_back_translation_trains_the_way_back_alone(back_translation: bool) -> None:
    tables = {
        "cycle": {"back_translation": back_translation},
        "identity": {"weight": 0.0},
        "adversarial": {"weight": 0.0},
    }
    objective = CycleObjective(options(**tables, history_size=0), SPECS)
    networks = affine_networks()
    # Of a -> b -> a alone: the other way's samples are zero, and so is what it makes of them.
    networks["generator_b2a"] = Affine(0.7, 0.0)
    samples = {"a": A, "b": torch.zeros_like(B)}
    objective.losses("generators", networks, samples, step()).total.backward()
    there, back = (networks[f"generator_{way}"].scale.grad for way in ("a2b", "b2a"))
    assert back is not None
    assert (there is None or there == 0) == back_translation


def test_noise_on_the_way_back_reaches_the_cycle_alone() -> None:
    samples = {"a": A, "b": B}
    shown = {}
    for noise in (0.0, 0.5):
        judge, back = Watching(), Watching()
        networks = affine_networks() | {"discriminator_b": judge, "generator_b2a": back}
        objective = CycleObjective(
            options(cycle={"noise": noise}, identity={"weight": 0.0}, history_size=0), SPECS
        )
        objective.losses("generators", networks, samples, step(3))
        shown[noise] = judge.shown[0], back.shown[-1]
    assert torch.equal(shown[0.0][0], shown[0.5][0])
    noise = shown[0.5][1] - shown[0.0][1]
    pattern = step(3).normal(A, "cycle noise pattern", "b")
    for drawn, full in zip(noise, pattern, strict=True):
        strength = (drawn / full).mean()
        assert 0 < strength < 0.5
        torch.testing.assert_close(drawn, strength * full)


def test_history_shows_old_fakes() -> None:
    objective = CycleObjective(options(history_size=2), SPECS)
    networks, samples = affine_networks(), {"a": A, "b": B}
    fresh = CycleObjective(options(history_size=0), SPECS)
    differing = 0
    for index in range(20):
        with torch.no_grad():
            networks["generator_a2b"].shift.fill_(float(index))
        totals = []
        for which in (objective, fresh):
            where = step(index)
            which.losses("generators", networks, samples, where)
            totals.append(which.losses("discriminators", networks, samples, where).total.item())
        differing += totals[0] != totals[1]
    assert 5 < differing < 20, "some fakes are old ones, not all"


def test_different_channels_need_the_identity_term_off() -> None:
    specs = {"a": SPEC, "b": TensorSpec(3, (None,))}
    with pytest.raises(RecipeError, match=r"identity\.weight must be 0.*A has 1 channels.*B"):
        CycleObjective(options(), specs)
    CycleObjective(options(identity={"weight": 0}), specs)


def test_a_generator_that_changes_sizes_is_named() -> None:
    networks = affine_networks() | {"generator_a2b": nn.AvgPool1d(2)}
    objective = CycleObjective(options(history_size=0), SPECS)
    with pytest.raises(PluginError, match="changes the size"):
        objective.losses("generators", networks, {"a": A, "b": B}, step())


def test_variants_prepare_the_generators_input() -> None:
    class Masked(CycleObjective):
        """Half of each real sample is hidden on its first hop, and the mask is a second channel."""

        def input_spec(self, spec: TensorSpec) -> TensorSpec:
            return TensorSpec(spec.channels + 1, spec.sizes)

        def prepare(self, x: Tensor, domain: str, purpose: str, step: Step | None) -> Tensor:
            mask = torch.ones_like(x[:, :1])
            if purpose == "translate" and step is not None:
                mask[..., : x.shape[-1] // 2] = 0
            seen.append((domain, purpose, mask.mean().item()))
            return torch.cat([x * mask, mask], dim=1)

    seen: list[tuple[str, str, float]] = []
    objective = Masked(options(history_size=0), SPECS)
    networks = objective.networks(Builder())
    objective.losses("generators", networks, batch(), step()).total.backward()
    assert set(seen) == {
        ("a", "translate", 0.5), ("b", "translate", 0.5),
        ("b", "identity", 1.0), ("a", "identity", 1.0),
        ("a", "cycle", 1.0), ("b", "cycle", 1.0),
    }  # fmt: skip
    made = objective.translate(networks, batch()["a"], objective.directions[0])
    assert made.shape == (2, 1, 16)


def test_gaps_weigh_nothing_and_networks_see_zeros() -> None:
    gappy = TensorSpec(1, (None,), gaps=True)
    samples = {"a": A.clone(), "b": B.clone()}
    samples["a"][..., 6:] = torch.nan  # a quarter
    networks = affine_networks()
    objective = CycleObjective(options(history_size=0), {"a": gappy, "b": gappy})
    where = step()
    terms = objective.losses("generators", networks, samples, where).terms
    assert terms["cycle_a"].item() == 0.75
    assert terms["identity_a"].item() == 0.375
    assert terms["cycle_b"].item() == 2.0
    # D_B sees fakes of 6 and, in the gaps, of 0: 6.5 and 0.5
    assert terms["adversarial_a2b"].item() == 0.75 * 30.25 + 0.25 * 0.25
    # D_A's real samples are 3, and 0 in the gaps; its fakes are 3
    judged = objective.losses("discriminators", networks, samples, where).terms
    assert judged["discriminator_a"].item() == (0.75 * 4 + 0.25 * 1 + 9) / 2


def test_without_gaps_a_nan_stays_an_error() -> None:
    objective = CycleObjective(options(history_size=0), SPECS)
    samples = {"a": A.clone(), "b": B.clone()}
    samples["a"][..., 6:] = torch.nan
    assert objective.losses("generators", affine_networks(), samples, step()).total.isnan()
