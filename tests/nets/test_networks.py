"""Networks: the paper's sizes, any number of dimensions, every option."""

import pytest
import torch
from torch import nn

from cyclekit.api import (
    PIXEL,
    PatchGAN,
    PatchGANOptions,
    PixelDiscriminator,
    PixelOptions,
    ResNetGenerator,
    ResNetOptions,
    SlopesOptions,
    SlopesPatchGAN,
    TensorSpec,
    UNetGenerator,
    UNetOptions,
    initialize,
)
from cyclekit.nets.blocks import is_per_sample
from cyclekit.nets.slopes import slopes
from cyclekit.nets.spectral import spectral_norms

PICTURE = TensorSpec(3, (None, None))


def count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def test_the_papers_sizes() -> None:
    assert count(ResNetGenerator(PICTURE, PICTURE, ResNetOptions())) == 11_378_179
    assert count(ResNetGenerator(PICTURE, PICTURE, ResNetOptions(blocks=6))) == 7_837_699
    assert count(PatchGAN(PICTURE, PICTURE.logits(), PatchGANOptions())) == 2_764_737
    assert count(PIXEL.build(PICTURE, PICTURE.logits(), PixelOptions())) == 8_705


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("norm", ["instance", "batch", "none"])
@pytest.mark.parametrize("upsample", ["deconv", "resize"])
def test_generators_keep_sizes_in_any_dimension(dims: int, norm: str, upsample: str) -> None:
    source, target = TensorSpec(2, (None,) * dims), TensorSpec(5, (None,) * dims)
    options = ResNetOptions(channels=4, blocks=1, norm=norm, upsample=upsample, dropout=0.5)
    made = ResNetGenerator(source, target, options)(torch.randn(2, 2, *(8, 12, 16)[:dims]))
    assert made.shape == (2, 5, *(8, 12, 16)[:dims])


def test_norms_with_parameters_take_the_biases_place() -> None:
    plain = ResNetGenerator(PICTURE, PICTURE, ResNetOptions(channels=4, blocks=1))
    affine = ResNetGenerator(PICTURE, PICTURE, ResNetOptions(channels=4, blocks=1, affine=True))
    widths = 4 + 8 + 16 + 16 + 16 + 8 + 4
    assert count(affine) == count(plain) + widths  # a scale and a shift each, for a bias


def test_blocks_may_end_with_an_activation() -> None:
    options = ResNetOptions(channels=4, blocks=1, activate_sum=True)
    block = next(
        module
        for module in ResNetGenerator(PICTURE, PICTURE, options).modules()
        if type(module).__name__ == "ResidualBlock"
    )
    assert block(torch.randn(1, 16, 8, 8)).min() >= 0


@pytest.mark.parametrize(("slope", "alive"), [(0.0, False), (0.2, True)])
def test_a_leak_lets_a_network_learn_whose_activations_are_all_off(
    slope: float, alive: bool
) -> None:
    options = ResNetOptions(channels=4, blocks=1, norm="none", negative_slope=slope)
    network = ResNetGenerator(PICTURE, PICTURE, options)
    *hidden, _ = (p for name, p in network.named_parameters() if name.endswith("bias"))
    with torch.no_grad():
        for bias in hidden:
            bias.fill_(-100.0)
    network(torch.randn(1, 3, 16, 16)).sum().backward()
    first = next(network.parameters()).grad
    assert first is not None
    assert bool(first.any()) is alive


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_discriminators_in_any_dimension(dims: int) -> None:
    spec = TensorSpec(2, (None,) * dims)
    discriminator = PatchGAN(
        spec, spec.logits(), PatchGANOptions(channels=4, layers=2, spectral_norm=True)
    )
    logits = discriminator(torch.randn(2, 2, *(32,) * dims))
    assert logits.shape == (2, 1, *(6,) * dims)


