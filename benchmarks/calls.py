"""Batched network calls against separate ones: seconds for a step of the paper's recipe.

Run on a quiet machine: `make bench`, or `python benchmarks/calls.py`. Both ways run in turn in one
process, so the ratio stands even where the machine is slow.
"""

import statistics
import time

from trainers import SIZES, make_trainer

from cyclekit.engine.trainer import Trainer

ROUNDS = 7


def seconds(trainer: Trainer) -> float:
    start = time.perf_counter()
    trainer.train_step()
    return time.perf_counter() - start


def main() -> None:
    print(f"{'size':<24}{'separate s':>12}{'batched s':>12}{'ratio':>8}")
    for size in SIZES:
        ways = [make_trainer(**size, objective__batch_calls=batched) for batched in (False, True)]
        for way in ways:
            seconds(way)
        timed = [[seconds(way) for way in ways] for _ in range(ROUNDS)]
        separate, batched = (statistics.median(column) for column in zip(*timed, strict=True))
        name = f"{size['pixels']} px, {size['blocks']} blocks, x{size['batch']}"
        print(f"{name:<24}{separate:>12.3f}{batched:>12.3f}{separate / batched:>8.2f}")


if __name__ == "__main__":
    main()
