"""DiffAugment: what discriminators see is varied by each sample's own chance; gradients pass."""

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
from cyclekit.engine.augmentation import (
    AugmentationOptions,
    augmented,
    covered,
    recoloured,
    shifted,
)
from cyclekit.errors import RecipeError

ALL = AugmentationOptions(translation=0.25, cutout=0.5, colour=True)
SIZES = (8, 12, 6)


class Builder:
    """Small real networks."""

    def generator(self, source: TensorSpec, target: TensorSpec) -> nn.Module:
        return ResNetGenerator(source, target, ResNetOptions(channels=4, blocks=1)).double()

    def discriminator(self, source: TensorSpec) -> nn.Module:
        small = PatchGANOptions(channels=4, layers=1)
        return PatchGAN(source, source.logits(), small).double()


def options(**tables: object) -> CycleOptions:
    return CycleOptions.model_validate(tables)


def spec(dims: int, channels: int = 1) -> TensorSpec:
    return TensorSpec(channels, (None,) * dims, colours=channels == 3)


def step(index: int = 0, positions: range = range(4), seed: int = 0) -> Step:
    return Step(index, seed, positions)


def samples(dims: int, channels: int = 1, count: int = 4) -> Tensor:
    rng = torch.Generator().manual_seed(dims)
    return torch.rand(count, channels, *SIZES[:dims], generator=rng, dtype=torch.float64) * 2 - 1


def test_off_is_the_very_same_and_draws_nothing() -> None:
    class Untouchable(Step):
        def uniforms(self, *args: object) -> Tensor:
            raise AssertionError("drawn")

    x = samples(2)
    assert augmented(x, spec(2), AugmentationOptions(), Untouchable(0, 0, range(4)), "judge") is x


def test_shifts_move_samples_and_zeros_move_in() -> None:
    x = torch.arange(1.0, 9).repeat(3, 1, 1)
    moved = shifted(x, 0.25, torch.tensor([[0.0], [0.5], [0.99]]))
    assert moved[0].flatten().tolist() == [3, 4, 5, 6, 7, 8, 0, 0]
    assert moved[1].flatten().tolist() == [1, 2, 3, 4, 5, 6, 7, 8]
    assert moved[2].flatten().tolist() == [0, 0, 1, 2, 3, 4, 5, 6]


def test_shifts_along_every_axis() -> None:
    x = samples(3)[:1]
    moved = shifted(x, 0.5, torch.tensor([[0.99, 0.0, 0.5]]))  # 4 on, 6 back, not at all
    assert moved[:, :, 4:, :6].equal(x[:, :, :4, 6:])
    assert moved[:, :, :4].abs().max() == 0
    assert moved[:, :, :, 6:].abs().max() == 0


