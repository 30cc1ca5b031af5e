"""Questions about the names and shapes in a checkpoint."""

import re
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from cyclekit.api import TensorSpec

Weights = Mapping[str, Tensor]


def places(weights: Weights, pattern: str) -> list[int]:
    """The numbers that a pattern's first group finds in keys, in order, each once."""
    return sorted({int(found[1]) for key in weights if (found := re.match(pattern, key))})


def has_kernel(weights: Weights, layer: str, width: int) -> bool:
    """Whether a layer is a convolution over pictures with a square kernel of this width."""
    weight = weights.get(f"{layer}.weight")
    return weight is not None and weight.dim() == 4 and tuple(weight.shape[2:]) == (width, width)


def has_any(weights: Weights, pattern: str) -> bool:
    """Whether a key matches."""
    return any(re.match(pattern, key) for key in weights)


def following(layer: str) -> str:
    """The layer behind one in an ``nn.Sequential``: ``model.4`` -> ``model.5``."""
    before, dot, number = layer.rpartition(".")
    return f"{before}{dot}{int(number) + 1}"


def inputs(weights: Weights, layer: str) -> int:
    """Channels that a convolution takes."""
    return _size(weights, layer, 1)


def outputs(weights: Weights, layer: str, transposed: bool = False) -> int:
    """Channels that a convolution makes."""
    return _size(weights, layer, 1 if transposed else 0)


def _size(weights: Weights, layer: str, axis: int) -> int:
    weight = weights[f"{layer}.weight"]
    if weight.dim() != 4:
        raise ValueError(f"{layer}.weight is no convolution over pictures")
    return weight.shape[axis]


def picture(channels: int) -> TensorSpec:
    """Spec of pictures in -1..1."""
    return TensorSpec(channels, (None, None))


def binomial(*line: float, gain: float = 1.0) -> Tensor:
    """A low-pass filter over pictures, as CUT keeps it for each channel: ``(1, 1, n, n)``."""
    row = torch.tensor(line)
    kernel = row[:, None] * row
    return (kernel / kernel.sum() * gain)[None, None]


def all_of(weights: Weights, layers: Iterable[str], width: int) -> bool:
    """Whether all of these are convolutions with square kernels of this width."""
    return all(has_kernel(weights, layer, width) for layer in layers)
