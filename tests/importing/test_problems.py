"""Networks of other objectives than the cycle: StarGAN's and Augmented CycleGAN's, imported."""

import io
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import peers_problems as peers
import pytest
import torch
from peers import as_tested, shaken
from PIL import Image
from support import Cli, draw
from torch import Tensor, nn

from cyclekit.errors import CheckpointError
from cyclekit.importing.family import Choices
from cyclekit.importing.fitting import _built
from cyclekit.importing.registry import Identified, Offer, identify
from cyclekit.importing.unwrapping import unwrap
from cyclekit.nets.resnet import ResNetGenerator, ResNetOptions
from cyclekit.plugins.host import load_plugin

ANY_SIZE = ((32, 32), (40, 24), (33, 47))
WINDOWS = ((64, 64), (96, 80), (71, 67))


@cache
def offers() -> tuple[Offer, ...]:
    host = load_plugin("image")
    return tuple(Offer("image", host.modality, family) for family in host.families())


def imported(theirs: nn.Module, **choices: Any) -> tuple[Identified, nn.Module]:
    file = io.BytesIO()
    torch.save(theirs.state_dict(), file)
    tree = torch.load(io.BytesIO(file.getvalue()), weights_only=True)
    ((found,), _) = unwrap(tree, "x.pth")
    identified = identify(found.weights, "x.pth", offers(), Choices(**choices))
    layout, modality = identified.layout, identified.offer.modality
    known = (*modality.generators, *modality.discriminators)
    network = identified.offer.family.network or next(
        network for network in known if network.name == layout.network
    )
    made = _built(layout, network, network.options(**identified.fitted.options))
    made.load_state_dict(identified.fitted.weights)
    return identified, made


def compare(theirs: Callable[..., Any], ours: Callable[..., Any], inputs: Sequence[Tensor]) -> None:
    with torch.no_grad():
        wanted, made = theirs(*inputs), ours(*inputs)
    for one, other in zip(*((x if isinstance(x, tuple) else (x,)) for x in (wanted, made)),
                          strict=True):  # fmt: skip
        assert other.shape == one.shape
        assert one.std() > 0.01  # there is something to compare
        assert (other - one).abs().max() < 1e-5


def noise(*shape: int) -> Tensor:
    """Codes, or pictures in -1..1."""
    rng = torch.Generator().manual_seed(shape[-1])
    return torch.rand(shape, generator=rng) * 2 - 1


@pytest.mark.parametrize("copy", [False, True])
@pytest.mark.parametrize("labels", [5, 8, 3])
def test_stargans_generators_are_equal(labels: int, copy: bool) -> None:
    theirs = shaken(peers.StarGAN(labels, copy=copy))
    identified, ours = imported(theirs)
    name = "pytorch-gan-stargan" if copy else "stargan"
    assert identified.offer.family.name == name
    assert len(identified.layout.settings["objective.domains"]) == labels
    assert any("statistics of norms" in line for line in identified.fitted.dropped)
    label = torch.eye(labels)[:1]
    for size in ANY_SIZE:
        compare(as_tested(theirs), ours.eval(), (noise(1, 3, *size), label))


@pytest.mark.parametrize("copy", [False, True])
@pytest.mark.parametrize("size", [128, 256])
def test_stargans_discriminators_are_equal(size: int, copy: bool) -> None:
    theirs = shaken(peers.StarGANJudge(size=size, copy=copy))
    identified, ours = imported(theirs)
    assert identified.fitted.options["last_map"] == size // 64
    compare(theirs, ours, (noise(2, 3, size, size),))


@pytest.mark.parametrize("dropout", [False, True])
def test_augmented_generators_are_equal(dropout: bool) -> None:
    there, back = (shaken(peers.AugmentedGenerator(size, 4, dropout=dropout)) for size in (16, 0))
    for size in ANY_SIZE:
        for theirs, code in ((there, [noise(2, 16)]), (back, [])):
            identified, ours = imported(theirs)
            assert identified.fitted.options.get("dropout", 0) == 0.5 * dropout
            compare(as_tested(theirs), ours.eval(), (noise(2, 3, *size), *code))


