"""Encoded training windows: in memory as long as they fit, the rest in a file mapped into it."""

import mmap
import tempfile
from array import array
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import IO

import torch
from torch import Tensor

from cyclekit.contract import Sample
from cyclekit.data.lazy import Lazy


@dataclass(frozen=True)
class Window:
    """A training window and the domain it belongs to."""

    sample: Sample
    domain: str


class Storage:
    """Keeps tensors, at most ``memory`` bytes of them in memory.

    Args:
        memory: Bytes.
        folder: Where the file for the rest is made; it has no name and goes with the process.
    """

    def __init__(self, memory: int, folder: Path) -> None:
        self._left = memory
        self._folder = folder
        self._file: IO[bytes] | None = None
        self._map: mmap.mmap | None = None
        self._length = 0

    def put(self, tensor: Tensor) -> Tensor | int:
        """Take a tensor: returns itself, to be kept, or its place in the file."""
        size = tensor.numel() * tensor.element_size()
        if size <= self._left and self._file is None:
            self._left -= size
            return tensor
        if self._file is None:
            self._file = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115 - stays open
        place = self._length
        self._file.write(tensor.contiguous().flatten().view(torch.uint8).numpy().tobytes())
        self._length += size
        return place

    def get(self, place: int, shape: torch.Size, dtype: torch.dtype) -> Tensor:
        """The tensor at a place in the file; a copy, since the map cannot be written to."""
        if self._map is None or len(self._map) < self._length:
            assert self._file is not None
            self._file.flush()
            self._map = mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ)
        size = shape.numel() * dtype.itemsize
        raw = bytearray(self._map[place : place + size])
        return torch.frombuffer(raw, dtype=dtype).view(shape)


class Windows(Lazy[Window]):
    """The windows of one domain, in the order of its files."""

    def __init__(self, domain: str, storage: Storage) -> None:
        self._domain = domain
        self._storage = storage
        self._kept: list[Tensor] = []
        self._places = array("q")
        self._kinds = array("i")
        self._known: dict[tuple[torch.Size, torch.dtype], int] = {}
        self._smallest = (0, -1)  # elements, index

    def append(self, sample: Sample) -> None:
        """Add a window; of a sample, training needs the tensor alone."""
        tensor = sample.tensor
        if self._smallest[1] < 0 or tensor.numel() < self._smallest[0]:
            self._smallest = (tensor.numel(), len(self))
        stored = self._storage.put(tensor)
        if isinstance(stored, Tensor):
            self._kept.append(stored)
            return
        self._places.append(stored)
        kind = (tensor.shape, tensor.dtype)
        self._kinds.append(self._known.setdefault(kind, len(self._known)))

    @property
    def smallest(self) -> Window:
        """The window with the fewest elements."""
        return self[self._smallest[1]]

    def __len__(self) -> int:
        return len(self._kept) + len(self._places)

    def make(self, index: int) -> Window:
        """The window at ``index``."""
        if index < len(self._kept):
            return Window(Sample(self._kept[index]), self._domain)
        spilled = index - len(self._kept)
        shape, dtype = list(self._known)[self._kinds[spilled]]
        tensor = self._storage.get(self._places[spilled], shape, dtype)
        return Window(Sample(tensor), self._domain)


class Joined(Lazy[Window]):
    """Several domains' windows as one sequence."""

    def __init__(self, parts: Sequence[Windows]) -> None:
        self._parts = [part for part in parts if len(part)]
        self._ends = list(accumulate(len(part) for part in self._parts))

    @property
    def smallest(self) -> Window:
        """The window with the fewest elements."""
        return min((p.smallest for p in self._parts), key=lambda w: w.sample.tensor.numel())

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def make(self, index: int) -> Window:
        """The window at ``index``."""
        number = bisect_right(self._ends, index)
        before = self._ends[number - 1] if number else 0
        return self._parts[number].make(index - before)