@pytest.mark.parametrize(("layers", "field"), [(1, 16), (2, 34), (3, 70), (4, 142)])
def test_receptive_field(layers: int, field: int) -> None:
    options = PatchGANOptions(channels=2, layers=layers, norm="none")
    discriminator = PatchGAN(TensorSpec(1, (None,)), TensorSpec(1, (None,)), options).double()
    x = torch.zeros(1, 1, 512, dtype=torch.float64, requires_grad=True)
    logits = discriminator(x)
    logits[0, 0, logits.shape[2] // 2].backward()
    assert x.grad is not None
    seen = x.grad.flatten().nonzero().flatten()
    assert seen.max() - seen.min() + 1 == field


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_slopes_are_differences_along_every_axis(dims: int) -> None:
    x = torch.randn(2, 3, *range(5, 5 + dims)) / 50
    distances = (1, 4, 9)  # the last one is further than any axis is long
    seen = slopes(x, distances, 20.0, 20.0)
    assert seen.shape == (2, 3 * dims * len(distances), *x.shape[2:])
    parts = iter(seen.split(3, dim=1))
    for distance in distances:
        for axis in range(2, x.dim()):
            found, along = next(parts).movedim(axis, -1), x.movedim(axis, -1)
            wanted = torch.tanh(20 * (along[..., distance:] - along[..., :-distance]) / distance)
            torch.testing.assert_close(found[..., : wanted.shape[-1]], wanted)
            assert not found[..., wanted.shape[-1] :].any()


def test_stairs_are_slopes_from_further_away() -> None:
    stairs = (torch.arange(32) // 4).float().expand(1, 1, 32) / 100
    near, far = slopes(stairs, (1, 4), 20.0, 20.0).split(1, dim=1)
    assert near.count_nonzero() == 7
    assert far[..., :-4].std() < 1e-6 < far[..., :-4].min()


def test_generators_feel_slopes_with_a_gain_of_their_own() -> None:
    x = torch.rand(1, 3, 8, 8, requires_grad=True)
    plain, softened = slopes(x, (1,), 20.0, 20.0), slopes(x, (1,), 20.0, 2.0)
    torch.testing.assert_close(plain, softened)
    weight = torch.randn_like(plain)
    (whole,) = torch.autograd.grad((plain * weight).sum(), x)
    (tenth,) = torch.autograd.grad((softened * weight).sum(), x)
    torch.testing.assert_close(tenth, whole / 10)


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_both_patchgans_of_slopes_judge(dims: int) -> None:
    spec = TensorSpec(2, (None,) * dims)
    discriminator = SlopesPatchGAN(
        spec, spec.logits(), SlopesOptions(channels=2, layers=2, norm="none")
    )
    x = torch.randn(2, 2, *(32,) * dims)
    logits = discriminator(x)
    assert logits.shape == (2, 1, *(6,) * (dims - 1), 12)
    of_values, of_slopes = logits.split(6, dim=-1)
    brighter_values, brighter_slopes = discriminator(x + 0.5).split(6, dim=-1)
    assert not torch.allclose(of_values, brighter_values)
    torch.testing.assert_close(of_slopes, brighter_slopes, atol=1e-4, rtol=1e-4)


def test_slopes_tell_shaded_from_even_within_few_steps() -> None:
    """Four levels of 256 from one pixel to the next, on pictures of every brightness."""
    ramp = torch.linspace(0, 16 * 8 / 255, 16)

    def loss_after(options: PatchGANOptions, kind: type[nn.Module]) -> float:
        torch.manual_seed(0)
        discriminator = kind(PICTURE, PICTURE.logits(), options)
        optimizer = torch.optim.Adam(discriminator.parameters(), lr=2e-3)
        for _ in range(60):
            even = (torch.rand(8, 3, 1, 1) * 1.6 - 0.9).expand(8, 3, 16, 16)
            shaded = even + ramp * torch.randn(8, 1, 1, 1).sign()
            loss = ((discriminator(even) - 1) ** 2).mean() + (discriminator(shaded) ** 2).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return loss.item() / 2

    shape = {"channels": 8, "layers": 1, "norm": "none", "init": "xavier"}
    alone = loss_after(PatchGANOptions(**shape), PatchGAN)
    assert alone > 0.2  # chance is 0.25
    assert loss_after(SlopesOptions(**shape), SlopesPatchGAN) < 0.6 * alone


def test_spectral_norm_divides_by_the_largest_singular_value() -> None:
    torch.manual_seed(0)
    options = PatchGANOptions(channels=4, layers=1, spectral_norm=True)
    discriminator = PatchGAN(PICTURE, PICTURE.logits(), options)
    for _ in range(200):
        for norm, weight in spectral_norms(discriminator):
            norm.advance(weight)
    for layer in discriminator:
        if isinstance(layer, nn.Conv2d):
            assert torch.linalg.matrix_norm(layer.weight.flatten(1), 2).item() == pytest.approx(
                1.0, abs=0.01
            )


@pytest.mark.parametrize(
    ("bounds", "low", "high"),
    [((-1.0, 1.0), -1, 1), ((0.0, 1.0), 0, 1), ((-2.0, 2.0), -2, 2), ((0.0, 10.0), 0, 10)],
)
def test_outputs_stay_in_the_targets_range(
    bounds: tuple[float, float], low: float, high: float
) -> None:
    target = TensorSpec(1, (None,), range=bounds)
    options = ResNetOptions(channels=2, blocks=0, downsamplings=0, norm="none")
    network = ResNetGenerator(TensorSpec(1, (None,)), target, options)
    made = network(torch.randn(4, 1, 16) * 1e6).detach()
    assert made.min() == pytest.approx(low, abs=1e-4)
    assert made.max() == pytest.approx(high, abs=1e-4)


def test_unbounded_targets_are_not_squashed() -> None:
    options = ResNetOptions(channels=2, blocks=0, downsamplings=0, norm="none")
    spec = TensorSpec(1, (None,), range=None)
    made = ResNetGenerator(spec, spec, options)(torch.randn(1, 1, 16) * 1e9)
    assert made.abs().max() > 10


def test_weights_are_drawn_from_the_published_distribution() -> None:
    torch.manual_seed(0)
    network = ResNetGenerator(PICTURE, PICTURE, ResNetOptions(blocks=2, norm="batch"))
    weights = torch.cat([m.weight.flatten() for m in network.modules() if isinstance(m, nn.Conv2d)])
    assert weights.std().item() == pytest.approx(0.02, rel=0.01)
    assert weights.mean().item() == pytest.approx(0, abs=1e-4)
    scales = torch.cat([m.weight for m in network.modules() if isinstance(m, nn.BatchNorm2d)])
    assert scales.mean().item() == pytest.approx(1, abs=0.005)


def test_every_network_can_start_otherwise() -> None:
    logits = PICTURE.logits()
    for init, spread in (
        ("normal", lambda fan_in, fan_out: 0.02),
        ("xavier", lambda fan_in, fan_out: (2 / (fan_in + fan_out)) ** 0.5),
        ("kaiming", lambda fan_in, fan_out: (2 / fan_in) ** 0.5),
        ("orthogonal", lambda fan_in, fan_out: fan_in**-0.5),
    ):
        torch.manual_seed(0)
        residual = ResNetGenerator(PICTURE, PICTURE, ResNetOptions(blocks=1, init=init))
        weight = residual.layers[9].residual[0].weight  # 256 to 256, 3 x 3
        assert weight.std().item() == pytest.approx(spread(9 * 256, 9 * 256), rel=0.01), init
        networks = [
            residual,
            UNetGenerator(
                PICTURE, PICTURE, UNetOptions(channels=8, downsamplings=3, norm="batch", init=init)
            ),
            PatchGAN(PICTURE, logits, PatchGANOptions(channels=8, spectral_norm=True, init=init)),
            PixelDiscriminator(PICTURE, logits, PixelOptions(init=init)),
        ]
        for network in networks:
            assert network(torch.randn(1, 3, 32, 32)).isfinite().all(), init
            biases = [p for name, p in network.named_parameters() if name.endswith("bias")]
            assert all(bias.abs().max() == 0 for bias in biases), init


def test_orthogonal_weights_keep_lengths() -> None:
    layer = initialize(nn.Conv1d(4, 16, 3), method="orthogonal")
    flat = layer.weight.flatten(1)
    torch.testing.assert_close(flat.T @ flat, torch.eye(12))


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_pixel_discriminators_judge_each_position_by_itself(dims: int) -> None:
    spec = TensorSpec(2, (None,) * dims)
    discriminator = PixelDiscriminator(
        spec, spec.logits(), PixelOptions(norm="none", spectral_norm=True)
    )
    discriminator.eval()
    x = torch.randn(2, 2, *(5,) * dims)
    nudged = x.clone()
    nudged[0, :, 2] += 1
    changed = discriminator(nudged) != discriminator(x)
    assert changed.shape == (2, 1, *(5,) * dims)
    assert changed[0, 0, 2].all()
    assert changed.sum() == changed[0, 0, 2].numel()


def test_per_sample_networks_are_recognised() -> None:
    def patchgan(**options: object) -> nn.Module:
        return PatchGAN(PICTURE, PICTURE.logits(), PatchGANOptions(channels=2, **options))

    assert is_per_sample(patchgan())
    assert not is_per_sample(patchgan(norm="batch"))
    assert is_per_sample(patchgan(spectral_norm=True))
    assert not is_per_sample(torch.nn.utils.parametrizations.spectral_norm(nn.Linear(2, 2)))
