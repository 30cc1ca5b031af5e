"""A direction as one module that takes any size: what is exported."""

import copy
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch._dynamo.exc import UserError
from torch.export import Dim, ExportedProgram
from torch.fx.experimental import _config

from cyclekit.contract.declarations import Direction
from cyclekit.contract.tensors import TensorSpec
from cyclekit.describe import describe_exception
from cyclekit.engine.padding import pad_to_multiple
from cyclekit.engine.passes import Named
from cyclekit.errors import PluginError
from cyclekit.runs.open_run import OpenRun

INPUT, OUTPUT, LABEL, CODE = "input", "output", "label", "code"
"""Names of what goes in and comes out."""

# Positions that kernels count to: torch 2.10 wants to be sure that there are no more.
LIMIT = str(2**31 - 1)


@dataclass(frozen=True)
class Shape:
    """What goes into a direction's networks.

    Attributes:
        source: Spec of what goes in.
        target: Spec of what comes out.
        multiples: What sizes are brought to multiples of.
        fewest: How many multiples there are at least.
        code: Size of the latent code, where there is one.
        labels: What the networks are told to translate to each of several targets, by their names.
        ways: A direction to each of these, or the only one.
    """

    source: TensorSpec
    target: TensorSpec
    multiples: tuple[int, ...]
    fewest: int
    code: int | None
    labels: Mapping[str, Sequence[float]] = field(default_factory=dict)
    ways: Mapping[str, Direction] = field(default_factory=dict)

    @classmethod
    def of(cls, opened: OpenRun, direction: Direction) -> "Shape":
        """That of a run's direction, and of all that are the same but for a label."""
        objective, translator = opened.model.objective, opened.translator
        ways = {direction.target: direction}
        if objective.label(direction) is not None:
            alike = [
                way
                for way in opened.model.directions.values()
                if way.networks == direction.networks
            ]
            found = {way.target: way for way in alike} | ways
            ways = {domain: found[domain] for domain in objective.domains if domain in found}
        labels = {target: objective.label(way) for target, way in ways.items()}
        return cls(
            objective.specs[direction.source],
            objective.specs[direction.target],
            translator.sizing.multiples(direction),
            translator.sizing.fewest(direction),
            objective.code(direction),
            {target: label for target, label in labels.items() if label is not None},
            ways,
        )

    @property
    def names(self) -> list[str]:
        """Of what goes in, in order."""
        told = ((LABEL, bool(self.labels)), (CODE, self.code is not None))
        return [INPUT, *(name for name, there in told if there)]

    def sizes(self, wanted: Sequence[int]) -> list[int]:
        """Sizes of an input: fixed ones as they are, of the others so many positions."""
        return [fixed or most for fixed, most in zip(self.source.sizes, wanted, strict=True)]

    def inputs(
        self, batch: int, wanted: Sequence[int], seed: int = 0, target: str = ""
    ) -> tuple[Tensor, ...]:
        """Random samples, with labels and codes where there are some.

        Args:
            batch: How many.
            wanted: Sizes of the axes that are not fixed.
            seed: Of chance.
            target: Whose labels; default: the first one's.
        """
        rng = torch.Generator().manual_seed(seed)
        shape = (batch, self.source.channels, *self.sizes(wanted))
        if self.source.range is None:
            x = torch.randn(shape, generator=rng)
        else:
            low, high = self.source.range
            x = low + (high - low) * torch.rand(shape, generator=rng)
        return x, *self.told(batch, rng, target)

    def told(self, batch: int, rng: torch.Generator, target: str = "") -> list[Tensor]:
        """What goes in beside samples: a target's label, a code that is drawn."""
        found = []
        if self.labels:
            label = self.labels[target or next(iter(self.labels))]
            found.append(torch.tensor(label, dtype=torch.float32).repeat(batch, 1))
        if self.code is not None:
            found.append(torch.randn((batch, self.code), generator=rng))
        return found