def test_augmented_encoders_and_judges_of_codes_are_equal() -> None:
    theirs = shaken(peers.AugmentedEncoder(16, 4))
    identified, ours = imported(theirs)
    assert any("enc_logvar" in line for line in identified.fitted.dropped)
    for size in WINDOWS:
        compare(theirs.eval(), ours.eval(), (noise(2, 6, *size),))
        compare(theirs.train(), ours.train(), (noise(3, 6, *size),))
    judge = shaken(peers.AugmentedCodeJudge())
    _, ours = imported(judge)
    compare(judge.eval(), ours.eval(), (noise(4, 16),))
    compare(judge.train(), ours.train(), (noise(4, 16),))


def test_published_numbers_of_parameters() -> None:
    """Of the networks here, made as published: what the published ones have."""

    def count(network: nn.Module) -> int:
        return sum(parameter.numel() for parameter in network.parameters())

    spec = imported(peers.AugmentedGenerator(16, 4))[0].layout.source
    there, _ = imported(peers.AugmentedGenerator())
    options = ResNetOptions(**{**there.fitted.options, "channels": 32})
    assert count(ResNetGenerator(spec, spec, options, condition=16)) == 1_104_259
    assert count(ResNetGenerator(spec, spec, options)) == 1_080_963
    assert count(imported(peers.AugmentedCodeJudge())[1]) == 9_857
    spread = 256 * 16 + 16  # of the second head
    assert count(imported(peers.AugmentedEncoder())[1]) + spread == 1_447_040
    assert count(peers.AugmentedJudge(32, of_b=False)) == 243_521
    assert count(peers.AugmentedJudge(64, of_b=True)) == 1_713_089
    for labels, published in ((5, 8_430_528), (8, 8_439_936)):
        made = imported(peers.StarGAN(labels, 64, 6))[1]
        assert count(made) - 3 == published  # biases of the last layer, all zero


def test_what_has_no_place_is_told() -> None:
    with pytest.raises(CheckpointError, match="two data sets and a mask"):
        imported(peers.StarGAN(15))
    weights = peers.StarGANJudge().state_dict()
    del weights["main.4.bias"]
    with pytest.raises(CheckpointError, match=r"main\.4\.bias is missing"):
        identify(weights, "D.pth", offers(), Choices())


def picture(file: Path) -> Tensor:
    return torch.from_numpy(np.array(Image.open(file))).permute(2, 0, 1)[None] / 127.5 - 1


def as_pixels(made: Tensor) -> np.ndarray[Any, Any]:
    return ((made[0] + 1) / 2 * 255).round().permute(1, 2, 0).numpy()


def test_a_stargan_is_used(cli: Cli, tmp_path: Path) -> None:
    names = ("plain", "striped", "spotted")
    for place, name in enumerate(names):
        for split in ("train", "test"):
            for n in range(2):
                draw(tmp_path / "data" / split / name / f"{n}.png", 10 * place + n, (64, 64))
    generator = shaken(peers.StarGAN(3))
    judge = shaken(peers.StarGANJudge(3, layers=4, size=64))
    files = [tmp_path / "200000-G.ckpt", tmp_path / "200000-D.ckpt"]
    for file, network in zip(files, (generator, judge), strict=True):
        torch.save(network.state_dict(), file)
    run, out = tmp_path / "run", tmp_path / "out"
    done = cli("import", *files, "-o", run, "--data", tmp_path / "data",
               f"--set=objective.domains={list(names)}")  # fmt: skip
    assert done.code == 0, done.err
    assert "discriminator: 200000-D.ckpt" in done.err
    source = tmp_path / "data/test/plain/0.png"
    done = cli("translate", run, source, "-o", out, "--to=spotted")
    assert done.code == 0, done.err
    with torch.no_grad():
        wanted = as_tested(generator)(picture(source), torch.eye(3)[2:])
    made = np.array(Image.open(out / "0.png")).astype(float)
    assert np.abs(made - as_pixels(wanted)).max() <= 1
    done = cli("evaluate", run, "--quick", "--json")
    assert done.code == 0, done.err
    assert "plain2spotted" in json.loads(done.out)
    assert cli("report", run).code == 0
    assert "train" in cli("resume", run).err
    wrong = cli("import", *files, "-o", tmp_path / "x", "--direction=a2b")
    assert (wrong.code, "which way" in wrong.err) == (2, True)


