"""A modality of short signals, for objectives to be tried on."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cyclekit import api

LENGTH, WINDOW = 48, 32


class ToyCodec(api.Codec[Any]):
    """``(length,)`` arrays in .npy files."""

    suffixes = frozenset({".npy"})

    def spec(self, domain: str) -> api.TensorSpec:
        return api.TensorSpec(channels=1, sizes=(None,), range=None)

    def load(self, path: Path) -> Any:
        try:
            with path.open("rb") as file:
                return np.lib.format.read_array(file).astype(np.float32).reshape(-1)
        except (OSError, ValueError) as error:
            raise api.BadSample(path, f"is no array ({error})") from error

    def encode(self, item: Any, domain: str) -> api.Sample:
        return api.Sample(torch.from_numpy(item)[None])

    def decode(self, tensor: Tensor, domain: str, meta: Mapping[str, Any]) -> Any:
        return tensor[0].numpy()

    def save(self, item: Any, path: Path) -> Path:
        np.save(path.with_suffix(".npy"), item)
        return path.with_suffix(".npy")

    def augment(self, tensor: Tensor, domain: str, rng: torch.Generator) -> Tensor:
        start = int(torch.randint(tensor.shape[1] - WINDOW + 1, (), generator=rng))
        return tensor[:, start : start + WINDOW]


def write_signals(folder: Path, domains: Sequence[str], train: int = 6, test: int = 2) -> None:
    """The same waves in each domain, louder in each than in the one before."""
    for number, domain in enumerate(domains, start=1):
        for split, count, first in (("train", train, 0), ("test", test, 100)):
            place = folder / f"{split}{domain.capitalize()}"
            place.mkdir(parents=True)
            for index in range(first, first + count):
                phase = np.random.default_rng(index).uniform(0, 6)
                np.save(place / f"{index}.npy", number * np.sin(np.arange(LENGTH) / 3 + phase))


def score_l1(shown: api.Translations[Any], fitted: Any) -> dict[str, float]:
    pairs = zip(shown.outputs, shown.truths, strict=True)
    return {"l1": float(np.mean([np.abs(made - truth).mean() for made, truth in pairs]))}


def score_level(shown: api.Translations[Any], levels: dict[str, float]) -> dict[str, float]:
    made = float(np.mean([np.abs(output).mean() for output in shown.outputs]))
    return {"level_error": abs(made - levels[shown.target])}


def fit_levels(items: Mapping[str, Sequence[Any]], seed: int, cache: Path) -> dict[str, float]:
    return {name: float(np.mean([np.abs(x).mean() for x in of])) for name, of in items.items()}


def toy(name: str, objective: type[api.Objective], domains: Sequence[str] = ()) -> api.Modality:
    """The modality with an objective, which is its own unless cyclekit has it.

    Args:
        name: Of the modality.
        objective: What recipes mean which name none.
        domains: Of its built-in data, where the objective leaves them to that.
    """
    wanted: Any = domains or objective.domains
    own = [objective] if not objective.__module__.startswith("cyclekit.") else []
    return api.Modality(
        name=name,
        api=2,
        summary="Short signals",
        codec=ToyCodec,
        generators=[api.RESNET, api.UNET_128],
        discriminators=[api.PATCHGAN, api.PIXEL],
        metrics=[
            api.Metric("l1", {"l1": False}, score_l1, needs_pairs=True),
            api.Metric("level", {"level_error": False}, score_level, fit=fit_levels),
        ],
        objective=objective.name,
        objectives=own,
        datasets={"signals": lambda folder, seed: write_signals(folder, wanted)},
    )
