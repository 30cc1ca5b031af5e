"""How wholes are brought to sizes that a direction's networks take: mirrored ends, and tiles."""

import math
from collections.abc import Mapping

from torch import Tensor, nn

from cyclekit.contract.declarations import Direction
from cyclekit.contract.network import common_multiple
from cyclekit.contract.tensors import TensorSpec
from cyclekit.engine.padding import least_multiples, pad_to_multiple, padded_sizes
from cyclekit.engine.tiling import FADE, Tiling

OVERLAP = 8  # share of a tile that neighbours have in common, where a network's reach is not known


class Sizing:
    """What the networks of a direction demand of sizes.

    Args:
        specs: Of each domain's tensors.
        networks: By name.
    """

    def __init__(self, specs: Mapping[str, TensorSpec], networks: Mapping[str, nn.Module]) -> None:
        self._specs = specs
        self._networks = networks

    def called(self, direction: Direction) -> list[nn.Module]:
        """All networks that translate."""
        return [self._networks[name] for name in direction.networks]

    def multiples(self, direction: Direction) -> tuple[int, ...]:
        """What each axis is brought to a multiple of."""
        spec = self._specs[direction.source]
        each = [common_multiple(spec, network) for network in self.called(direction)]
        return tuple(math.lcm(*of_axis) for of_axis in zip(*each, strict=True))

    def fewest(self, direction: Direction) -> int:
        """How many such multiples an axis has at least."""
        return max(least_multiples(network) for network in self.called(direction))

    def always_alike(self, direction: Direction) -> bool:
        """Whether networks see tiles of one size alone, whatever a whole's is."""
        return any(self._specs[direction.source].sizes)

    def fitted(self, tensor: Tensor, direction: Direction) -> tuple[Tensor, tuple[int, ...]]:
        """A whole without gaps, of sizes that networks take, and its sizes before that."""
        spec = self._specs[direction.source]
        x = tensor.nan_to_num(nan=0.0) if spec.gaps else tensor
        padded = pad_to_multiple(
            x[None], self.multiples(direction), spec.sizes, self.fewest(direction)
        )
        return padded[0], tuple(x.shape[1:])

    def bytes_of(self, sizes: tuple[int, ...], direction: Direction) -> int:
        """What a whole takes in memory while it is translated, its tiles aside.

        What networks make of tiles comes on top, and does not grow with the whole.
        """
        source, target = self._specs[direction.source], self._specs[direction.target]
        padded = padded_sizes(
            sizes, self.multiples(direction), source.sizes, self.fewest(direction)
        )
        # In and out, each once as it is worked on and once as it is handed on: float32.
        return 2 * 4 * (source.channels + target.channels) * math.prod(padded)

    def tiling(self, whole: Tensor, direction: Direction) -> Tiling:
        """One tile for the whole, except on axes of which networks see only so much."""
        sizes = tuple(whole.shape[1:])
        spec = self._specs[direction.source]
        reach = self._reach(direction)
        tile, overlap = [], []
        for length, fixed, most, multiple in zip(
            sizes, spec.sizes, spec.tiles or spec.sizes, self.multiples(direction), strict=True
        ):
            if fixed or not most or length <= most:
                tile.append(fixed or length)
                overlap.append(0)
                continue
            tile.append(min(max(most // multiple, 2) * multiple, length))
            wanted = 2 * reach + tile[-1] // FADE if reach else tile[-1] // OVERLAP
            # Tiles begin where the network's own grid does.
            shared = -(-min(wanted, tile[-1] // 2) // multiple) * multiple
            overlap.append(0 if tile[-1] == length else shared)
        return Tiling(sizes, tuple(tile), tuple(overlap), reach if any(overlap) else 0)

    def _reach(self, direction: Direction) -> int:
        """How far a translation looks; 0 where several networks are called, in whatever order."""
        (first, *others) = self.called(direction)
        return 0 if others else int(getattr(first, "reach", 0))
