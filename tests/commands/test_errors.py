"""Bad input gets one clear message, a non-zero exit, and no traceback."""

import re
from pathlib import Path
from typing import Any

import pytest
from support import SMALL, Cli, as_options, draw


def attempt(cli: Cli, run: Path, *arguments: object) -> Any:
    base = ["train", "--accelerator=cpu", f"--run-dir={run}", *as_options(SMALL)]
    given = [str(argument) for argument in arguments]
    for option, value in (("--plugin", "image"), ("--recipe", "horse2zebra")):
        if not any(argument.startswith(option) for argument in given):
            given.append(f"{option}={value}")
    return cli(*base, *given)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--plugin=imagee"], 2, "No plugin called 'imagee'. Did you mean 'image'"),
        (["--recipe=horse2zebr"], 2, "No recipe called 'horse2zebr'.*Did you mean 'horse2zebra'"),
        (["--recipe=nowhere/x.toml"], 2, "No recipe file nowhere/x.toml"),
        (["--set=train.stepz=1"], 2, r"Did you mean 'train\.steps'"),
        (["--set=generator.name=unet"], 2, "'unet' is not known.*resnet"),
        (["--set=train.steps=x"], 2, r"train\.steps.*a whole number"),
        (["--set=codec.crop=64"], 2, r"codec\.crop \(64\) cannot be larger than codec\.resize"),
        (["--steps=0"], 2, "0 is not in the range"),
        (["--set=data.root=builtin:shapez"], 1, "no built-in data 'shapez'. Did you mean 'shapes'"),
        (["--data=/nowhere/at/all"], 1, "/nowhere/at/all does not exist.*trainA.*data get horse"),
        ([], 1, "datasets/horse2zebra does not exist.*cyclekit data get horse2zebra"),
        (["--precision=half"], 2, "'half' is not one of"),
        (["--accelerator=cuda"], 1, "--accelerator cuda: there is no such device"),
    ],
)  # fmt: skip
def test_train(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    arguments: list[str], code: int, said: str,
) -> None:  # fmt: skip
    import torch

    if "--accelerator=cuda" in arguments and torch.cuda.is_available():
        pytest.skip("this machine has a GPU, so asking for one is no mistake")
    monkeypatch.chdir(tmp_path)
    outcome = attempt(cli, tmp_path / "run", *arguments)
    assert outcome.code == code, outcome.err
    assert re.search(said, outcome.err, re.S), outcome.err
    assert "Traceback" not in outcome.err
    assert not (tmp_path / "run").exists(), "a run that never began leaves nothing"


def test_data_folders(cli: Cli, folders: Path, tmp_path: Path) -> None:
    (tmp_path / "empty" / "trainA").mkdir(parents=True)
    (tmp_path / "empty" / "trainB").mkdir()
    draw(tmp_path / "bad/trainB/x.png", 0)
    for index in range(4):
        draw(tmp_path / f"bad/trainA/{index}.png", index)
        (tmp_path / "bad/trainA" / f"note{index}.png").write_text("no picture")
    for data, said in (
        (tmp_path / "empty", "Domain A is empty"),
        (tmp_path / "bad", r"of domain A cannot be used, which is more than a fifth.*note"),
        (folders / "trainA", "holds the files of one domain"),
        (folders / "trainA" / "0.png", "is a file, not a folder"),
    ):
        outcome = attempt(cli, tmp_path / "run", f"--data={data}")
        assert outcome.code == 1
        assert re.search(said, outcome.err, re.S), outcome.err


def test_run_directories(cli: Cli, folders: Path, trained: Path, tmp_path: Path) -> None:
    before = (trained / "metrics.jsonl").read_bytes()
    taken = attempt(cli, trained, f"--data={folders}")
    assert taken.code == 2
    assert f"cyclekit resume {trained}" in taken.err
    assert (trained / "metrics.jsonl").read_bytes() == before
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("years of work")
    full = attempt(cli, tmp_path / "full", f"--data={folders}")
    assert (full.code, "is not empty" in full.err) == (2, True)
    (tmp_path / "file").write_text("x")
    unwritable = attempt(cli, tmp_path / "file" / "run", f"--data={folders}")
    assert unwritable.code == 1
    assert "Not a directory" in unwritable.err
    assert (tmp_path / "full" / "thesis.txt").exists()


def test_windows_too_small_for_the_networks(cli: Cli, folders: Path, tmp_path: Path) -> None:
    small = attempt(cli, tmp_path / "a", f"--data={folders}", "--set=discriminator.layers=4",
                    "--set=codec.crop=16")  # fmt: skip
    assert small.code == 1
    assert "fewer discriminator.layers" in small.err
    odd = attempt(cli, tmp_path / "b", f"--data={folders}", "--set=codec.crop=30")
    assert odd.code == 1
    assert re.search(r"changes the size.*divide", odd.err, re.S), odd.err
    assert not (tmp_path / "a").exists()


