"""Sequences whose elements are made when they are asked for."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import TypeVar, overload

T = TypeVar("T")


class Lazy(Sequence[T]):
    """A sequence that knows its length and how to make one element; slices are as lazy."""

    @abstractmethod
    def make(self, index: int) -> T:
        """The element at ``index``, which is in range and not negative."""

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> "Lazy[T]": ...
    def __getitem__(self, index: int | slice) -> "T | Lazy[T]":
        places = range(len(self))
        if isinstance(index, slice):
            chosen = places[index]
            return LazyList(lambda place: self.make(chosen[place]), len(chosen))
        return self.make(places[index])


class LazyList(Lazy[T]):
    """``length`` elements, each made by calling ``make`` with its index."""

    def __init__(self, make: Callable[[int], T], length: int) -> None:
        self._make = make
        self._length = length

    def make(self, index: int) -> T:
        """The element at ``index``."""
        return self._make(index)

    def __len__(self) -> int:
        return self._length
