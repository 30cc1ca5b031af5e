"""Batched network calls against separate ones: seconds for a step of the paper's recipe.

Run on a quiet machine: `make bench`, or `python benchmarks/calls.py`. Both ways run in turn in one
process, so the ratio stands even where the machine is slow.
"""

import statistics
import time

import torch

from cyclekit.api import Sample
from cyclekit.data.sampling import UnpairedBatches, Window
from cyclekit.engine.hardware import Hardware, start_fabric
from cyclekit.engine.model import build_model
from cyclekit.engine.trainer import Trainer
from cyclekit.plugins import find_plugin, load_plugin
from cyclekit.recipe.resolve import resolve
from cyclekit.recipe.sources import find_recipe, read_layers

SIZES = ({"pixels": 64, "blocks": 6, "batch": 4}, {"pixels": 128, "blocks": 9, "batch": 1})
ROUNDS = 7


def trainer(pixels: int, blocks: int, batch: int, batched: bool) -> Trainer:
    info, host = find_plugin("image"), load_plugin("image")
    settings = {
        "plugin": "image",
        "codec.resize": pixels,
        "codec.crop": pixels,
        "generator.blocks": blocks,
        "train.batch_size": batch,
        "objective.batch_calls": batched,
    }
    layers = read_layers(
        find_recipe("horse2zebra", info), info, [(k, v, "benchmark") for k, v in settings.items()]
    )
    recipe = resolve(layers, host.modality)
    model = build_model(host.modality, recipe)
    rng = torch.Generator().manual_seed(0)
    pictures = [
        Sample(torch.randint(0, 256, (3, pixels, pixels), generator=rng, dtype=torch.uint8))
        for _ in range(8)
    ]
    streams = {name: [Window(picture, name) for picture in pictures] for name in ("a", "b")}
    batches = UnpairedBatches(model.codec, streams, seed=0, batch_size=batch)
    return Trainer(start_fabric(Hardware(accelerator="cpu"), "32-true"), model, batches)


def seconds(trainer: Trainer) -> float:
    start = time.perf_counter()
    trainer.train_step()
    return time.perf_counter() - start


def main() -> None:
    print(f"{'size':<24}{'separate s':>12}{'batched s':>12}{'ratio':>8}")
    for size in SIZES:
        ways = [trainer(**size, batched=batched) for batched in (False, True)]
        for way in ways:
            seconds(way)
        timed = [[seconds(way) for way in ways] for _ in range(ROUNDS)]
        separate, batched = (statistics.median(column) for column in zip(*timed, strict=True))
        name = f"{size['pixels']} px, {size['blocks']} blocks, x{size['batch']}"
        print(f"{name:<24}{separate:>12.3f}{batched:>12.3f}{separate / batched:>8.2f}")


if __name__ == "__main__":
    main()