def test_resume_and_evaluate_of_what_is_no_run(cli: Cli, tmp_path: Path) -> None:
    for verb in ("resume", "evaluate"):
        for folder in (tmp_path, tmp_path / "nowhere"):
            outcome = cli(verb, folder)
            assert outcome.code == 1
            assert "expected a folder that `cyclekit train` made" in outcome.err


def test_unknown_verbs_and_missing_options(cli: Cli) -> None:
    assert "Did you mean 'train'" in cli("trian").err
    assert cli("trian").code == 2
    missing = cli("train", "--plugin=image")
    assert (missing.code, "Missing option '--recipe'" in missing.err) == (2, True)


def test_training_that_comes_apart_says_so(cli: Cli, folders: Path, tmp_path: Path) -> None:
    outcome = attempt(cli, tmp_path / "run", f"--data={folders}", "--set=train.log_every=1",
                      "--set=objective.cycle.weight=1e300", "--steps=20",
                      "--set=train.evaluate_every=0", "--set=train.preview_every=0")  # fmt: skip
    assert outcome.code == 1
    assert re.search(r"came apart at step \d+, in the \w+ phase", outcome.err), outcome.err


def test_a_plugin_that_breaks_is_named(cli: Cli, folders: Path, tmp_path: Path) -> None:
    source = """
from cyclekit.api import *
from PIL import Image
import torch, numpy

class Broken(Codec):
    def spec(self, domain): return TensorSpec(3, (None, None))
    def load(self, path): return Image.open(path).convert("RGB")
    def encode(self, item, domain):
        return Sample(torch.tensor(numpy.array(item)).permute(2, 0, 1)[:, :32, :32])
    def decode(self, tensor, domain, meta):
        return Image.fromarray(tensor.permute(1, 2, 0).byte().numpy())
    def save(self, item, path):
        item.save(path.with_suffix(".png"))
        return path.with_suffix(".png")
    def render(self, rows, folder): raise RuntimeError("no pen")
    PLACE

def bad_metric(translations, fitted): raise ValueError("no ruler")

@hookimpl
def cyclekit_modality():
    yield Modality("broken", 2, "", Broken, (RESNET,), (PATCHGAN,),
                   metrics=(Metric("ruler", {"length": True}, bad_metric),))
"""
    plugin = tmp_path / "broken.py"
    recipe = tmp_path / "small.toml"
    small = {k: v for k, v in SMALL.items() if not k.startswith("codec.")}
    recipe.write_text('summary = "x"\n')

    def run(name: str, place: str) -> Any:
        plugin.write_text(source.replace("PLACE", place))
        return cli(
            *("train", f"--plugin={plugin}", f"--recipe={recipe}", f"--data={folders}"),
            *(f"--run-dir={tmp_path / name}", "--accelerator=cpu", *as_options(small)),
        )

    kept = run("kept", "")
    assert kept.code == 0, kept.err
    assert "plugin 'broken' failed in render: RuntimeError: no pen" in kept.err
    assert "metric 'ruler' failed: ValueError: no ruler" in kept.err
    assert (tmp_path / "kept/checkpoints/latest/generator_a2b.safetensors").exists()
    stopped = run("stopped", "def augment(self, tensor, domain, rng): return tensor.nonsense")
    assert stopped.code == 1
    assert "Broken.augment failed on a sample of domain A of shape (3, 32, 32)" in stopped.err


def test_a_recipe_runs_no_code_that_came_with_it(cli: Cli, folders: Path, tmp_path: Path) -> None:
    """Neither as an extension, nor as its plugin, nor through what it names for data."""
    touched = tmp_path / "touched"
    evil = tmp_path / "evil.py"
    evil.write_text(f"import pathlib\npathlib.Path({str(touched)!r}).touch()\n")
    for line, said in (
        (f"extensions = ['{evil}']", "If you trust it: --trust"),
        (f"plugin = '{evil}'", "The recipe is for plugin"),
        ("data.root = 'builtin:../../evil'", "no built-in data '../../evil'"),
    ):
        recipe = tmp_path / "downloaded.txt"
        recipe.write_text(f"{line}\nextends = 'horse2zebra'\n")
        run = tmp_path / "run"
        outcome = cli("train", "--plugin=image", f"--recipe={recipe}", f"--run-dir={run}",
                      "--accelerator=cpu", *as_options(SMALL))  # fmt: skip
        assert outcome.code != 0
        assert said in outcome.err
        assert not run.exists()
    assert not touched.exists()
    recipe.write_text(f"extensions = ['{evil}']\nextends = 'horse2zebra'\n")
    named = [f"--recipe={recipe}", f"--trust={evil}", f"--data={folders}"]
    trusted = cli("train", "--plugin=image", *named, f"--run-dir={tmp_path / 'named'}",
                  "--accelerator=cpu", *as_options(SMALL | {"train.steps": 1}))  # fmt: skip
    assert trusted.code == 0, trusted.err
    assert touched.exists()
    touched.unlink()
    trusted = attempt(cli, tmp_path / "run", f"--data={folders}", f"--set=extensions=['{evil}']",
                      "--steps=1")  # fmt: skip
    assert trusted.code == 0, trusted.err
    assert touched.exists()
