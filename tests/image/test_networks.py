"""Pictures through each of the plugin's networks: trained, resumed, translated."""

from pathlib import Path

import pytest
from PIL import Image
from support import QUICK, Cli, assert_resumes_exactly, draw, training

UNET: dict[str, object] = {
    "generator.name": "unet_128",
    "generator.channels": 2,
    "discriminator.name": "pixel",
    "discriminator.channels": 4,
    "codec.resize": 136,
    "codec.crop": 128,
}
RESNET: dict[str, object] = {
    "generator.channels": 4,
    "generator.blocks": 1,
    "generator.downsample": "blur",
    "generator.upsample": "pixelshuffle",
    "generator.init": "orthogonal",
    "discriminator.channels": 4,
    "codec.resize": 40,
    "codec.crop": 32,
}
VARIED: dict[str, object] = {
    "objective.augmentation": "{translation = 0.125, cutout = 0.5, colour = true}",
    "train.schedule": "cosine",
    "train.ema": 0.9,
}


@pytest.mark.slow
@pytest.mark.parametrize("settings", [UNET, RESNET], ids=["unet", "resnet"])
def test_a_resumed_run_ends_where_an_uninterrupted_one_does(
    settings: dict[str, object], folders: Path, tmp_path: Path, cli: Cli
) -> None:
    whole, halved = tmp_path / "whole", tmp_path / "halved"
    command = training("image", "horse2zebra", QUICK | VARIED | settings)(folders, whole)
    done = cli(*command)
    assert done.code == 0, done.err
    assert_resumes_exactly(whole, halved, lambda run: cli("resume", run))

    picture = draw(tmp_path / "odd.png", seed=0, size=(40, 50))
    done = cli("translate", whole, picture, "-o", tmp_path / "out", "--direction=a2b")
    assert done.code == 0, done.err
    assert Image.open(tmp_path / "out" / "odd.png").size == (40, 50)


def test_windows_too_small_for_a_unet_are_told_before_training(
    folders: Path, tmp_path: Path, cli: Cli
) -> None:
    small = QUICK | UNET | {"codec.resize": 72, "codec.crop": 64}
    done = cli(*training("image", "horse2zebra", small)(folders, tmp_path / "run"))
    assert done.code != 0
    assert "divide by 128" in done.err
    assert "(64, 64)" in done.err
    assert "Traceback" not in done.err