def test_every_shift_is_drawn_equally_often() -> None:
    drawn = torch.rand(5000, 1, generator=torch.Generator().manual_seed(0))
    peak = torch.zeros(5000, 1, 8)
    peak[:, 0, 3] = 1
    landed = shifted(peak, 0.25, drawn).sum(dim=(0, 1)).tolist()
    assert [count > 0 for count in landed] == [False, True, True, True, True, True, False, False]
    assert min(landed[1:6]) > 900


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_holes_are_boxes_of_zeros(dims: int) -> None:
    x = torch.ones(1, 2, *SIZES[:dims])
    holed = covered(x, 0.5, torch.full((1, dims), 0.5))
    whole = torch.tensor(SIZES[:dims])
    assert (holed == 0).sum() == 2 * (whole // 2).prod()
    inner = tuple(slice(size // 4 + 1, size // 4 + size // 2) for size in SIZES[:dims])
    assert holed[(..., *inner)].abs().max() == 0


def test_holes_may_stick_out_on_either_side() -> None:
    x = torch.ones(2, 1, 8)
    holed = covered(x, 0.5, torch.tensor([[0.0], [0.99]]))
    assert holed[0].flatten().tolist() == [0, 0, 1, 1, 1, 1, 1, 1]
    assert holed[1].flatten().tolist() == [1, 1, 1, 1, 1, 1, 0, 0]


def test_colours_of_three_channels() -> None:
    x = samples(2, channels=3)[:1]
    same = torch.tensor([[0.5, 0.5, 0.5]])
    torch.testing.assert_close(recoloured(x, spec(2, 3), same), x)
    brighter = recoloured(x, spec(2, 3), torch.tensor([[1.0, 0.5, 0.5]]))
    torch.testing.assert_close(brighter, x + 0.5)
    grey = recoloured(x, spec(2, 3), torch.tensor([[0.5, 0.0, 0.5]]))
    torch.testing.assert_close(grey, x.mean(dim=1, keepdim=True).expand_as(x))
    flatter = recoloured(x, spec(2, 3), torch.tensor([[0.5, 0.5, 0.0]]))
    torch.testing.assert_close(flatter.std(), x.std() / 2)
    torch.testing.assert_close(flatter.mean(), x.mean())


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_channels_that_are_no_colours_have_no_saturation(channels: int) -> None:
    x = samples(1, channels)[:1]
    changed = recoloured(x, TensorSpec(channels, (None,)), torch.tensor([[0.5, 0.0, 0.5]]))
    torch.testing.assert_close(changed, x)


def test_unbounded_values_have_no_colour() -> None:
    unbounded = TensorSpec(1, (None,), range=None)
    with pytest.raises(RecipeError, match=r"augmentation\.colour needs tensors with a range"):
        augmented(samples(1), unbounded, ALL, step(), "judge")
    shifts = AugmentationOptions(translation=0.25)
    assert augmented(samples(1), unbounded, shifts, step(), "judge").shape == (4, 1, 8)


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_a_samples_chance_follows_from_its_address_alone(dims: int) -> None:
    x, told = samples(dims), spec(dims)

    def made(where: Step, batch: Tensor = x, *words: str) -> Tensor:
        return augmented(batch, told, ALL, where, *(words or ("judge", "real")))

    whole = made(step())
    assert made(step()).equal(whole)
    halves = [made(step(positions=range(n, n + 2)), x[n : n + 2]) for n in (0, 2)]
    assert torch.cat(halves).equal(whole)
    others = [made(step(index=1)), made(step(seed=1)), made(step(positions=range(4, 8))),
              made(step(), x, "judge", "fake"), made(step(), x, "other", "real")]  # fmt: skip
    for other in others:
        assert all(not one.equal(two) for one, two in zip(whole, other, strict=True))
    alike = augmented(x[:1].expand_as(x), told, ALL, step(), "judge")
    assert len({tuple(sample.flatten().tolist()) for sample in alike}) == 4


def test_draws_are_not_rounded_to_half_precision() -> None:
    x = torch.ones(4, 1, 4096)
    shifts = AugmentationOptions(translation=0.5)
    wanted = augmented(x, spec(1), shifts, step(), "judge")
    got = augmented(x.bfloat16(), spec(1), shifts, step(), "judge")
    assert got.dtype == torch.bfloat16
    assert got.float().equal(wanted)


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_gradients_pass(dims: int) -> None:
    x = samples(dims, channels=3)[(slice(1), ..., *(slice(4),) * dims)].requires_grad_(True)
    told = spec(dims, 3)
    assert torch.autograd.gradcheck(
        lambda values: augmented(values, told, ALL, step(positions=range(1)), "judge"), (x,)
    )
    moved = augmented(x, told, AugmentationOptions(translation=0.25), step(positions=range(1)), "j")
    (gradient,) = torch.autograd.grad(moved.sum(), x)
    assert gradient.unique().tolist() in ([0, 1], [1])  # what was not moved out, once
    assert gradient.sum() == (moved != 0).sum()


class Witness(nn.Module):
    """Notes what it is shown."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones((), dtype=torch.float64))
        self.saw: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        self.saw.append(x.detach())
        return x * self.weight


FULL = {
    "second_adversarial": {"weight": 1.0},
    "mixed_domain": {"weight": 1.0, "generator_weight": 1.0},
    "rounding": {"discriminators": True},
    "batch_calls": False,
}


def test_every_discriminator_sees_every_sample_varied_anew() -> None:
    told = TensorSpec(1, (None,), range=(-1.0, 1.0), gaps=True)
    shifts = {"translation": 0.5}
    objective = CycleObjective(
        options(augmentation=shifts, history_size=0, **FULL), {"a": told, "b": told}
    )
    torch.manual_seed(0)
    networks = objective.networks(Builder())
    discriminators = {role.name: Witness() for role in objective.discriminators}
    assert len(discriminators) == 6
    networks |= discriminators
    rng = torch.Generator().manual_seed(0)
    batch = {
        name: torch.rand(2, 1, 32, generator=rng, dtype=torch.float64) + 0.5
        for name in ("a", "b", "mixed")
    }
    batch["a"][..., 10:14] = torch.nan
    where = step(positions=range(2))
    objective.losses("generators", networks, batch, where).total.backward()
    assert all(p.grad is not None for p in networks["generator_a2b"].parameters())
    objective.losses("discriminators", networks, batch, where).total.backward()
    zeros = set()
    for name, discriminator in discriminators.items():
        generators, real, fake = discriminator.saw
        assert not generators.equal(fake)  # the same fakes, moved otherwise
        kept = where.carried[name]
        assert kept.unique().tolist() in ([-1, 1], [-1, 0, 1])  # as they were made: rounded, gaps
        assert set(fake.unique().tolist()) <= {-1, 0, 1}
        for seen in (generators, real, fake):
            assert seen.isfinite().all()
            zeros.add(tuple((seen == 0).flatten().tolist()))
    assert len(zeros) == 18  # three for each of six discriminators
    first = discriminators["discriminator_b"].saw[1]
    assert not first.equal(batch["b"])
    assert set(first.unique().tolist()) <= {0.0, *batch["b"].unique().tolist()}


@pytest.mark.parametrize("phase", ["generators", "discriminators"])
def test_a_batch_in_parts_costs_what_the_whole_does(phase: str) -> None:
    told = spec(1)
    table = {"translation": 0.25, "cutout": 0.25, "colour": True}
    objective = CycleObjective(options(augmentation=table, history_size=0), {"a": told, "b": told})
    torch.manual_seed(0)
    networks = objective.networks(Builder())
    assert isinstance(networks["discriminator_a"], PatchGAN)
    batch = {"a": samples(1).repeat(1, 1, 2), "b": samples(1).flip(0).repeat(1, 1, 2)}

    def total(positions: range) -> Tensor:
        where = step(positions=positions)
        part = {name: x[list(positions)] for name, x in batch.items()}
        losses = objective.losses("generators", networks, part, where)
        if phase == "discriminators":
            losses = objective.losses(phase, networks, part, where)
        return losses.total.detach()

    parts = (total(range(2)) + total(range(2, 4))) / 2
    torch.testing.assert_close(total(range(4)), parts, rtol=1e-10, atol=0)
    objective.options = options()
    assert not total(range(4)).isclose(parts, rtol=1e-6)
