"""How close translated pictures come to the truth, and how well they find their way back."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torchmetrics.functional.image import (
    peak_signal_noise_ratio,
    structural_similarity_index_measure,
)

from cyclekit.api import Baseline, Metric, Translations

BEST_PSNR = 100.0  # dB, for pictures that are equal: JSON knows no infinity


def score_pairs(pictures: Translations[Image.Image], _fitted: Any) -> dict[str, float]:
    """Mean absolute error and peak signal-to-noise ratio against the truth, values in 0..1."""
    l1, psnr = [], []
    for made, truth in _both(pictures.outputs, pictures.truths):
        l1.append((made - truth).abs().mean().item())
        psnr.append(min(peak_signal_noise_ratio(made, truth, data_range=1.0).item(), BEST_PSNR))
    return {"l1": _mean(l1), "psnr": _mean(psnr)}


def score_structure(pictures: Translations[Image.Image], _fitted: Any) -> dict[str, float]:
    """Structural similarity to the truth (Wang et al. 2004; gaussian window, sigma 1.5)."""
    scores = [
        structural_similarity_index_measure(made[None], truth[None], data_range=1.0).item()
        for made, truth in _both(pictures.outputs, pictures.truths)
    ]
    return {"ssim": _mean(scores)}


def score_cycle(pictures: Translations[Image.Image], _fitted: Any) -> dict[str, float]:
    """Mean absolute error after the way there and back, values in 0..1."""
    errors = [(x - y).abs().mean().item() for x, y in _both(pictures.inputs, pictures.cycled)]
    return {"cycle_l1": _mean(errors)}


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


def match_colours(
    source: Sequence[Image.Image], target: Sequence[Image.Image]
) -> Callable[[Image.Image], Image.Image]:
    """Give every channel the target collection's mean and deviation."""
    source_mean, source_std = _channel_statistics(source)
    target_mean, target_std = _channel_statistics(target)

    def convert(picture: Image.Image) -> Image.Image:
        pixels = (_array(picture) - source_mean) / source_std * target_std + target_mean
        pixels = pixels.round().clip(0, 255).astype(np.uint8)
        return Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)

    return convert


COLOUR = Baseline("colour", match_colours)


def _channel_statistics(pictures: Iterable[Image.Image]) -> tuple[Any, Any]:
    """Mean and deviation of each channel over all pixels of all pictures."""
    count, total, squares = 0, np.float64(0), np.float64(0)
    for picture in pictures:
        pixels = _array(picture).reshape(-1, len(picture.getbands()))
        count += len(pixels)
        total = total + pixels.sum(axis=0)
        squares = squares + np.square(pixels).sum(axis=0)
    mean = total / count
    return mean, np.sqrt(np.maximum(squares / count - mean**2, 1e-6))


def _both(
    first: Sequence[Image.Image], second: Sequence[Image.Image]
) -> Iterable[tuple[Tensor, Tensor]]:
    for x, y in zip(first, second, strict=True):
        if x.size != y.size:
            raise ValueError(f"pictures of a pair differ in size: {x.size} and {y.size}")
        yield _tensor(x), _tensor(y)


def _array(picture: Image.Image) -> np.ndarray[Any, Any]:
    pixels = np.asarray(picture, dtype=np.float64)
    return pixels[..., None] if pixels.ndim == 2 else pixels


def _tensor(picture: Image.Image) -> Tensor:
    """``(channels, height, width)`` in 0..1."""
    return torch.from_numpy(_array(picture)).permute(2, 0, 1).float() / 255


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
