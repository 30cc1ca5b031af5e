"""The projected discriminator: what it sees, what it trains and keeps, whose weights it wants."""

import re
from pathlib import Path

import pytest
import torch
from cyclekit_image import lite
from cyclekit_image.projected import (
    DEPTHS,
    Features,
    Mixing,
    ProjectedDiscriminator,
    ProjectedOptions,
)
from support import QUICK, Cli, assert_resumes_exactly, training

from cyclekit.api import (
    CheckpointError,
    RecipeError,
    SlopesPatchGAN,
    TensorSpec,
    install_command,
)
from cyclekit.judging import classifier

COLOURS = TensorSpec(3, (None, None), colours=True)
SMALL: dict[str, object] = {
    "generator.channels": 4,
    "generator.blocks": 1,
    "discriminator.name": "projected",
    "discriminator.side": 32,
    "discriminator.channels": 4,
    "discriminator.beside": "patchgan_slopes",
    "discriminator.patches": "{channels = 4, layers = 2}",
    "objective.augmentation": "{translation = 0.125, cutout = 0.5, colour = true}",
    "objective.adversarial.loss": "relativistic",
    "objective.adversarial.regularization": "{r1 = 1, r2 = 1, every = 2}",
    "codec.resize": 36,
    "codec.crop": 32,
}


def made(spec: TensorSpec = COLOURS, **options: object) -> ProjectedDiscriminator:
    given = ProjectedOptions.model_validate({"channels": 4, **options})
    torch.manual_seed(0)
    return ProjectedDiscriminator(spec, spec.logits(), given)


@pytest.mark.parametrize(("size", "halvings"), [((64, 64), 0), ((128, 96), 0), ((256, 256), 1)])
def test_each_depth_judges_as_many_places(size: tuple[int, int], halvings: int) -> None:
    judge = made(halvings=halvings)
    x = torch.rand(2, 3, *size) * 2 - 1
    mixed = judge.mixing(judge.features(x))
    maps = [head(y) for head, y in zip(judge.heads, mixed, strict=True)]
    assert len({logits.shape for logits in maps}) == 1
    assert judge(x).shape == (2, 1, maps[0].shape[2], 4 * maps[0].shape[3])


def test_it_sees_what_the_whole_network_sees() -> None:
    """Norms are moved into convolutions; grey stands in all three channels."""
    grey = torch.rand(1, 1, 96, 96)
    with torch.no_grad():
        found = Features(TensorSpec(1, (None, None), range=(0.0, 1.0)), 96)(grey)
        whole = lite.load_lite(0)
        mean, deviation = (torch.tensor(v).view(3, 1, 1) for v in (lite.MEAN, lite.DEVIATION))
        x = (grey.expand(-1, 3, -1, -1) - mean) / deviation
        x = whole._swish(whole._bn0(whole._conv_stem(x)))
        wanted = []
        for block in whole._blocks:
            x = block(x)
            wanted.append(x)
    for depth, feature in zip(DEPTHS, found, strict=True):
        torch.testing.assert_close(feature, wanted[depth], rtol=1e-3, atol=1e-3)
    assert [feature.shape[-1] for feature in found] == [24, 12, 6, 3]


def test_only_its_heads_are_trained_and_trained_weights_of_others_are_not_kept() -> None:
    judge = made(beside="patchgan")
    assert {name.split(".")[0] for name, _ in judge.named_parameters()} == {"heads", "beside"}
    kept = judge.state_dict()
    assert {name for name in kept if name.startswith("features")} == {"features.digest"}
    assert {name.split(".")[0] for name in kept} == {"features", "mixing", "heads", "beside"}
    before = {name: value.clone() for name, value in judge.named_buffers() if "heads" not in name}
    judge.train()
    judge.requires_grad_(True)
    x = torch.rand(2, 3, 64, 64, requires_grad=True)
    judge(x).mean().backward()
    assert x.grad is not None
    assert x.grad.abs().max() > 0
    assert all(torch.equal(value, judge.get_buffer(name)) for name, value in before.items())


def test_random_mixing_follows_from_the_seed_and_is_kept() -> None:
    weights = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        weights.append(Mixing(4).state_dict()["across_channels.0.weight"])
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    other = Mixing(4)
    assert not list(other.parameters())
    finest = other(
        [torch.rand(1, n, 2**s, 2**s) for n, s in ((24, 3), (40, 2), (112, 1), (320, 0))]
    )
    assert [x.shape[-1] for x in finest] == [16, 8, 4, 2]


def test_other_weights_than_those_it_learned_from_are_refused() -> None:
    kept = made().state_dict()
    made().load_state_dict(kept)
    kept["features.digest"] = kept["features.digest"].flip(0)
    with pytest.raises(CheckpointError, match="learned from other weights of EfficientNet-Lite0"):
        made().load_state_dict(kept)


def test_two_discriminators_count_alike() -> None:
    judge = made(beside="patchgan_slopes", patches={"channels": 4, "layers": 2})
    x = torch.rand(1, 3, 64, 64)
    assert isinstance(judge.beside, SlopesPatchGAN)
    patches = judge.beside(x).numel()
    of_features = judge(x).numel() - patches
    assert 0.8 < of_features / patches < 1.25


def test_what_it_cannot_look_at_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RecipeError, match="pictures of 1 or 3 channels with a range"):
        made(TensorSpec(6, (None, None)))
    monkeypatch.setattr(lite, "available", lambda size: False)
    with pytest.raises(RecipeError, match=re.escape(install_command("pretrained"))):
        made()


@pytest.mark.slow
def test_a_resumed_run_ends_where_an_uninterrupted_one_does(
    folders: Path, tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = tmp_path / "whole"
    done = cli(*training("image", "horse2zebra", QUICK | SMALL)(folders, whole))
    assert done.code == 0, done.err
    assert_resumes_exactly(whole, tmp_path / "halved", lambda run: cli("resume", run))
    # Neither the features nor averages of discriminators are in a checkpoint.
    sizes = {
        file.name: file.stat().st_size
        for file in (whole / "checkpoints/latest").glob("*discriminator*")
    }
    assert sizes.keys() == {"discriminator_a.safetensors", "discriminator_b.safetensors"}
    assert max(sizes.values()) < 200_000
    with monkeypatch.context() as elsewhere:  # whoever translates needs no discriminator
        elsewhere.setattr(lite, "available", lambda size: False)
        picture = next((folders / "testA").iterdir())
        done = cli("translate", whole, picture, "-o", tmp_path / "out", "--direction=a2b")
        assert done.code == 0, done.err
        done = cli("resume", whole, "--set=train.steps=6")
        assert install_command("pretrained") in done.err
    monkeypatch.setattr(classifier, "STEPS", 2)
    judged = cli("evaluate", whole, "--json")
    assert judged.err.count("look through ImageNet's EfficientNet-Lite, as this run's") == 1
