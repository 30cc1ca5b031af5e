"""CUT: the loss as published, its places, mirrored inputs, layers that are compared, all axes."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cyclekit import api
from cyclekit.engine.model import build_model
from cyclekit.engine.step import Step
from cyclekit.objectives.cut import CUTObjective, CUTOptions, Projector, Sent, patch_nce
from cyclekit.plugins.discovery import find_plugin
from cyclekit.plugins.host import load_plugin
from cyclekit.recipe.finding import find_recipes
from cyclekit.recipe.layers import read_layers
from cyclekit.recipe.resolve import resolve


def unit(seed: int, *shape: int) -> Tensor:
    return F.normalize(torch.randn(shape, generator=torch.Generator().manual_seed(seed)), dim=-1)


def test_the_loss_is_the_published_one() -> None:
    queries, keys, temperature = unit(0, 2, 7, 5), unit(1, 2, 7, 5), 0.07
    losses = []
    for query, key in zip(queries, keys, strict=True):
        right = (query * key).sum(1, keepdim=True)
        wrong = query @ key.T
        wrong.fill_diagonal_(-10)  # as the published code leaves a place's own out
        logits = torch.cat([right, wrong], dim=1) / temperature
        losses.append(F.cross_entropy(logits, torch.zeros(7, dtype=torch.long)))
    made = patch_nce(queries, keys, temperature)
    torch.testing.assert_close(made, torch.stack(losses).mean())
    assert patch_nce(queries, queries, temperature) < made, "each place is most like itself"


class Builder:
    """Small real networks."""

    def generator(
        self, source: api.TensorSpec, target: api.TensorSpec, *, condition: int = 0,
        taps: bool = False,
    ) -> nn.Module:  # fmt: skip
        options = api.ResNetOptions(channels=4, blocks=1, downsamplings=1)
        return api.ResNetGenerator(source, target, options)

    def discriminator(self, source: api.TensorSpec, *, classes: int = 0) -> nn.Module:
        options = api.PatchGANOptions(channels=4, layers=1)
        return api.PatchGAN(source, source.logits(), options)

    def own(self, name: str, make):  # type: ignore[no-untyped-def]
        return make()


def objective(spec: api.TensorSpec, **options: object) -> CUTObjective:
    return CUTObjective(CUTOptions.model_validate(options), {"a": spec, "b": spec})


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_a_step_in_any_number_of_dimensions(dims: int) -> None:
    made = objective(api.TensorSpec(2, (None,) * dims), nce={"positions": 20, "width": 8})
    torch.manual_seed(0)
    networks = made.networks(Builder())
    batch = {name: torch.rand(2, 2, *(8,) * dims) for name in ("a", "b")}
    step = Step(0, 0, positions=range(2))
    paid = made.losses("discriminators", networks, batch, step)
    assert not any(p.grad is not None for p in networks["generator_a2b"].parameters())
    assert paid.terms.keys() == {"discriminator_b"}
    cost = made.losses("generators", networks, batch, step)
    assert cost.terms.keys() == {"adversarial_a2b", "nce_a", "nce_b"}
    expected = cost.terms["adversarial_a2b"] + (cost.terms["nce_a"] + cost.terms["nce_b"]) / 2
    torch.testing.assert_close(cost.total.detach(), expected)
    cost.total.backward()
    for name in ("generator_a2b", "projector"):
        parameters = list(networks[name].parameters())
        assert all(p.grad is not None and p.grad.isfinite().all() for p in parameters)


def test_fastcut_has_one_contrast_at_its_whole_weight() -> None:
    made = objective(api.TensorSpec(1, (None,)), nce={"weight": 10, "identity": False})
    networks = made.networks(Builder())
    batch = {name: torch.rand(1, 1, 16) for name in ("a", "b")}
    cost = made.losses("generators", networks, batch, Step(0, 0, positions=[0]))
    assert cost.terms.keys() == {"adversarial_a2b", "nce_a"}
    torch.testing.assert_close(
        cost.total.detach(), cost.terms["adversarial_a2b"] + 10 * cost.terms["nce_a"]
    )


class Pointwise(nn.Module):
    """A generator that commutes with mirroring, and one whose outputs tell left from right."""

    def __init__(self, lopsided: bool = False) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(1.5))
        self.lopsided = lopsided

    def forward(self, x: Tensor, taps: tuple[float, ...] = ()) -> Tensor | list[Tensor]:
        made = self.weight * x
        if self.lopsided:
            made = made * torch.linspace(0, 1, x.shape[-1])
        return [torch.cat([made, made**2], 1) for _ in taps] if taps else made


def contrast(generator: nn.Module, flip: bool, index: int) -> Tensor:
    spec = api.TensorSpec(1, (None,))
    made = objective(spec, flip=flip, nce={"depths": [0.5], "width": 8})
    torch.manual_seed(0)
    networks = {"generator_a2b": generator, "projector": Projector([2], 8)}
    batch = {"a": torch.rand(4, 1, 16, generator=torch.Generator().manual_seed(1))}
    step = Step(index, 0, positions=range(4))
    sent = Sent(made, networks, batch, "a", step)
    sent.start()
    turned = (step.uniform(batch["a"], "flip") < 0.5).tolist()
    if flip:
        assert 0 < sum(turned) < 4
        straight = generator(batch["a"])
        mirrored = generator(batch["a"].flip(-1))
        for number, is_turned in enumerate(turned):
            assert sent.fake[number].equal((mirrored if is_turned else straight)[number])
    return sent.contrast()


def test_mirrored_inputs_expect_mirrored_outputs() -> None:
    plain, flipped = (contrast(Pointwise(), flip, 0) for flip in (False, True))
    torch.testing.assert_close(plain, flipped)
    plain, flipped = (contrast(Pointwise(lopsided=True), flip, 0) for flip in (False, True))
    assert float((plain - flipped).detach().abs()) > 1e-4


def test_places_are_drawn_for_each_sample_and_none_comes_twice() -> None:
    made = objective(api.TensorSpec(1, (None,)), nce={"positions": 6})
    feature = torch.zeros(3, 2, 10)

    def places(domain: str, positions: range, number: int = 0) -> Tensor:
        batch = {domain: feature[: len(positions)]}
        sent = Sent(made, {}, batch, domain, Step(0, 0, positions))
        return sent._places(number, batch[domain])

    whole = places("a", range(3))
    assert all(len(set(row)) == 6 for row in whole.tolist())
    assert whole[1:].equal(places("a", range(1, 3))), "whichever rank has the sample"
    assert not whole[0].equal(whole[1])
    assert not whole.equal(places("b", range(3)))
    assert not whole.equal(places("a", range(3), number=1))


def test_silence_has_bounded_gradients() -> None:
    heads = Projector([3], 8)
    (out,) = heads([torch.zeros(1, 4, 3)])
    patch_nce(out, out.detach().flip(1), 0.07).backward()
    assert all(p.grad is None or p.grad.norm() < 1e4 for p in heads.parameters())


def test_the_recipes_compare_the_published_layers() -> None:
    info, modality = find_plugin("image"), load_plugin("image").modality
    for name, weight, identity, flip in (("cut", 1, True, False), ("fastcut", 10, False, True)):
        layers = read_layers(find_recipes(info)[name], info)
        layers.lay([("generator.channels", 4, "test"), ("discriminator.channels", 4, "test")])
        recipe = resolve(layers, modality)
        nce = recipe.objective.nce
        assert (nce.weight, nce.identity, recipe.objective.flip) == (weight, identity, flip)
        assert (nce.temperature, nce.positions, nce.width) == (0.07, 256, 256)
        network = build_model(modality, recipe).networks["generator_a2b"]
        tapped = [network.layers[round(d * len(network.layers)) - 1] for d in nce.depths[1:]]
        first, second, *blocks = tapped
        assert (first.out_channels, second.out_channels) == (8, 16), "convolutions, before norms"
        at = [list(network.layers).index(block) for block in blocks]
        firsts = [n for n, m in enumerate(network.layers) if type(m).__name__ == "ResidualBlock"]
        assert at == [firsts[0], firsts[4]]


def test_domains_of_other_channels_are_refused() -> None:
    specs = {"a": api.TensorSpec(1, (None,)), "b": api.TensorSpec(2, (None,))}
    with pytest.raises(api.RecipeError, match="both domains need samples of one kind, but A has 1"):
        CUTObjective(CUTOptions(), specs)


def test_its_heads_are_there_before_the_first_batch() -> None:
    modality = load_plugin("image").modality
    layers = read_layers(find_recipes(find_plugin("image"))["cut-demo"], find_plugin("image"))
    one, other = (build_model(modality, resolve(layers, modality)) for _ in range(2))
    for mine, its in zip(
        one.networks["projector"].parameters(),
        other.networks["projector"].parameters(),
        strict=True,
    ):
        assert mine.equal(its)
