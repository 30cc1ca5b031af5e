"""Training files that belong together, in two domains or more.

Whether equal names of test files mean pairs is asked in ``pairing``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from cyclekit.contract.declarations import Stream
from cyclekit.data.encoded import EncodedDomain
from cyclekit.data.folders import Collections
from cyclekit.data.windows import Balanced, Joined, Selected, StreamWindows
from cyclekit.errors import DataError
from cyclekit.names import heading


@dataclass(frozen=True)
class Pairs:
    """The windows of some domains' counterparts.

    Attributes:
        places: By domain, where each pair's window is among that domain's windows.
        files: How many files have counterparts in all of the domains.
        alone: How many usable files have none, by domain.
        unequal: How many pairs were left out since their halves differ in size.
    """

    places: Mapping[str, Sequence[int]]
    files: int
    alone: Mapping[str, int]
    unequal: int

    def remarks(self) -> list[str]:
        """What was found."""
        return [f"{self.files} pairs of training files in {_listed(self.places)}"]

    def warnings(self) -> list[str]:
        """What is not trained on as a pair."""
        alone = [f"{count} of {heading(name)}" for name, count in self.alone.items() if count]
        found = []
        if alone:
            found.append(f"without a counterpart: {', '.join(alone)}")
        if self.unequal:
            found.append(f"{self.unequal} pairs are left out, since their halves differ in size")
        return found


def draw_from(
    streams: Mapping[str, Stream],
    encoded: Mapping[str, EncodedDomain],
    collections: Collections,
) -> tuple[dict[str, StreamWindows], list[Pairs]]:
    """What each stream draws from, and the pairs among them.

    Raises:
        DataError: If pairs are wanted and there are none.
    """
    windows: dict[str, StreamWindows] = {}
    found = []
    for leader, followers in tied_streams(streams).items():
        names = (leader, *followers)
        if not followers:
            stream = streams[leader]
            join = Balanced if stream.evenly else Joined
            windows[leader] = join([encoded[d].windows for d in stream.domains if d in encoded])
            continue
        domains = tuple(streams[name].domains[0] for name in names)
        pairs = _pairs(dict.fromkeys(domains), encoded, collections)
        found.append(pairs)
        for name, domain in zip(names, domains, strict=True):
            windows[name] = Selected(encoded[domain].windows, pairs.places[domain])
    return {name: windows[name] for name in streams}, found


def tied_streams(streams: Mapping[str, Stream]) -> dict[str, list[str]]:
    """Streams that are drawn by themselves, each with those that are drawn with it."""
    tied: dict[str, list[str]] = {
        name: [] for name, stream in streams.items() if not stream.drawn_with
    }
    for name, stream in streams.items():
        if stream.drawn_with:
            tied[stream.drawn_with].append(name)
    return tied


def tied_domains(streams: Mapping[str, Stream]) -> list[tuple[str, ...]]:
    """The domains whose files are wanted as pairs, group by group."""
    groups = [
        tuple(dict.fromkeys(streams[name].domains[0] for name in (leader, *followers)))
        for leader, followers in tied_streams(streams).items()
        if followers
    ]
    return [group for group in dict.fromkeys(groups) if len(group) > 1]


def _pairs(
    domains: Mapping[str, None],
    encoded: Mapping[str, EncodedDomain],
    collections: Collections,
) -> Pairs:
    named = {}
    for domain in domains:
        own = encoded[domain]
        starts = [0, *accumulate(own.counts)]
        name_of = collections.domains[domain].train_name
        named[domain] = {
            name_of(file): (start, count)
            for file, start, count in zip(own.files, starts, own.counts, strict=False)
        }
    first, *others = named.values()
    shared = [name for name in first if all(name in other for other in others)]
    places: dict[str, list[int]] = {domain: [] for domain in domains}
    unequal = 0
    for name in shared:
        spans = {domain: range(start, start + count) for domain, (start, count) in
                 ((domain, named[domain][name]) for domain in domains)}  # fmt: skip
        sizes = {
            tuple(encoded[domain].windows.shape(place)[1:] for place in span)
            for domain, span in spans.items()
        }
        if len(sizes) > 1:
            unequal += 1
            continue
        for domain, span in spans.items():
            places[domain] += span
    alone = {domain: len(encoded[domain].files) - len(shared) for domain in domains}
    pairs = Pairs(places, len(shared) - unequal, alone, unequal)
    if not pairs.files:
        why = "their halves differ in size" if shared else "no names are equal"
        raise DataError(
            f"The objective trains on pairs, files of equal names in {_listed(domains)}, and there "
            f"are none: {why}. Name them alike, as in trainA/1.png and trainB/1.png, list them in "
            f"data.pairs, or choose an objective without pairs."
        )
    return pairs


def _listed(domains: Mapping[str, object]) -> str:
    return " and ".join(map(heading, domains))
