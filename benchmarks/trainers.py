"""Trainers for benchmarks: on random pictures, or on random tensors of any modality's windows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from cyclekit.api import Sample, TensorSpec
from cyclekit.data.sampling import Batches, Window
from cyclekit.engine.fabric import Hardware, start_fabric
from cyclekit.engine.model import Model, build_model
from cyclekit.engine.trainer import Trainer
from cyclekit.plugins.discovery import find_plugin
from cyclekit.plugins.host import load_plugin
from cyclekit.recipe.finding import find_recipe
from cyclekit.recipe.layers import read_layers
from cyclekit.recipe.resolve import resolve

SIZES = ({"pixels": 64, "blocks": 6, "batch": 4}, {"pixels": 128, "blocks": 9, "batch": 1})


@dataclass(frozen=True)
class Task:
    """What is trained.

    Attributes:
        plugin: The modality.
        recipe: One of its recipes.
        length: Of a window along every axis of any length.
        settings: Recipe keys laid over it.
    """

    plugin: str
    recipe: str
    length: int = 0
    settings: Mapping[str, object] = field(default_factory=dict)


def picture_task(pixels: int, blocks: int, batch: int, **more: object) -> Task:
    """``horse2zebra`` at another size; ``more`` are recipe keys, dots as double underscores."""
    settings = {
        "codec.resize": pixels,
        "codec.crop": pixels,
        "generator.blocks": blocks,
        "train.batch_size": batch,
        **{key.replace("__", "."): value for key, value in more.items()},
    }
    return Task("image", "horse2zebra", pixels, settings)


class ReadyBatches:
    """The same few random batches over and over, on the device before anybody asks."""

    def __init__(self, model: Model, length: int, device: torch.device, dtype: torch.dtype) -> None:
        self._count = model.recipe.train.batch_size
        rng = torch.Generator().manual_seed(0)
        self._batches = [
            {
                name: self._drawn(model.codec.spec(stream.domains[0]), length, rng).to(
                    device, dtype
                )
                for name, stream in model.objective.streams.items()
            }
            for _ in range(4)
        ]

    def positions(self, micro: int) -> range:
        return range(micro * self._count, (micro + 1) * self._count)

    def batch(self, step: int, micro: int, device: torch.device) -> dict[str, Tensor]:
        return self._batches[(step + micro) % len(self._batches)]

    def _drawn(self, spec: TensorSpec, length: int, rng: torch.Generator) -> Tensor:
        shape = (self._count, spec.channels, *(size or length for size in spec.sizes))
        if spec.range is None:
            return torch.randn(shape, generator=rng)
        low, high = spec.range
        return torch.rand(shape, generator=rng) * (high - low) + low


def ready_trainer(task: Task, precision: str = "32-true", device: str = "cpu") -> Trainer:
    """A trainer that waits for no data."""
    model = build(task)
    fabric = start_fabric(Hardware(accelerator=device), precision)
    dtype = torch.float64 if precision == "64-true" else torch.float32
    batches: Any = ReadyBatches(model, task.length, fabric.device, dtype)
    return Trainer(fabric, model, batches)


def make_trainer(pixels: int, blocks: int, batch: int, **more: object) -> Trainer:
    """A trainer on random pictures, decoded and augmented as in training; see ``picture_task``."""
    model = build(picture_task(pixels, blocks, batch, **more))
    rng = torch.Generator().manual_seed(0)
    pictures = [
        Sample(torch.randint(0, 256, (3, pixels, pixels), generator=rng, dtype=torch.uint8))
        for _ in range(8)
    ]
    streams = {name: [Window(picture, name) for picture in pictures] for name in ("a", "b")}
    batches = Batches(model.codec, streams, seed=0, batch_size=batch)
    return Trainer(start_fabric(Hardware(accelerator="cpu"), "32-true"), model, batches)


def build(task: Task) -> Model:
    """A task's codec, objective and networks."""
    info, host = find_plugin(task.plugin), load_plugin(task.plugin)
    settings = [(key, value, "benchmark") for key, value in task.settings.items()]
    layers = read_layers(find_recipe(task.recipe, info), info, settings)
    return build_model(host.modality, resolve(layers, host.modality))
