"""Kill a real training process at random instants, resume it, compare with one left alone.

Used by test_killing.py; by hand, for many more kills:

    python tests/resume/killing.py --kills 100
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from cyclekit.runs.checkpoint import Checkpoint

COMMAND = str(Path(sys.executable).with_name("cyclekit"))
# Checkpoints after every step, so that many kills fall into the writing of one.
SETTINGS = {
    "codec.resize": 36, "codec.crop": 32, "generator.channels": 8, "generator.blocks": 1,
    "discriminator.channels": 8, "discriminator.layers": 2, "train.steps": 30,
    "train.batch_size": 2, "train.log_every": 3, "train.checkpoint_every": 1,
    "train.preview_every": 7, "train.evaluate_every": 9, "train.ema": 0.9,
    "objective.history_size": 5, "generator.dropout": 0.5, "objective.input_noise.sigma": 0.05,
    "objective.identity.until_step": 20, "train.clip": 5.0,
}  # fmt: skip
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1"}


def start(*arguments: object) -> subprocess.Popen[bytes]:
    command = [COMMAND, *map(str, arguments), "--accelerator=cpu"]
    return subprocess.Popen(
        command, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )


def train(data: Path, run: Path) -> subprocess.Popen[bytes]:
    changes = [f"--set={key}={value}" for key, value in SETTINGS.items()]
    recipe = ["--plugin=image", "--recipe=horse2zebra"]
    return start("train", *recipe, f"--data={data}", f"--run-dir={run}", *changes)


def finish(process: subprocess.Popen[bytes]) -> None:
    _, said = process.communicate()
    if process.returncode:
        raise RuntimeError(said.decode())


def compare(one: Path, other: Path) -> None:
    """Raise AssertionError unless two finished runs are the same, bit for bit."""
    assert (one / "metrics.jsonl").read_text() == (other / "metrics.jsonl").read_text()
    latest = [run / "checkpoints" / "latest" for run in (one, other)]
    names = [{file.name for file in folder.glob("*.safetensors")} for folder in latest]
    assert names[0] == names[1]
    for name in names[0]:
        tensors = [load_file(folder / name) for folder in latest]
        for key, tensor in tensors[0].items():
            assert torch.equal(tensor, tensors[1][key]), (name, key)
    states = [read_state(folder) for folder in latest]
    assert_same(*states)
    assert not list(other.rglob(".incoming-*"))


def read_state(checkpoint: Path) -> dict[str, Any]:
    with Checkpoint(checkpoint.resolve()) as opened:
        return opened.read_state().model_dump()


def assert_same(one: object, other: object, where: str = "state") -> None:
    if isinstance(one, torch.Tensor):
        assert isinstance(other, torch.Tensor)
        assert torch.equal(one, other), where
    elif isinstance(one, dict):
        assert isinstance(other, dict)
        assert one.keys() == other.keys(), where
        for key in one:
            assert_same(one[key], other[key], f"{where}.{key}")
    elif isinstance(one, list | tuple):
        assert isinstance(other, list | tuple)
        assert len(one) == len(other), where
        for index, (x, y) in enumerate(zip(one, other, strict=True)):
            assert_same(x, y, f"{where}.{index}")
    else:
        assert one == other, where


def kill_and_compare(data: Path, folder: Path, kills: int, seed: int) -> int:
    """Train once undisturbed and once with kills; returns how many kills hit a living process."""
    rng = random.Random(seed)
    whole, killed = folder / "whole", folder / "killed"
    finish(train(data, whole))
    process, hits = train(data, killed), 0
    while hits < kills:
        step = newest(killed)
        # Wait until this process has trained a little, then a random while longer.
        while process.poll() is None and newest(killed) <= step:
            time.sleep(0.002)
        time.sleep(rng.uniform(0, 0.25))
        if process.poll() is not None:
            finish(process)
            break
        process.send_signal(signal.SIGKILL)
        process.wait()
        hits += 1
        process = start("resume", killed)
    finish(process)
    compare(whole, killed)
    return hits


def newest(run: Path) -> int:
    steps = [int(path.name[5:]) for path in (run / "checkpoints").glob("step-*")]
    return max(steps, default=-1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from support import draw

    done, round_ = 0, 0
    while done < options.kills:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            for split, first in (("trainA", 0), ("trainB", 50), ("testA", 100), ("testB", 150)):
                for index in range(5):
                    draw(folder / "data" / split / f"{index}.png", first + index)
            wanted = min(options.kills - done, 10)
            done += kill_and_compare(folder / "data", folder, wanted, options.seed + round_)
            round_ += 1
        print(f"{done} kills, every run ended as if it had been left alone", flush=True)


if __name__ == "__main__":
    main()
