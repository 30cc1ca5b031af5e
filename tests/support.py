"""What tests build from: small settings, small pictures, the outcome of a command."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

SMALL = {
    "codec.resize": 36,
    "codec.crop": 32,
    "generator.channels": 4,
    "generator.blocks": 1,
    "discriminator.channels": 4,
    "discriminator.layers": 2,
    "train.steps": 4,
    "train.batch_size": 2,
    "train.log_every": 2,
    "train.checkpoint_every": 2,
    "train.preview_every": 4,
    "train.preview_items": 2,
    "train.evaluate_every": 4,
}


def as_options(settings: dict[str, object]) -> list[str]:
    """``--set`` options for the command line."""
    return [f"--set={key}={value}" for key, value in settings.items()]


def draw(path: Path, seed: int, size: tuple[int, int] = (40, 40), mode: str = "RGB") -> Path:
    """A smooth random picture."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (4, 4, 3), dtype=np.uint8)
    Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC).convert(mode).save(path)
    return path


@dataclass(frozen=True)
class Outcome:
    """What a command left behind."""

    code: int
    out: str
    err: str


def records(run: Path) -> list[dict[str, Any]]:
    """The lines of a run's ``metrics.jsonl``."""
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
