"""Encoded training windows, in memory or in a file."""

import os
import threading
from abc import abstractmethod
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from cyclekit.contract.tensors import Sample
from cyclekit.data.lazy import Lazy
from cyclekit.errors import DataError

Kind = tuple[torch.Size, torch.dtype]
Thing = TypeVar("Thing")


@dataclass(frozen=True)
class Window:
    """A training window and the domain it belongs to."""

    sample: Sample
    domain: str


class Shaped(Lazy[Thing]):
    """Things of several shapes."""

    @property
    @abstractmethod
    def smallest(self) -> int:
        """The first of those with the fewest elements."""

    @property
    @abstractmethod
    def firsts(self) -> list[int]:
        """The first of each shape; where there are several domains, in each of them."""


class Tensors(Shaped[Tensor]):
    """Tensors of several shapes and types."""

    @abstractmethod
    def shape(self, index: int) -> torch.Size:
        """Of one of them, which need not be read for it."""


class InMemory(Tensors):
    """Tensors that are kept as they are."""

    def __init__(self, tensors: Sequence[Tensor]) -> None:
        self._tensors = tensors

    def make(self, index: int) -> Tensor:
        """The tensor at ``index``."""
        return self._tensors[index]

    def shape(self, index: int) -> torch.Size:
        """Of one of them."""
        return self._tensors[index].shape

    def __len__(self) -> int:
        return len(self._tensors)

    @property
    def smallest(self) -> int:
        """The first of those with the fewest elements."""
        return min(range(len(self)), key=lambda index: self._tensors[index].numel())

    @property
    def firsts(self) -> list[int]:
        """The first of each shape."""
        found: dict[torch.Size, int] = {}
        for index, tensor in enumerate(self._tensors):
            found.setdefault(tensor.shape, index)
        return list(found.values())


class OnDisk(Tensors):
    """Tensors that lie one after the other in a file, and are read when they are asked for.

    Read, not mapped: what is mapped counts as this process's memory once it was touched, and an
    epoch touches everything. The system keeps in its cache what it has room for either way.

    Args:
        file: Their bytes.
        kinds: Each shape and type that occurs.
        kind_of: Which of them each tensor has.
        places: Where each begins.
    """

    def __init__(self, file: Path, kinds: Sequence[Kind], kind_of: Tensor, places: Tensor) -> None:
        self._file = file.open("rb", buffering=0)
        self._lock = threading.Lock()
        self._kinds = kinds
        self._kind_of = kind_of.numpy()
        self._places = places.numpy()

    @property
    def bytes(self) -> int:
        """Of all tensors."""
        return os.fstat(self._file.fileno()).st_size

    def make(self, index: int) -> Tensor:
        """The tensor at ``index``: a copy of one's own."""
        shape, dtype = self._kinds[self._kind_of[index]]
        raw = bytearray(shape.numel() * dtype.itemsize)
        place, left = int(self._places[index]), memoryview(raw)
        while left:
            count = self._read(left, place)
            if count == 0:
                raise DataError(f"{self._file.name} was cut short while it was in use. Resume.")
            place, left = place + count, left[count:]
        return torch.frombuffer(raw, dtype=dtype).view(shape)

    def shape(self, index: int) -> torch.Size:
        """Of one of them."""
        kind: Kind = self._kinds[self._kind_of[index]]
        return kind[0]

    def _read(self, into: memoryview, place: int) -> int:
        """Read from a place in the file, whatever other threads do; returns how much."""
        if hasattr(os, "preadv"):
            return os.preadv(self._file.fileno(), [into], place)
        with self._lock:  # Windows
            self._file.seek(place)
            return self._file.readinto(into)

    def __len__(self) -> int:
        return len(self._places)

    @property
    def smallest(self) -> int:
        """The first of those with the fewest elements."""
        elements = np.array([shape.numel() for shape, _ in self._kinds])
        return int(elements[self._kind_of].argmin())

    @property
    def firsts(self) -> list[int]:
        """The first of each shape."""
        return sorted(np.unique(self._kind_of, return_index=True)[1].tolist())


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
