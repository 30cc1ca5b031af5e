"""Batches of tiles through a direction's networks, or through what stands in for them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn

from cyclekit.contract.declarations import Direction
from cyclekit.engine.lightning import Fabric
from cyclekit.engine.norm_statistics import (
    Statistics,
    collect_statistics,
    fixed_statistics,
    normalizes_instances,
)
from cyclekit.engine.objective import Objective
from cyclekit.errors import PluginError


@dataclass(frozen=True)
class Passes:
    """Calls of networks, in evaluation mode and without gradients.

    Attributes:
        objective: Says how a direction calls its networks.
        networks: By name.
        fabric: Says where and in which precision.
        others: By direction, another's networks in their place.
        held: By direction, networks and the instance statistics that they normalise by, in place of
            each tile's own.
    """

    objective: Objective
    networks: Mapping[str, nn.Module]
    fabric: Fabric
    others: Mapping[str, Callable[..., Tensor]] = field(default_factory=dict)
    held: Mapping[str, Sequence[tuple[nn.Module, Statistics]]] = field(default_factory=dict)

    def with_other(self, direction: Direction, run: Callable[..., Tensor]) -> "Passes":
        """The same with another's networks for one direction."""
        return replace(self, others={**self.others, direction.name: run})

    def normalizing(self, direction: Direction) -> list[nn.Module]:
        """The networks here that normalise each instance by itself."""
        if direction.name in self.others:
            return []
        called = [self.networks[name] for name in direction.networks]
        return [each for each in called if normalizes_instances(each)]

    def holding(
        self, windows: Sequence[Tensor], direction: Direction, code: Tensor | None
    ) -> "Passes":
        """The same with the statistics of windows of one size, taken as one instance."""
        networks = self.normalizing(direction)
        with ExitStack() as stack:
            found = [stack.enter_context(collect_statistics(network)) for network in networks]
            self.run(windows, direction, [code] * len(windows))
        held = list(zip(networks, found, strict=True))
        return replace(self, held={**self.held, direction.name: held})

    @torch.no_grad()
    def run(
        self, tiles: Sequence[Tensor], direction: Direction, codes: Sequence[Tensor | None]
    ) -> Tensor:
        """Tiles of one size, each with its item's code -> ``(tiles, channels, *sizes)`` float32 on
        the CPU."""
        drawn = [code for code in codes if code is not None]
        if direction.name in self.others:
            given = [torch.stack(list(tiles)), *([torch.stack(drawn)] if drawn else [])]
            return self.others[direction.name](*given).float()
        with ExitStack() as stack:
            named, dtype = stack.enter_context(self._computing(direction))
            batch = torch.stack(list(tiles)).to(self.fabric.device, dtype)
            code = torch.stack(drawn).to(self.fabric.device, dtype) if drawn else None
            for network, statistics in self.held.get(direction.name, ()):
                stack.enter_context(fixed_statistics(network, statistics))
            made = self.objective.translate(named, batch, direction, code)
            return made.float().cpu()

    @torch.no_grad()
    def find_codes(
        self, tiles: Sequence[Tensor], direction: Direction, finding: Direction
    ) -> Tensor:
        """The codes, ``(tiles, size)`` float32 on the CPU, with which a direction would have made
        tiles of one size of its target.

        Args:
            tiles: Of the target.
            direction: One whose objective finds codes.
            finding: The way back, by the networks that find them.
        """
        with self._computing(finding) as (named, dtype):
            batch = torch.stack(list(tiles)).to(self.fabric.device, dtype)
            return self.objective.code_of(named, batch, direction).float().cpu()

    @contextmanager
    def _computing(self, direction: Direction) -> Iterator[tuple["Named", torch.dtype]]:
        """A direction's networks, ready to be called, and what they take."""
        networks = [self.networks[name] for name in direction.networks]
        dtype = next((p.dtype for each in networks for p in each.parameters()), torch.float32)
        with ExitStack() as stack:
            for network in networks:
                stack.enter_context(evaluating(network))
            stack.enter_context(self.fabric.autocast())
            yield Named(self.networks, direction), dtype


class Named(dict[str, nn.Module]):
    """The networks that a direction names, and no others: those may never have been loaded."""

    def __init__(self, networks: Mapping[str, nn.Module], direction: Direction) -> None:
        super().__init__({name: networks[name] for name in direction.networks})
        self._direction = direction

    def __missing__(self, name: str) -> nn.Module:
        raise PluginError(
            f"The objective's translate calls the network {name!r}, but direction "
            f"{self._direction.name!r} does not name it in networks: what is not named is neither "
            f"averaged nor loaded. Name it."
        )


@contextmanager
def held(network: nn.Module) -> Iterator[None]:
    """Want no gradients of a network's parameters for a while, nor the memory that they take."""
    wanted = [parameter for parameter in network.parameters() if parameter.requires_grad]
    network.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in wanted:
            parameter.requires_grad_(True)


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Put a network into evaluation mode for a while."""
    training = network.training
    network.eval()
    try:
        yield
    finally:
        network.train(training)