def test_an_augmented_cyclegan_is_used(cli: Cli, tmp_path: Path) -> None:
    for place, split in enumerate(("trainA", "trainB", "testA", "testB")):
        for n in range(2):
            draw(tmp_path / "data" / split / f"{n}.png", 10 * place + n, (64, 64))
    networks = {name: shaken(net) for name, net in peers.augmented_checkpoint(8, 4).items()}
    states: dict[str, Any] = {name: net.state_dict() for name, net in networks.items()}
    torch.save(states | {"optimizer_G_A": {"state": {}}}, tmp_path / "latest")
    run, out = tmp_path / "run", tmp_path / "out"
    done = cli("import", tmp_path / "latest", "-o", run, "--data", tmp_path / "data")
    assert done.code == 0, done.err
    for said in ("generator_a2b: latest, netG_A_B", "encoder_b: ", "code_discriminator_b: ",
                 "left out: latest, netD_A", "second names"):  # fmt: skip
        assert said in done.err
    tests = tmp_path / "data/testA"
    done = cli("translate", run, tests, "-o", out, "--direction=a2b", "--samples=3")
    assert done.code == 0, done.err
    answers = [np.array(Image.open(out / place / "0.png")).astype(float)
               for place in ("", "answer-2", "answer-3")]  # fmt: skip
    assert np.abs(answers[0] - answers[1]).max() > 5
    example = tmp_path / "data/testB/1.png"
    done = cli("translate", run, tests, "-o", out, "--direction=a2b", f"--like={example}")
    assert done.code == 0, done.err
    b, a = picture(example), picture(tests / "0.png")
    with torch.no_grad():
        back = networks["netG_B_A"](b)
        code = networks["netE_B"].eval()(torch.cat([back, b], 1))
        wanted = networks["netG_A_B"](a, code)
    made = np.array(Image.open(out / "0.png")).astype(float)
    assert np.abs(made - as_pixels(wanted)).max() <= 1
    done = cli("evaluate", run, "--quick", "--json")
    assert done.code == 0, done.err
    assert cli("report", run).code == 0

    # Without an encoder codes are drawn, and cannot be found.
    torch.save(states["netG_A_B"], tmp_path / "netG_A_B.pth")
    assert cli("import", tmp_path / "netG_A_B.pth", "-o", tmp_path / "one").code == 0
    one = ("translate", tmp_path / "one", tests, "-o", tmp_path / "x")
    assert cli(*one, "--samples=2").code == 0
    done = cli(*one, f"--like={example}")
    assert (done.code, "were not imported" in done.err) == (2, True), done.err


@pytest.mark.slow
def test_scripts_are_told_labels_and_codes(cli: Cli, tmp_path: Path) -> None:
    source = draw(tmp_path / "x.png", 1, (61, 45))
    star = shaken(peers.StarGAN(3))
    there = shaken(peers.AugmentedGenerator(8, 4))
    code = np.random.default_rng(3).standard_normal((1, 8), np.float32)
    for name, network, told, options, far in (
        ("star", star, torch.eye(3)[2:], ("--to", "label-3"), 3),
        ("code", there, torch.from_numpy(code), ("--seed", "3"), 1),
    ):
        torch.save(network.state_dict(), tmp_path / f"{name}.pth")
        run, file = tmp_path / name, tmp_path / f"{name}.onnx"
        assert cli("import", tmp_path / f"{name}.pth", "-o", run).code == 0
        done = cli("export", run, "-o", file)
        assert done.code == 0, done.err
        command = [sys.executable, f"{file}.py", file, source, tmp_path / "out.png", *options]
        subprocess.run(list(map(str, command)), check=True)
        with torch.no_grad():
            padded = torch.nn.functional.pad(picture(source), (0, far, 0, far), "reflect")
            wanted = as_pixels(as_tested(network)(padded, told)[..., :45, :61])
        made = np.array(Image.open(tmp_path / "out.png")).astype(float)
        assert np.abs(made - wanted).max() <= 1
        command[-1] = "label-9" if name == "star" else "4"
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
        assert ("--to: label-1, label-2, label-3" in done.stderr) == (name == "star")
