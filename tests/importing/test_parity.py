"""Imported networks compute what the peers' own compute: to 1e-5, at several sizes."""

import io
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import peers
import pytest
import torch
from peers import Ganslate, JoliGEN, Named, Persson, PerssonJudge, ResNet, RowUNet, UNet
from torch import Tensor, nn

from cyclekit.importing.family import Choices
from cyclekit.importing.registry import Identified, Offer, identify
from cyclekit.importing.unwrapping import unwrap
from cyclekit.plugins.host import load_plugin

ANY_SIZE = ((32, 32), (40, 24), (33, 47))
"""The last one is odd: networks then make what they make, of the same size here and there."""
SIXTY_FOURTHS = ((64, 64), (64, 128), (128, 64))
"""U-Nets take nothing else; their peers bring odd sizes to these before."""
LARGER = ((64, 64), (96, 130), (121, 99))
Sizes = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Case:
    """A peer's network, and how it is saved."""

    name: str
    family: str
    make: Callable[[], nn.Module]
    save: Callable[[dict[str, Tensor]], Any] = lambda state: state
    evaluates: bool = False  # whether the peer translates in evaluation mode
    sizes: Sizes = ANY_SIZE
    choices: Choices = field(default_factory=Choices)
    file: str = "latest_net_G_A.pth"
    options: dict[str, Any] = field(default_factory=dict)


def Judge(*arguments: Any, **more: Any) -> Case:  # noqa: N802 - reads as a case does
    return Case(*arguments, **{"sizes": LARGER} | more)


def of_lornatang(state: dict[str, Tensor]) -> dict[str, Any]:
    average = {f"module.{key}": value + 1 for key, value in state.items()}
    average["n_averaged"] = torch.tensor(5)
    optimizer = {"state": {}, "param_groups": [{"lr": 1e-4}]}
    networks = {"state_dict": state, "ema_state_dict": average}
    return {"epoch": 3, **networks, "optimizer": optimizer, "scheduler": {"last": 1}}


