"""Which files of a data set are there again: within a domain, in both, to train on and to test."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, combinations_with_replacement

import torch

from cyclekit.data.folders import Collections
from cyclekit.datasets.decoding import DecodedFile, Group, Listed
from cyclekit.datasets.fingerprints import Peek, comparable, copies, nearest

EXAMPLES = 3  # of each finding
COPIES, NEARLY = "copies", "nearly the same"


@dataclass(frozen=True)
class Duplicates:
    """Files of one group that are there again in another, or in the same one.

    Attributes:
        kind: ``copies``, byte for byte, or ``nearly the same``.
        one: The group whose files are counted.
        other: Where they are again.
        count: How many.
        examples: Some, each with the other file.
    """

    kind: str
    one: Group
    other: Group
    count: int
    examples: Sequence[tuple[str, str]]

    @property
    def matters(self) -> bool:
        """Whether training or its figures suffer: copies in one group only count twice."""
        return self.one is not self.other

    def __str__(self) -> str:
        many = f"{self.count:,} of the {len(self.one.files):,} files of {self.one.title}"
        where, then = f"files of {self.other.title}", ": they are in both domains"
        if self.one is self.other:
            where, then = "others of them", ""
        elif self.one.domain == self.other.domain:
            then = ": figures will not say what becomes of new files"
        shown = "; ".join(f"{one} and {other}" for one, other in self.examples)
        like = "copies of" if self.kind == COPIES else "nearly the same as"
        return f"{like} {where}: {many}{then} ({shown})"


def find_duplicates(
    listed: Listed, peeks: Sequence[Peek], looks: Sequence[DecodedFile], collections: Collections
) -> list[Duplicates]:
    """Copies among all files, and what looks nearly the same among those that were decoded.

    Args:
        listed: All files.
        peeks: What each of them is from outside.
        looks: Those that were decoded.
        collections: Knows which test files are pairs, and so may look alike.
    """
    return [*_copied(listed, peeks), *_alike(listed, peeks, looks, collections)]


def _copied(listed: Listed, peeks: Sequence[Peek]) -> Iterable[Duplicates]:
    """Files that are there again byte for byte, of all."""
    found: dict[tuple[int, int], list[tuple[str, str]]] = defaultdict(list)
    for numbers in copies(listed.files, peeks):
        where: dict[int, list[int]] = defaultdict(list)
        for number in numbers:
            where[listed.groups_of[number]].append(number)
        for one, other in _couples(listed, where):
            again = where[other][0]
            # Within a group all but one are copies.
            counted = where[one] if one != other else where[one][1:]
            found[one, other] += [(listed.files[number], listed.files[again]) for number in counted]
    for (one, other), examples in sorted(found.items()):
        if examples:
            groups = (listed.groups[one], listed.groups[other])
            yield Duplicates(COPIES, *groups, len(examples), examples[:EXAMPLES])


def _couples(listed: Listed, groups: Iterable[int]) -> Iterable[tuple[int, int]]:
    """Every two groups, and each with itself, the smaller one first: its files are counted."""
    by_size = sorted(groups, key=lambda number: (len(listed.groups[number].files), number))
    return combinations_with_replacement(by_size, 2)


def _alike(
    listed: Listed, peeks: Sequence[Peek], looks: Sequence[DecodedFile], collections: Collections
) -> Iterable[Duplicates]:
    """Files that look nearly the same as others, of those that were decoded; copies are none."""
    if not looks:
        return
    values = comparable(torch.stack([look.thumbnail for look in looks]))
    places: dict[int, list[int]] = defaultdict(list)  # of looks, by group
    for place, look in enumerate(looks):
        places[listed.groups_of[look.number]].append(place)
    place_of = {listed.files[look.number]: place for place, look in enumerate(looks)}
    twins = _twins(collections, place_of)
    for one, other in _couples(listed, places):
        ones, others = places[one], places[other]
        within = {place: number for number, place in enumerate(others)}
        not_with = {
            number: within[twin]
            for number, place in enumerate(ones)
            if (twin := place if one == other else twins.get(place)) in within
        }
        pairs = [
            (looks[ones[a]].number, looks[others[b]].number)
            for a, b in nearest(values[ones], values[others], not_with)
        ]
        named = [
            (listed.files[a], listed.files[b]) for a, b in pairs if peeks[a].edges != peeks[b].edges
        ]
        if named:
            groups = (listed.groups[one], listed.groups[other])
            # Within a group both files of a couple were found.
            shown = list({frozenset(couple): couple for couple in named}.values())
            yield Duplicates(NEARLY, *groups, len(named), shown[:EXAMPLES])


def _twins(collections: Collections, place_of: Mapping[str, int]) -> dict[int, int]:
    """Test files that may look alike, since they are pairs."""
    found: dict[int, int] = {}
    for source, target in combinations(collections.domains, 2):
        for files in collections.pairs(source, target).values():
            one, other = (place_of.get(str(file)) for file in files)
            if one is not None and other is not None:
                found |= {one: other, other: one}
    return found
