"""How close translated pictures come to the truth, and how well they find their way back."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from torch import Tensor
from torchmetrics.functional.image import (
    peak_signal_noise_ratio,
    structural_similarity_index_measure,
)

from cyclekit.api import Baseline, Metric, Translations
from cyclekit_image.arrays import (
    HIGHEST,
    Array,
    Item,
    as_item,
    as_pixels,
    as_tensor,
)

BEST_PSNR = 100.0  # dB, for pictures that are equal: JSON knows no infinity
LEAST_DEVIATION = 1e-3 / 255  # of a channel; flat ones are divided by it


def score_pairs(pictures: Translations[Item], _fitted: Any) -> dict[str, list[float]]:
    """Mean absolute error and peak signal-to-noise ratio against the truth, values in 0..1."""
    l1, psnr = [], []
    for made, truth in _both(pictures.outputs, pictures.truths):
        l1.append((made - truth).abs().mean().item())
        psnr.append(min(peak_signal_noise_ratio(made, truth, data_range=1.0).item(), BEST_PSNR))
    return {"l1": l1, "psnr": psnr}


def score_structure(pictures: Translations[Item], _fitted: Any) -> dict[str, list[float]]:
    """Structural similarity to the truth (Wang et al. 2004; gaussian window, sigma 1.5)."""
    scores = [
        structural_similarity_index_measure(made[None], truth[None], data_range=1.0).item()
        for made, truth in _both(pictures.outputs, pictures.truths)
    ]
    return {"ssim": scores}


def score_cycle(pictures: Translations[Item], _fitted: Any) -> dict[str, list[float]]:
    """Mean absolute error after the way there and back, values in 0..1."""
    errors = [(x - y).abs().mean().item() for x, y in _both(pictures.inputs, pictures.cycled)]
    return {"cycle_l1": errors}


METRICS = (
    Metric(
        "pairs",
        {"l1": False, "psnr": True},
        score_pairs,
        needs_pairs=True,
        protocol="l1, psnr: on pairs, values in 0..1; psnr in dB, the mean over pictures",
    ),
    Metric(
        "structure",
        {"ssim": True},
        score_structure,
        needs_pairs=True,
        protocol="ssim: on pairs, gaussian window, sigma 1.5, all channels, the mean over pictures",
    ),
    Metric(
        "cycle",
        {"cycle_l1": False},
        score_cycle,
        needs_cycle=True,
        protocol="cycle_l1: after the way there and back, by the written translation",
    ),
)


def match_colours(source: Sequence[Item], target: Sequence[Item]) -> Callable[[Item], Item]:
    """Give every channel the target collection's mean and deviation."""
    source_mean, source_std = _channel_statistics(source)
    target_mean, target_std = _channel_statistics(target)

    def convert(picture: Item) -> Item:
        pixels = as_pixels(picture)
        highest = HIGHEST[pixels.dtype.name]
        values = (pixels / highest - source_mean) / source_std * target_std + target_mean
        values = values.clip(0, 1) * highest
        values = values if highest == 1 else values.round()
        return as_item(values.astype(pixels.dtype))

    return convert


COLOUR = Baseline("colour", match_colours, equal_channels=True)


def _channel_statistics(pictures: Iterable[Item]) -> tuple[Array, Array]:
    """Mean and deviation of each channel over all pixels of all pictures, values in 0..1."""
    count, total, squares = 0, np.float64(0), np.float64(0)
    for picture in pictures:
        pixels = as_pixels(picture)
        values = pixels.reshape(-1, pixels.shape[2]) / np.float64(HIGHEST[pixels.dtype.name])
        count += len(values)
        total = total + values.sum(axis=0)
        squares = squares + np.square(values).sum(axis=0)
    mean = np.asarray(total / count)
    return mean, np.sqrt(np.maximum(squares / count - mean**2, LEAST_DEVIATION**2))


def _both(first: Sequence[Item], second: Sequence[Item]) -> Iterable[tuple[Tensor, Tensor]]:
    for x, y in zip(first, second, strict=True):
        one, other = as_tensor(x), as_tensor(y)
        if one.shape[1:] != other.shape[1:]:
            raise ValueError(f"pictures of a pair differ in size: {_size(one)} and {_size(other)}")
        if one.shape != other.shape:
            raise ValueError(f"pictures of a pair differ in channels: {len(one)} and {len(other)}")
        yield one, other


def _size(tensor: Tensor) -> str:
    return f"{tensor.shape[2]} x {tensor.shape[1]}"
