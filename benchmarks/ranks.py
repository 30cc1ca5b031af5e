"""Two ranks with a core each against one rank on one core, the same batch on each.

    python benchmarks/ranks.py [--json]

ratio: how many times as many samples a second. For each rank and step: gradient_mib is averaged
over the ranks; waits: once for each network, when its gradient is complete; gflop is computed.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch
from tables import show
from torch.utils.flop_counter import FlopCounterMode
from trainers import picture_task, ready_trainer

COMMAND = Path(sys.executable).with_name("cyclekit")
COLUMNS = ("name", "ranks", "samples_per_s", "ratio", "gradient_mib", "waits", "gflop")
SIZES = {"image-64": {"pixels": 64, "blocks": 6, "batch": 2}}
STEPS, WARM_UP = 9, 2


def rate(settings: dict[str, object], ranks: int) -> float:
    """Samples of each domain a second, all ranks together."""
    every = {"train.log_every": 1, "train.steps": STEPS, "data.root": "builtin:shapes"}
    quiet = {f"train.{what}_every": 0 for what in ("checkpoint", "evaluate", "preview")}
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            [
                str(COMMAND), "train", "--plugin=image", "--recipe=horse2zebra",
                "--accelerator=cpu", f"--devices={ranks}", f"--run-dir={folder}/run",
                *(f"--set={key}={value}" for key, value in (settings | every | quiet).items()),
            ],
            check=True, capture_output=True, env=os.environ | {"OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        lines = Path(folder, "run/timing.jsonl").read_text().splitlines()
    rates = [json.loads(line)["samples_per_second"] for line in lines]
    return statistics.median(rates[WARM_UP:])


def rows() -> Iterator[dict[str, object]]:
    for name, size in SIZES.items():
        task = picture_task(**size)
        trainer = ready_trainer(task)
        networks = trainer.model.networks.values()
        with FlopCounterMode(display=False) as counted:
            trainer.train_step()
        bytes_sent = sum(p.numel() * p.element_size() for net in networks for p in net.parameters())
        rates = {ranks: rate(dict(task.settings), ranks) for ranks in (1, 2)}
        for ranks, found in rates.items():
            yield {
                "name": name,
                "ranks": ranks,
                "samples_per_s": round(found, 2),
                "ratio": round(found / rates[1], 2),
                "gradient_mib": round(bytes_sent / 2**20, 1) if ranks > 1 else 0,
                "waits": len(networks) if ranks > 1 else 0,
                "gflop": round(counted.get_total_flops() / 1e9),
            }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    show(COLUMNS, rows(), asked.json)


if __name__ == "__main__":
    main()
