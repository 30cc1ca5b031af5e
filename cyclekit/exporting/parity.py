"""The proof that an exported file is what translate computes."""

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from cyclekit.contract.declarations import Direction
from cyclekit.exporting.graph import Shape
from cyclekit.runs.open_run import OpenRun

TOLERANCE = {"fp32": 1e-4, "fp16": 1e-2}
"""Largest difference, as a share of the output's range, or of its deviation where it has none."""

BATCHES = (1, 2)


@dataclass(frozen=True)
class Parity:
    """How far a file's outputs are from translate's.

    Attributes:
        worst: The largest difference, as a share of the range.
        where: Of which input it is.
        compared: How many outputs were compared.
        most: What is allowed.
    """

    worst: float
    where: str
    compared: int
    most: float

    @property
    def holds(self) -> bool:
        """Whether the file may stay."""
        return self.worst <= self.most

    def __str__(self) -> str:
        share = "not a number" if math.isinf(self.worst) else f"{self.worst:.1e} of the range"
        return f"largest difference {share}, {self.most:g} allowed ({self.compared} compared)"


def compare(
    run: Callable[..., Tensor], opened: OpenRun, direction: Direction, precision: str
) -> Parity:
    """Feed a file and ``translate``'s own path the same, and compare what comes out.

    Three sizes, of which one is no multiple of anything and one is not square, in each of
    ``BATCHES``; where a label says to which of several targets, each at least once. The run must
    compute on the CPU in float32.

    Args:
        run: The file: ``(batch, channels, *sizes)``, a label and a code where there are such.
        opened: The run.
        direction: What the file does.
        precision: The file's.
    """
    shape = Shape.of(opened, direction)
    worst, where, compared = 0.0, "", 0
    for seed, (batch, sizes, way) in enumerate(cases_of(shape)):
        inputs = shape.inputs(batch, sizes, seed, way.target)
        codes = list(inputs[-1]) if shape.code is not None else None
        wanted = torch.stack(opened.translator.tensors(list(inputs[0]), way, codes))
        made = run(*inputs)
        difference = _difference(made, wanted, shape)
        if difference >= worst:
            worst, where = difference, f"{batch} x {' x '.join(map(str, inputs[0].shape[1:]))}"
        compared += batch
    return Parity(worst, where, compared, TOLERANCE[precision])


def cases_of(
    shape: Shape, batches: Sequence[int] = BATCHES
) -> list[tuple[int, list[int], Direction]]:
    """What is compared: how many of which sizes, and which way."""
    each = [(batch, sizes) for sizes in sizes_compared(shape) for batch in batches]
    ways = list(shape.ways.values())
    each += each[:1] * (len(ways) - len(each))
    return [(*case, way) for case, way in zip(each, itertools.cycle(ways), strict=False)]


def sizes_compared(shape: Shape) -> Iterator[list[int]]:
    """Sizes to compare at: square, odd, longer on one axis; none so large that it is tiled."""
    step = math.lcm(*shape.multiples)
    base = max(48 // step, shape.fewest) * step
    dims = shape.source.dims
    sizes = [[base] * dims, [base + 13] * dims, [base + step * (axis + 1) for axis in range(dims)]]
    limits = shape.source.tiles or (None,) * dims
    for wanted in sizes:
        yield [min(size, most or size) for size, most in zip(wanted, limits, strict=True)]


def _difference(made: Tensor, wanted: Tensor, shape: Shape) -> float:
    """The largest, as a share of the range or of the deviation; infinite where it has none."""
    if made.shape != wanted.shape:
        return math.inf
    bounds = shape.target.range
    unit = bounds[1] - bounds[0] if bounds else float(wanted.std())
    largest = float((made.float() - wanted).abs().max()) / (unit or 1.0)
    return largest if math.isfinite(largest) else math.inf
