"""What is larger than a network sees at once: tiles that nobody can tell from the whole."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from cyclekit.api import (
    Codec,
    Modality,
    Network,
    ResNetGenerator,
    ResNetOptions,
    Sample,
    TensorSpec,
    conv,
)
from cyclekit.engine.fabric import Hardware, start_fabric
from cyclekit.engine.model import build_model
from cyclekit.engine.norm_statistics import collect_statistics, fixed_statistics
from cyclekit.engine.passes import Passes
from cyclekit.engine.translator import Translator
from cyclekit.nets import PATCHGAN
from cyclekit.plugins.modality import completed
from cyclekit.recipe.layers import Layers
from cyclekit.recipe.resolve import resolve

TILE = 64


def codec_of(dims: int, tile: int | None) -> type[Codec[Tensor]]:
    class Plain(Codec[Tensor]):
        def spec(self, domain: str) -> TensorSpec:
            return TensorSpec(2, (None,) * dims, range=None, tiles=(tile,) * dims)

        def load(self, path: Path) -> Tensor:
            raise NotImplementedError

        def encode(self, item: Tensor, domain: str) -> Sample:
            return Sample(item)

        def decode(self, tensor: Tensor, domain: str, meta: Mapping[str, Any]) -> Tensor:
            return tensor

        def save(self, item: Tensor, path: Path) -> Path:
            raise NotImplementedError

    return Plain


def translated(
    x: Tensor, tile: int | None, network: Any, norm: str = "none", objective: str = "cycle"
) -> Tensor:
    """A generator with weights that are the same for the same network, applied to a whole."""
    dims = x.dim() - 1
    generator = Network("small", network, ResNetOptions, takes=("condition",))
    modality = Modality("plain", 2, "", codec_of(dims, tile), [generator], [PATCHGAN])
    modality = completed(modality)
    layers = Layers()
    layers.merge(
        {
            "plugin": "plain",
            "generator": {"channels": 4, "blocks": 1, "downsamplings": 1, "norm": norm},
            "discriminator": {"channels": 4, "layers": 1},
            "train": {"precision": "64-true"},
            "objective": {"name": objective},
        },
        "test",
    )
    model = build_model(modality, resolve(layers, modality))
    for made in model.networks.values():
        made.double()
        for parameter in made.parameters() if network is ResNetGenerator else ():
            nn.init.normal_(parameter, 0, 0.2, torch.Generator().manual_seed(1))
    fabric = start_fabric(Hardware(accelerator="cpu"), "64-true")
    translator = Translator(model, model.translators, fabric, batch_size=2)
    (made,) = translator.items([x], model.direction("a2b"))
    assert isinstance(made, Tensor)
    return made


SIZES = [(203,), (101, 130), (80, 32, 49)]


@pytest.mark.slow
@pytest.mark.parametrize("sizes", SIZES)
def test_without_norms_tiles_equal_the_whole_to_rounding(sizes: tuple[int, ...]) -> None:
    x = torch.randn(2, *sizes, generator=torch.Generator().manual_seed(0))
    whole, tiled = translated(x, None, ResNetGenerator), translated(x, TILE, ResNetGenerator)
    assert whole.std() > 0.01
    torch.testing.assert_close(tiled, whole, atol=1e-6, rtol=1e-5)


class Normalizing(nn.Sequential):
    """Normalises, as every layer of a generator does, and lets smooth things stay smooth."""

    multiple_of, reach = 4, 2

    def __init__(self, source: TensorSpec, target: TensorSpec, options: Any) -> None:
        norm = {1: nn.InstanceNorm1d, 2: nn.InstanceNorm2d, 3: nn.InstanceNorm3d}[source.dims]
        smooth = conv(source.dims, 2, 2, 3, padding=1, padding_mode="reflect")
        nn.init.constant_(smooth.weight, 3.0**-source.dims)
        super().__init__(smooth, norm(2), nn.Softplus(), norm(2))


def scene(sizes: tuple[int, ...]) -> Tensor:
    """Ever brighter from one end to the other, with waves: tiles have little in common."""
    axes = [torch.linspace(0, 1, size) for size in sizes]
    grid = torch.stack(torch.meshgrid(*axes, indexing="ij"))
    return torch.stack([grid.sum(0) * 4 + torch.sin(9 * grid.sum(0)), grid[0] - 2 * grid[-1]])


def largest_step(made: Tensor) -> float:
    return max(made.diff(dim=axis).abs().max().item() for axis in range(1, made.dim()))


@pytest.mark.slow
@pytest.mark.parametrize("sizes", [(403,), (201, 260), (80, 64, 129)])
def test_with_instance_norms_tiles_have_no_borders(
    sizes: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    x = scene(sizes)
    whole, tiled = (translated(x, tile, network=Normalizing) for tile in (None, TILE))
    assert largest_step(tiled) < 1.3 * largest_step(whole)
    assert (tiled - whole).abs().mean() < 0.1 * whole.std()
    monkeypatch.setattr("cyclekit.engine.passes.normalizes_instances", lambda _: False)
    each_alone = translated(x, TILE, network=Normalizing)
    assert largest_step(each_alone) > 1.3 * largest_step(whole), "a test that cannot fail"


@pytest.mark.slow
@pytest.mark.parametrize("norm", ["none", "instance", "unbiased"])
def test_tiles_of_one_item_share_its_code(norm: str, monkeypatch: pytest.MonkeyPatch) -> None:
    x = torch.randn(2, 150, 170, generator=torch.Generator().manual_seed(0))
    whole, tiled = (
        translated(x, tile, ResNetGenerator, norm, "augmented") for tile in (None, TILE)
    )
    allowed = 1e-6 if norm == "none" else 0.15  # all tiles' statistics are a sample of the whole's
    assert (tiled - whole).abs().mean() < allowed * whole.std()

    run, rng = Passes.run, torch.Generator().manual_seed(1)

    def each_its_own(self: Passes, tiles: Any, direction: Any, codes: Any) -> Tensor:
        drawn = [torch.randn(code.shape, generator=rng) for code in codes]
        return run(self, tiles, direction, drawn)

    monkeypatch.setattr(Passes, "run", each_its_own)
    wrong = translated(x, TILE, ResNetGenerator, norm, "augmented")
    assert (wrong - whole).abs().mean() > 0.3 * whole.std(), "a test that cannot fail"


def test_statistics_of_all_parts_are_those_of_the_whole() -> None:
    norm = nn.Sequential(nn.InstanceNorm2d(3), nn.InstanceNorm2d(3, affine=True))
    whole = torch.randn(1, 3, 8, 12) * torch.linspace(0, 5, 12)
    halves = torch.cat(whole.split(6, dim=-1))
    with collect_statistics(norm) as statistics:
        norm(halves)
    with fixed_statistics(norm, statistics):
        made = torch.cat([norm(half[None]) for half in halves], dim=-1)
    torch.testing.assert_close(made, norm(whole))
    assert not torch.allclose(norm(halves[:1]), made[..., :6]), "norms are themselves again"


def test_a_network_that_needs_larger_steps_than_the_tile_sees_the_whole() -> None:
    class Coarse(Normalizing):
        multiple_of, least_multiples = 64, 1

    x = scene((100, 70))
    assert torch.equal(translated(x, 16, Coarse), translated(x, None, Coarse))
