"""Going on with other settings: each is recorded with its step, and exact from there."""

import json
import shutil
from pathlib import Path

import pytest
from safetensors.torch import load_file
from support import Cli, copied, draw


def weights(run: Path) -> dict[str, object]:
    file = run / "checkpoints/latest/generator_a2b.safetensors"
    return {name: tensor.tolist() for name, tensor in load_file(file).items()}


@pytest.mark.slow
def test_changes_are_recorded_and_exact_from_there(
    cli: Cli, trained: Path, folders: Path, tmp_path: Path
) -> None:
    moved = copied(folders, tmp_path / "moved")
    whole = copied(trained, tmp_path / "whole")
    change = ("--set=train.batch_size=1", "--set=objective.cycle.weight=3", f"--data={moved}",
              "--set=objective.history_size=2", "--accelerator=cpu")  # fmt: skip
    done = cli("resume", whole, *change, "--steps=8")
    assert done.code == 0, done.err
    halved = copied(whole, tmp_path / "halved")
    shutil.rmtree(halved / "checkpoints/step-00000008")
    assert cli("resume", halved, "--accelerator=cpu").code == 0
    assert weights(whole) == weights(halved)
    told = [json.loads(line) for line in (whole / "changes.jsonl").read_text().splitlines()]
    assert {change["step"] for change in told} == {4}
    assert {"train.batch_size", "objective.cycle.weight", "data.root"} <= {c["key"] for c in told}


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        (
            "codec.channels=4",
            "samples of domain A with channels 3, and codec would make",
        ),
        ("generator.blocks=2", "does not fit what the run's recipe describes"),
        ("objective.second_adversarial.weight=1", "no weights of second_discriminator_a and"),
        ("plugin=audio", "is of plugin 'image', not of 'audio'"),
    ],
)
def test_what_the_networks_cannot_take_is_refused(
    cli: Cli, trained: Path, tmp_path: Path, setting: str, said: str
) -> None:
    run = copied(trained, tmp_path / "run")
    before = (run / "recipe.toml").read_bytes()
    refused = cli("resume", run, f"--set={setting}", "--steps=6", "--accelerator=cpu")
    assert refused.code in (1, 2)
    assert said in refused.err
    assert "unexpected" not in refused.err
    assert (run / "recipe.toml").read_bytes() == before


def test_fewer_steps_than_are_done_are_refused(cli: Cli, trained: Path, tmp_path: Path) -> None:
    refused = cli("resume", copied(trained, tmp_path / "run"), "--steps=2")
    assert refused.code == 2
    assert "has done 4 steps" in refused.err
    assert "none for the 4 that were planned" in refused.err


def test_a_picture_of_another_size_is_named_before_the_first_step(
    cli: Cli, trained: Path, folders: Path, tmp_path: Path
) -> None:
    data, run = copied(folders, tmp_path / "data"), copied(trained, tmp_path / "run")
    shutil.rmtree(data / "trainA")
    for index in range(5):
        draw(data / f"trainA/{index}.png", index, (32, 32))
    draw(data / "trainA/zz.png", 9, (36, 36))
    resume = ("resume", run, f"--data={data}", "--set=codec.preprocess=none", "--steps=6",
              "--accelerator=cpu")  # fmt: skip
    refused = cli(*resume)
    assert (refused.code, "zz.png gives windows of size 36 x 36" in refused.err) == (1, True)
    taken = cli(*resume, "--set=train.batch_size=1")
    assert taken.code == 0, taken.err
