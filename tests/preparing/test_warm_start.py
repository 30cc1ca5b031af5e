"""Runs that begin with trained weights: train --init, resume, translate."""

import filecmp
import re
from pathlib import Path

import peers
import torch
from peers import ResNet, shaken
from safetensors.torch import load_file
from support import SMALL, Cli, as_options, draw

FEW = SMALL | {"train.preview_every": 0, "train.evaluate_every": 0}


def begin(cli: Cli, data: Path, run: Path, init: object, recipe: str = "horse2zebra",
          **settings: object) -> str:  # fmt: skip
    changed = FEW | {key.replace("__", "."): value for key, value in settings.items()}
    done = cli("train", "--plugin=image", f"--recipe={recipe}", f"--data={data}",
               f"--run-dir={run}", "--accelerator=cpu", f"--init={init}",
               *as_options(changed))  # fmt: skip
    assert done.code == 0, done.err
    return done.err


def weights(run: Path, step: int, name: str) -> dict[str, torch.Tensor]:
    return load_file(run / f"checkpoints/step-{step:08d}/{name}.safetensors")


def gone_on_with(cli: Cli, run: Path, data: Path, out: Path) -> None:
    """The run is resumed and translated with."""
    done = cli("resume", run, "--steps=6", "--accelerator=cpu")
    assert done.code == 0, done.err
    assert "beginning with" not in done.err
    done = cli("translate", run, data / "testA", "-o", out, "--direction=a2b", "--accelerator=cpu")
    assert done.code == 0, done.err
    assert list(out.glob("*.png"))


def test_a_run_s_networks_are_gone_on_with(
    cli: Cli, trained: Path, folders: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    said = begin(cli, folders, run, trained, train__steps=4, train__learning_rate=1e-12)
    count = len(weights(trained, 4, "generator_a2b"))
    assert f"generator_a2b: {count} of {count} tensors\n" in said
    assert "learn alone" not in said
    assert "init_discriminator_steps = 0" in (run / "recipe.toml").read_text()
    for name in ("generator_a2b", "discriminator_b"):
        before, after = weights(trained, 4, name), weights(run, 4, name)
        assert all(after[key].allclose(before[key], atol=1e-6) for key in before), name
    # What was begun with is in the checkpoints: the run that it came from may go.
    gone_on_with(cli, run, folders, tmp_path / "out")


def test_discriminators_that_are_new_learn_alone(
    cli: Cli, folders: Path, trained: Path, tmp_path: Path
) -> None:
    run, whole = tmp_path / "run", tmp_path / "whole"
    changes = {
        "discriminator__channels": 6,
        "train__init_discriminator_steps": 3,
        "train__schedule": "constant",
    }
    said = begin(cli, folders, run, trained / "checkpoints/step-00000002", **changes)
    assert "step 2" in said
    assert "discriminators learn alone for 3 steps" in said
    started = weights(trained, 2, "generator_a2b")
    assert all(started[k].equal(v) for k, v in weights(run, 2, "generator_a2b").items())
    assert not all(started[k].equal(v) for k, v in weights(run, 4, "generator_a2b").items())
    # A stop among those steps leaves nothing else behind.
    begin(cli, folders, whole, trained / "checkpoints/step-00000002", **changes, train__steps=2)
    done = cli("resume", whole, "--steps=4", "--accelerator=cpu")
    assert done.code == 0, done.err
    for name in ("generator_a2b", "discriminator_a"):
        files = [one / f"checkpoints/step-00000004/{name}.safetensors" for one in (run, whole)]
        assert filecmp.cmp(*files, shallow=False), name


def test_some_networks_of_a_checkpoint_are_named_by_their_files(
    cli: Cli, folders: Path, trained: Path, tmp_path: Path
) -> None:
    checkpoint = trained / "checkpoints/step-00000004"
    generators = ",".join(
        str(checkpoint / f"generator_{way}.safetensors") for way in ("a2b", "b2a")
    )
    said = begin(cli, folders, tmp_path / "run", generators, train__learning_rate=1e-12)
    assert "discriminator_a: anew" in said
    assert "discriminators learn alone for 100 steps" in said
    before, after = (
        weights(trained, 4, "generator_b2a"),
        weights(tmp_path / "run", 4, "generator_b2a"),
    )
    assert all(after[key].allclose(before[key], atol=1e-6) for key in before)


def test_files_of_a_run_need_no_import_and_have_networks_names(
    cli: Cli, folders: Path, trained: Path, tmp_path: Path
) -> None:
    file = trained / "checkpoints/latest/generator_a2b.safetensors"
    done = cli("import", file, "-o", tmp_path / "made")
    assert "error: " in done.err
    assert "needs no import" in done.err
    assert not (tmp_path / "made").exists()
    for init, said in (
        (file.with_name("generator_c.safetensors"), "has no network 'generator_c'. It has discr"),
        (f"{file},{file.with_name('discriminator_a.ema.safetensors')}", "do not go together"),
    ):
        done = cli("train", "--plugin=image", "--recipe=horse2zebra", f"--data={folders}",
                   f"--run-dir={tmp_path / 'run'}", f"--init={init}", *as_options(FEW))  # fmt: skip
        assert done.code == 2
        assert said in done.err
        assert not (tmp_path / "run").exists()


def test_another_objective_other_channels_and_more_blocks(
    cli: Cli, folders: Path, trained: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    said = begin(
        cli, folders, run, trained, recipe="cut", generator__blocks=3, codec__channels=1,
        generator__downsample="stride", generator__upsample="deconv",
    )  # fmt: skip
    assert "projector: anew" in said
    assert "with other channels: layers.0.weight (4 x 3 x 7 x 7 to 4 x 1 x 7 x 7)" in said
    assert "anew: layers." in said
    gone_on_with(cli, run, folders, tmp_path / "out")


def test_an_imported_generator_alone(cli: Cli, folders: Path, tmp_path: Path) -> None:
    file = tmp_path / "latest_net_G_A.pth"
    torch.save(shaken(ResNet(norm=peers.instance), 0).state_dict(), file)
    run = tmp_path / "run"
    shape = {"generator__channels": 4, "generator__blocks": 6}
    said = begin(cli, folders, run, file, **shape)
    assert "generator_b2a: anew" in said
    assert "discriminators learn alone" in said
    gone_on_with(cli, run, folders, tmp_path / "out")


def test_what_cannot_be_begun_with_is_named(cli: Cli, folders: Path, trained: Path,
                                            tmp_path: Path) -> None:  # fmt: skip
    def refused(init: object, *options: str) -> str:
        run = tmp_path / "run"
        done = cli("train", "--plugin=image", "--recipe=horse2zebra", f"--data={folders}",
                   f"--run-dir={run}", "--accelerator=cpu", f"--init={init}",
                   *as_options(FEW), *options)  # fmt: skip
        assert done.code != 0
        assert "Traceback" not in done.err
        assert not (run / "run.json").exists()
        return done.err

    said = refused(trained, "--set=generator.channels=5", "--set=generator.norm=none",
                   "--set=discriminator.channels=7")  # fmt: skip
    assert re.search(r"at most \d+% of a network in .*trained, step 4 fits", said)
    assert "--set generator.channels=4 --set generator.norm=instance" in said
    assert "is no run" in refused(draw(tmp_path / "folder/x.png", 0).parent)
    assert "missing.pth" in refused(tmp_path / "missing.pth")
