"""Trainers of the paper's networks on random pictures, for benchmarks."""

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


def make_trainer(pixels: int, blocks: int, batch: int, **more: object) -> Trainer:
    """``horse2zebra`` at another size; ``more`` are recipe keys, dots as double underscores."""
    info, host = find_plugin("image"), load_plugin("image")
    settings = {
        "plugin": "image",
        "codec.resize": pixels,
        "codec.crop": pixels,
        "generator.blocks": blocks,
        "train.batch_size": batch,
        **{key.replace("__", "."): value for key, value in more.items()},
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