def wrapped(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {f"_orig_mod.module.{key}": value for key, value in state.items()}


GENERATORS = [
    Case("instance", "resnet", ResNet, options={"blocks": 2, "norm": "instance"}),
    Case("wide", "resnet", lambda: ResNet(blocks=9, width=5)),
    Case("6 blocks", "resnet", lambda: ResNet(blocks=6), options={"blocks": 6}),
    Case("tracked", "resnet", lambda: ResNet(norm=peers.tracked)),
    Case("batch", "resnet", lambda: ResNet(norm=peers.batch), options={"affine": True}),
    Case("batch, evaluated", "resnet", lambda: ResNet(norm=peers.batch), evaluates=True,
         choices=Choices(running_statistics=True), options={"norm": "batch"}),
    Case("no norm", "resnet", lambda: ResNet(norm=peers.absent, bias=False),
         options={"norm": "none"}),
    Case("dropout", "resnet", lambda: ResNet(dropout=True), options={"dropout": 0.5}),
    Case("batch and dropout", "resnet", lambda: ResNet(norm=peers.batch, dropout=True)),
    Case("zeros in blocks", "resnet", lambda: ResNet(pad="zeros")),
    Case("zeros and dropout", "resnet", lambda: ResNet(pad="zeros", dropout=True)),
    Case("one halving", "resnet", lambda: ResNet(halvings=1)),
    Case("other channels", "resnet", lambda: ResNet(channels=(3, 1))),
    Case("wrapped", "resnet", ResNet, save=wrapped),
    Case("cut", "cut", lambda: ResNet(down="blur", up="blur")),
    Case("cut, batch", "cut", lambda: ResNet(down="blur", up="blur", norm=peers.batch)),
    Case("cut, no_antialias", "cut", lambda: ResNet(up="blur")),
    Case("cut, no_antialias_up", "cut", lambda: ResNet(down="blur")),
    Case("cut, neither", "resnet", ResNet),
    Case("cut, dropout", "cut", lambda: ResNet(down="blur", up="blur", dropout=True)),
    Case("pytorch-gan", "pytorch-gan", lambda: ResNet(word="block", up="nearest"),
         file="G_AB_190.pth"),
    Case("lornatang", "lornatang",
         lambda: ResNet(9, prefix="main", word="res", norm=peers.tracked), save=of_lornatang,
         file="g_A_last.pth.tar"),
    Case("ganslate", "ganslate", lambda: Ganslate(peers.instance), evaluates=True,
         save=lambda state: {"G_AB": state, "optimizer_G": {"state": {}}}, file="2000.pth"),
    Case("ganslate, batch", "ganslate", lambda: Ganslate(peers.batch), evaluates=True,
         save=lambda state: {"G": state}, file="2000.pth"),
    Case("joligen", "joligen", JoliGEN, evaluates=True),
    Case("joligen, zeros", "joligen", lambda: JoliGEN("zeros"), evaluates=True),
    Case("joligen, spectral", "joligen", lambda: JoliGEN(spectral=True), evaluates=True),
    Case("joligen, batch", "joligen", lambda: JoliGEN(norm=peers.batch), evaluates=True),
    Case("persson", "persson", Persson, file="genz.pth.tar",
         save=lambda state: {"state_dict": state, "optimizer": {"state": {}}}),
    Case("pix2pixhd", "pix2pixhd", lambda: ResNet(halvings=3, width=2)),
    Case("pix2pixhd, batch", "pix2pixhd",
         lambda: ResNet(halvings=4, width=2, norm=peers.batch, bias=True),
         sizes=((128, 128), (160, 96), (129, 143))),
    Case("unet", "unet", UNet, sizes=SIXTY_FOURTHS),
    Case("unet, batch", "unet", lambda: UNet(norm=peers.batch), sizes=SIXTY_FOURTHS),
    Case("unet, batch, evaluated", "unet", lambda: UNet(norm=peers.batch), sizes=SIXTY_FOURTHS,
         evaluates=True, choices=Choices(running_statistics=True)),
    Case("unet, 7 halvings", "unet", lambda: UNet(depth=7), sizes=((128, 128), (256, 128))),
    Case("pytorch-gan's unet", "pytorch-gan-unet", RowUNet, sizes=SIXTY_FOURTHS,
         file="generator_190.pth"),
]  # fmt: skip

JUDGES = [
    Judge("instance", "patchgan", lambda: Named("model", peers.patchgan())),
    Judge("batch", "patchgan", lambda: Named("model", peers.patchgan(norm=peers.batch))),
    Judge("no norm", "patchgan", lambda: Named("model", peers.patchgan(norm=peers.absent))),
    Judge("one layer", "patchgan", lambda: Named("model", peers.patchgan(1))),
    Judge("five layers", "patchgan", lambda: Named("model", peers.patchgan(5)),
         sizes=((128, 128), (160, 130), (181, 199))),
    Judge("cut", "cut-patchgan", lambda: Named("model", peers.patchgan(blurs=True))),
    Judge("pytorch-gan", "pytorch-gan-patchgan", lambda: Named("model", peers.patchgan(even=True))),
    Judge("pytorch-gan, pix2pix", "pytorch-gan-patchgan",
         lambda: Named("model", peers.patchgan(even=True, last_bias=False))),
    Judge("lornatang", "lornatang-patchgan", lambda: Named("main", peers.patchgan()),
         save=of_lornatang),
    Judge("persson", "persson-patchgan", PerssonJudge),
    Judge("pixel", "pixel", lambda: Named("net", peers.pixel())),
    Judge("pixel, batch", "pixel", lambda: Named("net", peers.pixel(peers.batch))),
]  # fmt: skip


@cache
def offers() -> tuple[Offer, ...]:
    host = load_plugin("image")
    return tuple(Offer("image", host.modality, family) for family in host.families())


def imported(content: Any, case: Case) -> tuple[Identified, nn.Module]:
    """What a file is taken for, and the network here with its weights; all keys are used."""
    file = io.BytesIO()
    torch.save(content, file)
    tree = torch.load(io.BytesIO(file.getvalue()), weights_only=True)
    ((found,), _) = unwrap(tree, case.file)
    identified = identify(found.weights, case.file, offers(), case.choices)
    layout, modality = identified.layout, identified.offer.modality
    known = (*modality.generators, *modality.discriminators)
    network = next(network for network in known if network.name == layout.network)
    options = network.options(**identified.fitted.options)
    made = network.build(layout.source, layout.target or layout.source.logits(), options)
    made.load_state_dict(identified.fitted.weights)
    return identified, made


def assert_equal(theirs: nn.Module, ours: nn.Module, sizes: Sizes) -> None:
    for seed, size in enumerate(sizes):
        x = torch.randn(1, 3, *size, generator=torch.Generator().manual_seed(seed))
        with torch.no_grad():
            # In float64: processors round sums in float32 by up to 1e-5 otherwise.
            wanted, made = theirs.double()(x.double()), ours.double()(x.double())
        assert made.shape == wanted.shape
        assert wanted.std() > 0.01  # there is something to compare
        assert (made - wanted).abs().max() < 1e-5, size


@pytest.mark.slow
@pytest.mark.parametrize("case", GENERATORS, ids=lambda case: case.name)
def test_generators_are_equal(case: Case) -> None:
    theirs = peers.shaken(case.make())
    identified, ours = imported(case.save(theirs.state_dict()), case)
    assert identified.offer.family.name == case.family
    for key, value in case.options.items():
        assert identified.fitted.options[key] == value
    theirs.eval() if case.evaluates else peers.as_tested(theirs)
    assert_equal(theirs, ours.eval(), case.sizes)


@pytest.mark.parametrize("case", JUDGES, ids=lambda case: case.name)
def test_discriminators_are_equal(case: Case) -> None:
    theirs = peers.shaken(case.make())
    identified, ours = imported(case.save(theirs.state_dict()), case)
    assert identified.offer.family.name == case.family
    assert_equal(theirs.train(), ours.train(), case.sizes)  # both as training has them
