"""Samples for which there is no room, refused before their memory is taken."""

import math
from dataclasses import dataclass
from pathlib import Path

from cyclekit.contract.declarations import Direction
from cyclekit.contract.tensors import Sample
from cyclekit.engine.sizing import Sizing
from cyclekit.errors import TooLarge
from cyclekit.memory import available_memory


@dataclass(frozen=True)
class Room:
    """How large samples may be.

    Attributes:
        sizing: Says how much memory a translation takes.
        most: Positions of a sample, at most; ``None``: as many as fit in memory.
    """

    sizing: Sizing
    most: int | None = None

    def require(self, file: Path, sample: Sample, direction: Direction) -> None:
        """Refuse a sample that would take more memory than there is, or is larger than ``most``.

        Raises:
            TooLarge: Saying how much it would be.
        """
        self.require_small(file, sample)
        wanted = self.sizing.bytes_of(tuple(sample.tensor.shape[1:]), direction)
        there = available_memory()
        if there is not None and wanted > there:
            raise TooLarge(
                file,
                f"needs {wanted / 2**30:.1f} GiB of memory, and {there / 2**30:.1f} GiB are free",
            )

    def require_small(self, file: Path, sample: Sample) -> None:
        """Refuse a sample that is larger than ``most``.

        Raises:
            TooLarge: Saying by how much.
        """
        positions = math.prod(sample.tensor.shape[1:])
        if self.most is not None and positions > self.most:
            raise TooLarge(
                file, f"is {positions:,} positions large, and at most {self.most:,} are taken"
            )
