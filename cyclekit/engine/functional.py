"""Functions that losses are made of: gaps, precision, and calls that are exact."""

from collections.abc import Sequence
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from cyclekit.contract.tensors import TensorSpec
from cyclekit.engine.padding import smallest_sizes
from cyclekit.errors import PluginError, RecipeError
from cyclekit.nets.blocks import is_per_sample

_PER_SAMPLE: WeakKeyDictionary[nn.Module, bool] = WeakKeyDictionary()  # asked in every step


def upcast(x: Tensor) -> Tensor:
    """Half precision widened to float32; float32 and float64 left alone."""
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def call_batched(network: nn.Module, *inputs: Tensor, together: bool = True) -> Sequence[Any]:
    """Each input's output; in one call where that changes nothing but the time it takes.

    Args:
        network: Takes one tensor and returns one, or a tuple.
        inputs: ``(batch, channels, *sizes)`` each.
        together: Whether one call is wanted at all. It is made where inputs are of one shape and
            the network computes each sample by itself.
    """
    alike = len({x.shape for x in inputs}) == 1 and len(inputs) > 1
    if alike and together and _computes_each_by_itself(network):
        outputs = network(torch.cat(inputs))
        if isinstance(outputs, Tensor):
            return outputs.chunk(len(inputs))
        return list(zip(*(output.chunk(len(inputs)) for output in outputs), strict=True))
    return [network(x) for x in inputs]


def _computes_each_by_itself(network: nn.Module) -> bool:
    if network not in _PER_SAMPLE:
        _PER_SAMPLE[network] = is_per_sample(network)
    return _PER_SAMPLE[network]


def tap_widths(network: nn.Module, source: TensorSpec, taps: Sequence[float]) -> list[int]:
    """How many channels a network's inner features have, found without any data.

    Args:
        network: A generator that was built with ``taps=True``, and without a condition.
        source: What goes in.
        taps: Depths in 0..1.
    """
    smallest = torch.zeros(1, source.channels, *smallest_sizes(source, network))
    training = network.training
    network.eval()  # zeros shall leave no trace in running means
    with torch.no_grad():
        features = network(smallest, taps=taps)
    network.train(training)
    return [feature.shape[1] for feature in features]


def fill_gaps(x: Tensor) -> tuple[Tensor, Tensor]:
    """Samples with zeros for gaps, and a mask of where they hold a value: both as ``x`` is."""
    return x.nan_to_num(nan=0.0), ~x.isnan()


def rounded(x: Tensor, spec: TensorSpec) -> Tensor:
    """The nearer end of the range; the gradient passes as if nothing had happened.

    Raises:
        RecipeError: If there is no range.
    """
    if spec.range is None:
        raise RecipeError(
            "objective.rounding needs tensors with a range, but these are unbounded. Switch it off."
        )
    low, high = spec.range
    ends = torch.where(x.detach() >= (low + high) / 2, high, low).to(x.dtype)
    return ends + (x - x.detach())  # exactly an end: the bracket is zero


def require_shape(made: Tensor, wanted: Tensor, where: str) -> None:
    """Refuse a translation of another size than its source's.

    Raises:
        PluginError: Saying that the generator is at fault.
    """
    if made.shape != wanted.shape:
        raise PluginError(
            f"The generator changes the size of its samples: {where} made "
            f"{tuple(made.shape[1:])} of {tuple(wanted.shape[1:])}. A generator that needs sizes "
            f"that divide by some number states it as its attribute multiple_of; until then use a "
            f"window whose sizes divide by it, or another generator.name."
        )
