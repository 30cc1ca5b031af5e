"""Files that hold many items one after the other, such as the pictures of a film."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Generic

from cyclekit.contract.tensors import Item


class ItemSequence(ABC, Generic[Item]):
    """Items one after the other in one file: translated one by one, and written as one file again.

    ``Codec.sequence`` opens one. What was noticed on the way, such as an end that is missing, is
    warned of (``warnings.warn``).

    Attributes:
        count: About how many items there are, for progress; 0: not known.
    """

    count: int = 0
    """About how many items there are, for progress; 0: not known."""

    @abstractmethod
    def sample(self, most: int) -> Sequence[Item]:
        """At most ``most`` items spread over the whole. Networks that normalise each item by its
        own mean and variance do so by these items' instead, so that nothing flickers."""

    @abstractmethod
    def rewrite(
        self, translate: Callable[[Iterator[Item]], Iterator[Sequence[Item]]], paths: Sequence[Path]
    ) -> None:
        """Write a file at each of ``paths``, whose suffix may change, of what becomes of the items.

        Args:
            translate: Takes the items in their order, which it asks for as it needs them, and
                gives of each, in the same order, one item for every path.
            paths: Where to write.

        Raises:
            BadSample: If the file cannot be read at all.
        """
