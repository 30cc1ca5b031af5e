"""How far what a generator made is from what it should be."""

from typing import Literal

import torch
from torch import Tensor

from cyclekit.contract.options import Options
from cyclekit.contract.tensors import TensorSpec
from cyclekit.engine.functional import upcast
from cyclekit.errors import RecipeError

DistanceName = Literal["l1", "cross_entropy"]
SURE = 1e-5  # nothing is taken for surer than this: what is certain and wrong costs ln 1e5
RAREST = 1e-3  # share of values at one end; a sample of silence has none at the other


class DistanceOptions(Options):
    """Options of an objective that compares samples."""

    distance: DistanceName = "l1"
    """How far samples are from each other: `l1`, or `cross_entropy` for data of two values of which
    one is rare, such as piano rolls: a share of what it costs to know nothing, so that weights mean
    the same for a tune and for an orchestra."""


def distance(
    name: DistanceName, made: Tensor, truth: Tensor, spec: TensorSpec, valid: Tensor | None = None
) -> Tensor:
    """The mean distance of a batch by the measure of that name.

    Args:
        name: `l1` or `cross_entropy`.
        made: ``(batch, channels, *sizes)``.
        truth: The same shape.
        spec: Of both.
        valid: Booleans of that shape, for samples with gaps.

    Raises:
        RecipeError: If a cross-entropy is wanted of tensors without a range.
    """
    return l1(made, truth, valid) if name == "l1" else cross_entropy(made, truth, spec, valid)


def l1(x: Tensor, y: Tensor, valid: Tensor | None = None) -> Tensor:
    """Mean absolute difference, in full precision; none where ``valid`` is false.

    Args:
        x: Any shape.
        y: The same shape.
        valid: Booleans of that shape, for samples with gaps.
    """
    difference = (upcast(x) - upcast(y)).abs()
    # The mean is over everything: a share of each rank's would not add up to the whole's.
    return (difference if valid is None else difference * valid).mean()


def cross_entropy(
    made: Tensor, truth: Tensor, spec: TensorSpec, valid: Tensor | None = None
) -> Tensor:
    """Binary cross-entropy as a share of what the sample's own mean would cost, everywhere the
    same; the mean over samples. 0: the truth; 1: nothing is known of it but how much there is.

    For data of two values of which one is rare. By L1 the best that can be said of a note of which
    one is not sure is silence, and a tune of one voice counts a quarter of four voices.

    Args:
        made: ``(batch, channels, *sizes)``, in the range.
        truth: The same shape.
        spec: Says the range, whose ends are the two values.
        valid: Booleans of that shape, for samples with gaps.

    Raises:
        RecipeError: If there is no range.
    """
    if spec.range is None:
        raise RecipeError(
            "objective.distance=cross_entropy needs tensors with a range, but these are unbounded. "
            "Take l1."
        )
    low, high = spec.range
    share, wanted = (((upcast(x) - low) / (high - low)).flatten(1) for x in (made, truth))
    counted = torch.ones_like(wanted) if valid is None else valid.flatten(1).to(wanted.dtype)
    cells = counted.sum(dim=1).clamp(min=1)
    mean = ((wanted * counted).sum(dim=1) / cells).clamp(RAREST, 1 - RAREST)
    cost = (_surprise(share, wanted) * counted).sum(dim=1) / cells
    return (cost / _surprise(mean, mean)).mean()


def _surprise(share: Tensor, wanted: Tensor) -> Tensor:
    """Binary cross-entropy in nats, whose gradient vanishes nowhere; what lies beyond the range, as
    a residual network's output may, costs as much as its end."""
    share = share + (share.clamp(0, 1) - share).detach()
    share = SURE + (1 - 2 * SURE) * share
    return -(wanted * share.log() + (1 - wanted) * (1 - share).log())