class Graph(nn.Module):
    """``(batch, channels, *sizes)`` of any sizes to the same sizes, as ``translate`` computes it.

    Args:
        opened: A run on the CPU, in float32.
        direction: Which way.
        half: Compute in float16; inputs and outputs stay float32.
    """

    def __init__(self, opened: OpenRun, direction: Direction, half: bool = False) -> None:
        super().__init__()
        # Its own, since files are read into them: what they are compared with must stay as it is.
        self.networks = nn.ModuleDict(
            {name: copy.deepcopy(opened.model.networks[name]) for name in direction.networks}
        )
        if half:
            self.networks.half()
        self.dtype = torch.float16 if half else torch.float32
        self.shape = Shape.of(opened, direction)
        self.codec = opened.model.codec
        self.ends = direction.ends
        self._objective = opened.model.objective
        self._direction = direction
        self.eval().requires_grad_(False)

    def forward(self, input: Tensor, *told: Tensor) -> Tensor:
        """Mirror the ends, translate as label and code say, cut off what was added."""
        shape = self.shape
        x = input.nan_to_num(nan=0.0) if shape.source.gaps else input
        padded = pad_to_multiple(x, shape.multiples, shape.source.sizes, shape.fewest)
        return _cut(self.translated(padded, *told), tuple(input.shape[2:]))

    def translated(self, padded: Tensor, *told: Tensor) -> Tensor:
        """The translation alone, of sizes that the networks take."""
        named: Any = self.networks
        beside = dict(zip(self.shape.names[1:], (one.to(self.dtype) for one in told), strict=True))
        translate: Any = self._objective.translate
        made: Tensor = translate(
            Named(named, self._direction), padded.to(self.dtype), self._direction, **beside
        )
        return made.float()


def _cut(x: Tensor, sizes: tuple[int, ...]) -> Tensor:
    """The first ``sizes`` of an output."""
    for axis, size in enumerate(sizes, start=2):
        if isinstance(size, torch.SymInt):
            # A slice would ask whether it is the whole, which depends on the size.
            x = x.index_select(axis, torch.arange(size))
        else:
            x = x.narrow(axis, 0, size)
    return x


def exported(graph: Graph) -> ExportedProgram:
    """The graph for every batch and every size, as torch.export makes it.

    Raises:
        PluginError: If a network or an objective cannot be made into a graph.
    """
    shape = graph.shape
    # Not a multiple, and some multiples long: maps of one position are treated otherwise.
    wanted = [2 * shape.fewest * m + 5 + n for n, m in enumerate(shape.multiples)]
    inputs = shape.inputs(2, wanted)
    batch = Dim("batch", min=1)
    axes = {
        axis: Dim(f"size_{axis - 1}", min=1)
        for axis, fixed in enumerate(shape.source.sizes, start=2)
        if fixed is None
    }
    return exported_module(graph, inputs, {0: batch, **axes}, {0: batch})


def exported_module(
    module: nn.Module, inputs: tuple[Tensor, ...], dynamic: dict[int, Any], beside: dict[int, Any]
) -> ExportedProgram:
    """A module as torch.export makes it.

    Args:
        module: In evaluation mode.
        inputs: Examples.
        dynamic: Of the first one, the axes that may have any size.
        beside: The same of each of the others.

    Raises:
        PluginError: If it cannot be made into a graph.
    """
    shapes: Any = _config  # which knows its own type at run time alone
    try:
        # Sizes of 1 are sizes like others.
        with shapes.patch(backed_size_oblivious=True), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            export = partial(
                torch.export.export,
                module.eval(),
                inputs,
                dynamic_shapes=(dynamic, (beside,) * (len(inputs) - 1))[: len(inputs)],
                strict=False,
            )
            try:
                return export()
            except UserError as error:
                if LIMIT not in str(error):
                    raise
                return export(prefer_deferred_runtime_asserts_over_guards=True)
    except (UserError, RuntimeError, TypeError, ValueError, AssertionError) as error:
        said = describe_exception(error)
        hint = (
            " Somewhere a size is taken for a plain number: write x.shape[0] for len(x), and do "
            "not compare sizes."
            if isinstance(error, UserError)
            else ""
        )
        raise PluginError(
            f"The networks of this direction cannot be made into a graph ({said:.600}).{hint}"
        ) from error
