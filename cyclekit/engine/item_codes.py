"""Which latent code, or which attributes, each item is translated with."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor

from cyclekit.contract.declarations import Direction
from cyclekit.data.attributes import AttributeTable
from cyclekit.engine.objective import Objective
from cyclekit.errors import BadSample, UsageError, suggest
from cyclekit.randomness import torch_generator


@dataclass(frozen=True)
class ItemCodes:
    """The codes of items, by the names of their files.

    Attributes:
        objective: Knows how large a direction's code is.
        table: What is said about files, of an objective with attributes.
        seed: Codes follow from it, and from the files' names.
        answer: Each number gives other codes; 0 are those that are given unasked.
        given: By direction, the one that all items get.
        own: Attributes of all items, in place of the table.
    """

    objective: Objective
    table: AttributeTable
    seed: int = 0
    answer: int = 0
    given: Mapping[str, Tensor] = field(default_factory=dict)
    own: Mapping[str, bool] | None = None

    def knowing(self, attributes: Mapping[str, bool]) -> "ItemCodes":
        """The same where all items have these attributes, and no others.

        Raises:
            UsageError: If the objective knows none of such a name.
        """
        known = self.objective.attributes
        for name in attributes:
            if name not in known:
                raise UsageError(f"No attribute {name!r:.80}. {suggest(name, known)}")
        return replace(self, own=attributes)

    def all_with(self, code: Tensor, direction: Direction) -> "ItemCodes":
        """The same with one code, ``(size,)``, for all items of a direction."""
        return replace(self, given={**self.given, direction.name: code})

    def of(self, files: Sequence[Path], direction: Direction) -> list[Tensor | None]:
        """Each item's code, ``(size,)``, where the direction takes one.

        Raises:
            BadSample: If nothing is said about the attributes of one.
        """
        size = self.objective.code(direction)
        if size is None:
            return [None] * len(files)
        if self.objective.attributes:
            return [self.attributes_of(file, direction) for file in files]
        if direction.name in self.given:
            return [self.given[direction.name]] * len(files)
        further = [self.answer] if self.answer else []
        words: list[int | str] = ["code", self.seed, direction.name]
        drawn = (torch_generator(*words, file.name, *further) for file in files)
        return [torch.randn(size, generator=generator) for generator in drawn]

    def require_in_examples(self, direction: Direction, lacking: Collection[str]) -> None:
        """Refuse directions for which no code can be found in an example.

        Args:
            direction: Which way.
            lacking: Networks without weights.

        Raises:
            UsageError: Saying why.
        """
        kind, name = type(self.objective), self.objective.name
        if self.objective.code(direction) is None or self.objective.attributes:
            raise UsageError(
                f"{direction.name} has one answer for each input: its objective, {name!r}, has no "
                f"codes there."
            )
        if kind.code_of is Objective.code_of:
            raise UsageError(
                f"Objective {name!r} cannot find a code in an example ({kind.__name__} has no "
                f"code_of)."
            )
        if without := sorted({*lacking}.intersection(direction.coding)):
            raise UsageError(
                f"No code can be found in an example: the weights of {' and '.join(without)} were "
                f"not imported."
            )

    def attributes_of(self, file: Path, direction: Direction) -> Tensor | None:
        """A file's own attributes, of an objective that has some; zeros where all are set.

        Raises:
            BadSample: If nothing is said about it.
        """
        names = self.objective.attributes
        if not names:
            return None
        if {*names} == {name for name, _ in direction.sets}:
            return torch.zeros(len(names))
        if self.own is not None:
            return torch.tensor([float(self.own.get(name, False)) for name in names])
        own = self.table.of(file)
        if own is None:
            raise BadSample(
                file,
                f"is not in {self.table.file}, so that it cannot be told which attributes it has. "
                f"Set all of {', '.join(names)}, or name a table with --attributes",
            )
        return torch.from_numpy(own).float()
