"""The windows that training draws from: of one domain, of several, or some."""

from abc import abstractmethod
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch

from cyclekit.contract.tensors import Sample
from cyclekit.data.stored import Shaped, Tensors


@dataclass(frozen=True)
class Window:
    """A training window and the domain it belongs to."""

    sample: Sample
    domain: str


class StreamWindows(Shaped[Window]):
    """The windows that a stream draws from."""

    @abstractmethod
    def origin(self, index: int) -> tuple[str, int]:
        """The domain of the window at ``index``, and its place among that one's windows."""


class Windows(StreamWindows):
    """The windows of one domain, in the order of its files."""

    def __init__(self, domain: str, tensors: Tensors) -> None:
        self.domain = domain
        self._tensors = tensors

    def shape(self, index: int) -> torch.Size:
        """Of a window's tensor."""
        return self._tensors.shape(index)

    @property
    def smallest(self) -> int:
        """The first of those with the fewest elements."""
        return self._tensors.smallest

    @property
    def firsts(self) -> list[int]:
        """The first of each shape."""
        return self._tensors.firsts

    def origin(self, index: int) -> tuple[str, int]:
        """The domain, and the same place."""
        return self.domain, index

    def __len__(self) -> int:
        return len(self._tensors)

    def make(self, index: int) -> Window:
        """The window at ``index``."""
        return Window(Sample(self._tensors[index]), self.domain)


class Joined(StreamWindows):
    """Several domains' windows as one sequence."""

    def __init__(self, parts: Sequence[Windows]) -> None:
        self._parts = [part for part in parts if len(part)]
        self._ends = list(accumulate(len(part) for part in self._parts))
        self._starts = [0, *self._ends][:-1]

    @property
    def smallest(self) -> int:
        """The first of those with the fewest elements."""
        firsts = zip(self._starts, self._parts, strict=True)
        found = [
            (part.shape(part.smallest).numel(), start + part.smallest) for start, part in firsts
        ]
        return min(found, key=lambda sized: sized[0])[1]

    @property
    def firsts(self) -> list[int]:
        """The first of each shape, in each domain."""
        firsts = zip(self._starts, self._parts, strict=True)
        return [start + index for start, part in firsts for index in part.firsts]

    def origin(self, index: int) -> tuple[str, int]:
        """The domain of the window at ``index``, and its place among that one's windows."""
        number = bisect_right(self._ends, index)
        return self._parts[number].domain, index - self._starts[number]

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def make(self, index: int) -> Window:
        """The window at ``index``."""
        number = bisect_right(self._ends, index)
        return self._parts[number].make(index - self._starts[number])


class Balanced(StreamWindows):
    """Several domains' windows as one sequence in which each domain occurs equally often.

    A domain with fewer than another begins anew, so windows occur several times.
    """

    def __init__(self, parts: Sequence[Windows]) -> None:
        self._parts = [part for part in parts if len(part)]

    @property
    def smallest(self) -> int:
        """The first of those with the fewest elements."""
        return min(
            (part.shape(part.smallest).numel(), self._index(number, part.smallest))
            for number, part in enumerate(self._parts)
        )[1]

    @property
    def firsts(self) -> list[int]:
        """The first of each shape, in each domain."""
        return [
            self._index(number, place)
            for number, part in enumerate(self._parts)
            for place in part.firsts
        ]

    def origin(self, index: int) -> tuple[str, int]:
        """The domain of the window at ``index``, and its place among that one's windows."""
        turn, number = divmod(index, len(self._parts))
        part = self._parts[number]
        return part.domain, turn % len(part)

    def __len__(self) -> int:
        return len(self._parts) * max(map(len, self._parts), default=0)

    def make(self, index: int) -> Window:
        """The window at ``index``."""
        _, place = self.origin(index)
        return self._parts[index % len(self._parts)].make(place)

    def _index(self, number: int, place: int) -> int:
        return place * len(self._parts) + number


class Selected(StreamWindows):
    """Some of a domain's windows, in an order of their own."""

    def __init__(self, windows: Windows, places: Sequence[int]) -> None:
        self._windows = windows
        self._places = places

    @property
    def smallest(self) -> int:
        """The first of those with the fewest elements."""
        shapes = map(self._windows.shape, self._places)
        return min(enumerate(shapes), key=lambda shaped: shaped[1].numel())[0]

    @property
    def firsts(self) -> list[int]:
        """The first of each shape."""
        found: dict[torch.Size, int] = {}
        for index, place in enumerate(self._places):
            found.setdefault(self._windows.shape(place), index)
        return list(found.values())

    def origin(self, index: int) -> tuple[str, int]:
        """The domain, and the place among all of its windows."""
        return self._windows.domain, self._places[index]

    def __len__(self) -> int:
        return len(self._places)

    def make(self, index: int) -> Window:
        """The window at ``index``."""
        return self._windows.make(self._places[index])
