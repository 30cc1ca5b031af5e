"""StarGAN on two ranks: attributes, and discriminators with a logit for each domain."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from distributed.test_ranks import difference
from ranks import on_two_ranks
from support import Outcome, draw, training

SETTINGS: dict[str, object] = {
    "codec.resize": 36,
    "codec.crop": 32,
    "generator.channels": 4,
    "generator.blocks": 1,
    "discriminator.channels": 4,
    "objective.generator_every": 2,
    "train.steps": 4,
    "train.best": "{}",
    "train.preview_every": 0,
    "train.evaluate_every": 0,
    "train.precision": "64-true",
}


def write_attributes(folder: Path) -> dict[str, object]:
    """Pictures and a list of what they have; returns the settings that go with them."""
    folder.mkdir()
    rows = []
    for number in range(8):
        draw(folder / f"{number}.png", number)
        rows.append([f"{number}.png", number % 2, number // 2 % 2])
    with (folder / "list.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["file", "Striped", "Round"], *rows])
    return {
        "data.attributes": "list.csv",
        "data.held_out": 0.25,
        "objective.attributes": json.dumps(["Striped", "Round"]),
        "objective.domains": "[]",
    }


def write_kinds(folder: Path) -> dict[str, object]:
    """Pictures in folders; likewise."""
    kinds = ["filled", "plain", "striped"]
    for number, kind in enumerate(kinds):
        for item in range(4):
            draw(folder / "train" / kind / f"{item}.png", 10 * number + item)
    return {
        "data.held_out": 0.25,
        "objective.domains": json.dumps(kinds),
        "objective.adversarial.logits": "own",
    }


@pytest.mark.slow
@pytest.mark.parametrize("write", [write_attributes, write_kinds])
def test_two_ranks_that_take_parts_equal_one_that_takes_the_whole(
    write: Callable[[Path], dict[str, object]], tmp_path: Path, cli: Callable[..., Outcome]
) -> None:
    command = training("image", "stargan-demo", SETTINGS | write(tmp_path / "data"))
    one, two = tmp_path / "one", tmp_path / "two"
    assert cli(*command(tmp_path / "data", one, train__batch_size=4)).code == 0
    parts = {"train__batch_size": 2, "train__memory": "low"}
    on_two_ranks([command(tmp_path / "data", two, **parts)], tmp_path)
    assert difference(one, two) < 1e-8
