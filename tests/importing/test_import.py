"""What people do: import somebody's files, translate with them, judge them, look at the page."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import peers
import pytest
import torch
from peers import Named, ResNet, RowUNet, UNet, as_tested, shaken
from PIL import Image
from support import Cli, draw
from torch import nn

from cyclekit.errors import CheckpointError
from cyclekit.importing.family import Choices
from cyclekit.importing.registry import Offer, identify
from cyclekit.importing.roles import Role, role_of
from cyclekit.plugins.host import load_plugin


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    for place, split in enumerate(("trainA", "trainB", "testA", "testB")):
        for n in range(2):
            draw(tmp_path / "data" / split / f"{n}.png", 10 * place + n, (64, 64))
    return tmp_path / "data"


def saved(file: Path, network: nn.Module) -> Path:
    torch.save(network.state_dict(), file)
    return file


def as_picture(network: nn.Module, file: Path) -> np.ndarray[Any, Any]:
    """What the peer's own script would write."""
    pixels = torch.from_numpy(np.array(Image.open(file))).permute(2, 0, 1)[None]
    with torch.no_grad():
        made = as_tested(network)(pixels / 127.5 - 1)
    return ((made[0] + 1) / 2 * 255).round().permute(1, 2, 0).numpy()


def read(file: Path) -> np.ndarray[Any, Any]:
    return np.array(Image.open(file)).astype(float)


def test_both_directions_with_what_judges_them(cli: Cli, pictures: Path, tmp_path: Path) -> None:
    networks = [shaken(ResNet(norm=peers.batch), seed) for seed in range(2)]
    files = [saved(tmp_path / f"9_net_G_{d}.pth", n) for d, n in zip("AB", networks, strict=True)]
    judges = [
        saved(tmp_path / f"9_net_D_{d}.pth", shaken(Named("model", peers.patchgan()), seed))
        for seed, d in enumerate("AB")
    ]
    run = tmp_path / "run"
    done = cli("import", *files, *judges, "-o", run, "--data", pictures)
    assert done.code == 0, done.err
    assert "discriminator_b: 9_net_D_A.pth" in done.err  # it judges what G_A makes
    assert "statistics of norms" in done.err
    assert "--running-statistics" in done.err
    for way, network in zip(("a2b", "b2a"), networks, strict=True):
        source = pictures / f"test{way[0].upper()}" / "0.png"
        done = cli("translate", run, source, "-o", tmp_path / "out", "--direction", way)
        assert done.code == 0, done.err
        assert np.abs(read(tmp_path / "out" / "0.png") - as_picture(network, source)).max() <= 1
    assert cli("evaluate", run, "--quick").code == 0
    assert cli("report", run).code == 0
    page = (run / "report.html").read_text()
    assert "9_net_G_A.pth" in page
    resumed = cli("resume", run)
    assert resumed.code == 2
    assert "train" in resumed.err
    assert "--init" in resumed.err


@pytest.mark.slow
@pytest.mark.parametrize("network", [UNet(5), RowUNet(), ResNet(down="blur", up="blur")])
def test_one_direction(network: nn.Module, cli: Cli, pictures: Path, tmp_path: Path) -> None:
    file = saved(tmp_path / "latest_net_G.pth", shaken(network))
    run = tmp_path / "run"
    done = cli("import", file, "-o", run, "--direction", "b2a")
    assert done.code == 0, done.err
    source = pictures / "testB" / "0.png"
    done = cli("translate", run, source, "-o", tmp_path / "out", "--direction", "b2a")
    assert done.code == 0, done.err
    assert np.abs(read(tmp_path / "out" / "0.png") - as_picture(network, source)).max() <= 1
    other = cli("translate", run, source, "-o", tmp_path / "out", "--direction", "a2b")
    assert other.code == 2
    assert "There are: b2a" in other.err
    done = cli("evaluate", run, "--data", pictures, "--quick", "--json")
    assert done.code == 0, done.err
    assert {"b2a", "both"} <= json.loads(done.out).keys()
    assert "a2b" not in json.loads(done.out)
    assert cli("report", run).code == 0


