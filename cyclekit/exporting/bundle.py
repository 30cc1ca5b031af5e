"""Pictures in a single graph: eight bits in, eight bits out, of any size."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim

from cyclekit.contract.declarations import Direction
from cyclekit.errors import UsageError
from cyclekit.exporting.graph import Graph, Shape, exported_module
from cyclekit.exporting.onnx_file import converted, require_onnx
from cyclekit.exporting.parity import Parity, cases_of
from cyclekit.runs.open_run import OpenRun

LEVELS = 255
ROUNDING_TOLERANCE = 1 / LEVELS  # a value between two levels may be rounded either way


class Bundle(nn.Module):
    """``(height, width, channels)`` uint8 to the same of the target.

    Args:
        graph: The networks.
    """

    def __init__(self, graph: Graph) -> None:
        super().__init__()
        self.inner = graph

    def forward(self, input: Tensor, *told: Tensor) -> Tensor:
        """One picture, and what its networks are told besides, ``(1, size)`` each."""
        codec, (source, target) = self.inner.codec, self.inner.ends
        x = codec.to_network(input.permute(2, 0, 1).unsqueeze(0), source)
        return _levels(codec.from_network(self.inner(x, *told), target)[0])


def _levels(fractions: Tensor) -> Tensor:
    """``(channels, height, width)`` in 0..1 as a picture."""
    return (fractions * LEVELS).round().clamp(0, LEVELS).to(torch.uint8).permute(1, 2, 0)


def write_bundle(graph: Graph, about: Mapping[str, Any]) -> bytes:
    """One ONNX file that takes pictures as files hold them.

    Raises:
        UsageError: If the run's items are no pictures of eight bits.
    """
    require_onnx()
    if not graph.codec.portable(*graph.ends).eight_bit_pictures:
        raise UsageError(
            "--format bundle is for pictures of up to four channels and 8 bits. Export as onnx."
        )
    shape = graph.shape
    height, width = (2 * shape.fewest * m + 5 + n for n, m in enumerate(shape.multiples))
    inputs = _inputs(shape, (height, width), 0)
    axes = {0: Dim("height", min=1), 1: Dim("width", min=1)}
    program = exported_module(Bundle(graph), inputs, axes, {})
    return converted(program, shape.names, {0: "height", 1: "width"}, about)


def compare_bundle(
    run: Callable[..., Tensor], opened: OpenRun, direction: Direction, precision: str
) -> Parity:
    """As ``parity.compare``, in levels of 255: one is allowed (fp16: three)."""
    shape, codec = Shape.of(opened, direction), opened.model.codec
    worst, where, compared = 0.0, "", 0
    for seed, (_, sizes, way) in enumerate(cases_of(shape, batches=(1,))):
        picture, *told = _inputs(shape, sizes, seed, way.target)
        x = codec.to_network(picture.permute(2, 0, 1)[None], way.source)
        code = list(told[-1]) if shape.code is not None else None
        made = opened.translator.tensors(list(x), way, code)
        wanted = _levels(codec.from_network(made[0][None], way.target)[0])
        got = run(picture, *told)
        same = got.shape == wanted.shape
        difference = float((got.int() - wanted.int()).abs().max()) / LEVELS if same else 1.0
        if difference >= worst:
            worst, where = difference, " x ".join(map(str, picture.shape))
        compared += 1
    return Parity(worst, where, compared, ROUNDING_TOLERANCE * (1 if precision == "fp32" else 3))


def _inputs(shape: Shape, sizes: Any, seed: int, target: str = "") -> tuple[Tensor, ...]:
    """A random picture, with a label and a code where there are some."""
    rng = torch.Generator().manual_seed(seed)
    of = (*shape.sizes(sizes), shape.source.channels)
    picture = torch.randint(0, LEVELS + 1, of, generator=rng, dtype=torch.uint8)
    return picture, *shape.told(1, rng, target)
