"""Tensors of several shapes, in memory or in a file."""

import os
import threading
from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from cyclekit.data.lazy import Lazy
from cyclekit.errors import DataError

Kind = tuple[torch.Size, torch.dtype]
Thing = TypeVar("Thing")


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