def test_the_next_numbered_folder(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = saved(tmp_path / "horse2zebra.pth", ResNet())
    for number in (1, 2):
        assert cli("import", file).code == 0
        run = tmp_path / "runs" / f"0000{number}-image-horse2zebra"
        assert (run / "checkpoints" / "latest" / "checkpoint.json").is_file()
    assert cli("import", "gone.pth").code == 1
    assert len(list((tmp_path / "runs").iterdir())) == 2


def test_what_is_there_stays(cli: Cli, tmp_path: Path) -> None:
    file = saved(tmp_path / "G.pth", ResNet())
    (tmp_path / "run").mkdir()
    assert cli("import", file, "-o", tmp_path / "run").code == 0
    done = cli("import", file, "-o", tmp_path / "run")
    assert done.code == 2
    assert "already holds a run" in done.err


def test_the_record_names_files_by_their_content(cli: Cli, tmp_path: Path) -> None:
    file = saved(tmp_path / "G.pth", ResNet(norm=peers.tracked))
    assert cli("import", file, "-o", tmp_path / "run").code == 0
    told = json.loads((tmp_path / "run" / "import.json").read_text())
    (listed,) = told["files"]
    assert listed["bytes"] == file.stat().st_size
    assert len(listed["sha256"]) == 64
    assert told["networks"]["generator_a2b"]["dropped"]


def test_generators_that_do_not_go_together(cli: Cli, tmp_path: Path) -> None:
    wide = saved(tmp_path / "G_A.pth", ResNet(width=5))
    narrow = saved(tmp_path / "G_B.pth", ResNet(width=4))
    done = cli("import", wide, narrow, "-o", tmp_path / "run")
    assert done.code == 1
    assert "built differently (channels)" in done.err
    done = cli("import", wide, wide, "-o", tmp_path / "run")
    assert done.code == 2
    assert "both translate a2b" in done.err
    done = cli("import", saved(tmp_path / "D_A.pth", Named("model", peers.patchgan())))
    assert done.code == 1
    assert "no generator" in done.err


def test_discriminators_of_pairs(cli: Cli, pictures: Path, tmp_path: Path) -> None:
    def of(channels: int) -> Path:
        judge = Named("model", peers.patchgan(channels=channels))
        return saved(tmp_path / "net_D.pth", judge)

    generator, run, further = saved(tmp_path / "net_G.pth", UNet(5)), tmp_path / "run", tmp_path
    done = cli("import", generator, of(6), "-o", run, "--direction=b2a")
    assert done.code == 0, done.err
    assert "discriminator_a: net_D.pth" in done.err
    assert "shown the source beside each sample" in done.err
    done = cli("train", "--plugin=image", "--recipe=pix2pix", f"--data={pictures}", f"--init={run}",
               f"--run-dir={further / 'on'}", "--accelerator=cpu", "--steps=2",
               "--set=objective.direction=b2a", "--set=generator.name=unet_256",
               "--set=generator.downsamplings=5", "--set=generator.channels=2",
               "--set=generator.affine=false", "--set=discriminator.affine=false",
               "--set=discriminator.channels=4", "--set=codec.resize=64", "--set=codec.crop=64",
               "--set=train.preview_every=0", "--set=train.evaluate_every=0")  # fmt: skip
    assert done.code == 0, done.err
    assert "anew" not in done.err
    done = cli("import", generator, of(7), "-o", tmp_path / "other")
    assert done.code == 0, done.err
    assert "sees 7 channels at once" in done.err
    assert "discriminator_b" not in done.err


def test_colours_the_other_way_round(cli: Cli, pictures: Path, tmp_path: Path) -> None:
    network = shaken(ResNet())
    file = saved(tmp_path / "G_A.pth", network)
    assert cli("import", file, "-o", tmp_path / "run", "--bgr").code == 0
    source = pictures / "testA" / "1.png"
    cli("translate", tmp_path / "run", source, "-o", tmp_path / "out", "--direction", "a2b")
    turned = tmp_path / "turned.png"
    Image.fromarray(np.array(Image.open(source))[..., ::-1].copy()).save(turned)
    wanted = as_picture(network, turned)[..., ::-1]
    assert np.abs(read(tmp_path / "out" / "1.png") - wanted).max() <= 1


def test_zeros_at_borders(cli: Cli, pictures: Path, tmp_path: Path) -> None:
    network = shaken(ResNet())
    file = saved(tmp_path / "G_A.pth", network)
    assert cli("import", file, "-o", tmp_path / "run", "--padding", "zero").code == 0
    for module in network.modules():
        if isinstance(module, nn.Sequential):
            for place, layer in enumerate(module):
                if isinstance(layer, nn.ReflectionPad2d):
                    module[place] = nn.ZeroPad2d(layer.padding)
    source = pictures / "testA" / "0.png"
    cli("translate", tmp_path / "run", source, "-o", tmp_path / "out", "--direction", "a2b")
    assert np.abs(read(tmp_path / "out" / "0.png") - as_picture(network, source)).max() <= 1


@pytest.mark.slow
def test_dropout_that_stays_on(cli: Cli, pictures: Path, tmp_path: Path) -> None:
    network = shaken(UNet(6))
    file, source = saved(tmp_path / "G.pth", network), pictures / "testA" / "0.png"
    for name, option in (("off", []), ("on", ["--dropout-on"])):
        assert cli("import", file, "-o", tmp_path / name, *option).code == 0
        for out in ("once", "again"):
            cli("translate", tmp_path / name, source, "-o", tmp_path / name / out,
                "--direction", "a2b")  # fmt: skip
    once, again = (read(tmp_path / "on" / out / "0.png") for out in ("once", "again"))
    assert np.array_equal(once, again)  # the same values are dropped
    assert not np.array_equal(once, read(tmp_path / "off" / "once" / "0.png"))
    done = cli("import", saved(tmp_path / "H.pth", ResNet()), "--dropout-on")
    assert done.code == 2
    assert "there is no dropout" in done.err


@pytest.mark.parametrize(
    ("network", "option", "said"),
    [
        (ResNet(), ["--running-statistics"], "no norms that use any"),
        (ResNet(norm=peers.tracked), ["--running-statistics"], "no norms that use any"),
        (UNet(5), ["--padding=zero"], "no border open"),
        (ResNet(channels=(4, 4)), ["--bgr"], "three channels"),
    ],
)
def test_choices_that_would_do_nothing(
    network: nn.Module, option: list[str], said: str, cli: Cli, tmp_path: Path
) -> None:
    file = saved(tmp_path / "G.pth", network)
    done = cli("import", file, *option, "-o", tmp_path / "run", "--plugin", "image")
    assert done.code == 2
    assert said in done.err
    assert not (tmp_path / "run").exists()


def test_unknown_families(cli: Cli, tmp_path: Path) -> None:
    torch.save({"mlp_0.0.weight": torch.zeros(3, 3)}, tmp_path / "net_F.pth")
    done = cli("import", tmp_path / "net_F.pth")
    assert done.code == 1
    assert "CUT's network of features" in done.err
    done = cli("import", saved(tmp_path / "G.pth", ResNet()), "--as", "resnett")
    assert done.code == 2
    assert "Did you mean 'resnet'" in done.err


REFUSED = {
    "unsb": ["model_res.0.weight", "time_embed.0.weight"],
    "joligen-attention": ["resnet_blocks.0.conv1.weight", "deconv3_attention.weight"],
    "pix2pixhd-local": ["model1_1.1.weight"],
    "cartoongan": ["conv01_1.weight", "deconv03_1.weight"],
    "animegan": ["block_a.0.weight", "block_e.0.weight"],
    "turbo": ["rank_unet"],
    "cut-cat": ["enc_content.model.0.weight"],
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_known_and_cannot_be_imported_says_why(name: str) -> None:
    host = load_plugin("image")
    offers = [Offer("image", host.modality, family) for family in host.families()]
    weights = {key: torch.zeros(2) for key in REFUSED[name]}
    (family,) = [offer.family for offer in offers if offer.family.name == name]
    with pytest.raises(CheckpointError) as refusal:
        identify(weights, "G.pth", offers, Choices())
    assert family.summary in str(refusal.value)
    assert family.refusal in str(refusal.value)


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("latest_net_G_A.pth", Role("a2b")),
        ("200_net_G_B_ema.pth", Role("b2a")),
        ("netG_B2A.pth", Role("b2a")),
        ("G_AB_190.pth", Role("a2b")),
        ("model_genB2A_state_dict", Role("b2a")),
        ("g_A_last.pth.tar", Role("a2b")),
        ("latest_net_D_A.pth", Role(domain="b")),
        ("netD_A.pth", Role(domain="a")),
        ("00500_discriminator_B2.pth.tar", Role(domain="b", second=True)),
        ("latest_net_G.pth", Role()),
        ("horse2zebra.pth", Role()),
    ],
)
def test_what_names_say(name: str, role: Role) -> None:
    assert role_of(name) == role
