"""The files that a judgement rests on: readable test files, their pairs, training files."""

from collections.abc import Callable, Sequence
from functools import cached_property
from itertools import permutations
from pathlib import Path
from typing import Any

from cyclekit.contract.codec import Codec
from cyclekit.data.encoded import list_bad, load_file
from cyclekit.data.folders import Collections
from cyclekit.data.layout import layout_folder
from cyclekit.data.lazy import Lazy, LazyList
from cyclekit.errors import BadSample, DataError
from cyclekit.names import heading
from cyclekit.randomness import numpy_generator

MOST_FITTED = 1000  # training files that metrics and baselines are fitted on


def items_of(files: Sequence[Path], read: Callable[[Path], Any]) -> Lazy[Any]:
    """Items read from their files each time they are asked for, so that none stays in memory."""
    return LazyList(lambda index: read(files[index]), len(files))


class Evidence:
    """Files that can be read, of the test set and to fit on.

    Args:
        codec: Reads them.
        collections: All files.
        seed: Chooses the training files where there are too many.
        warn: Told of bad test files.
        limit: Test files of each domain, 0 for all.
    """

    def __init__(
        self,
        codec: Codec[Any],
        collections: Collections,
        seed: int,
        warn: Callable[[str], None],
        limit: int = 0,
    ) -> None:
        self._codec = codec
        self._collections = collections
        self._seed = seed
        self._warn = warn
        self._limit = limit

    def require_test_set(self) -> None:
        """Raise ``DataError`` if a domain has no test files, or none that can be read."""
        for name, domain in self._collections.domains.items():
            if not domain.test:
                raise DataError(
                    f"Domain {heading(name)} has no test files: add a folder "
                    f"{layout_folder('test', name)}, or name one as data.tests.{name}."
                )
            if not self.tests[name]:
                raise DataError(
                    f"None of domain {heading(name)}'s {len(domain.test)} test files in "
                    f"{domain.folder} can be read: replace them, or name another folder as "
                    f"data.tests.{name}."
                )

    @property
    def described(self) -> str:
        """On how much of the test set figures are."""
        used = sum(map(len, self.tests.values()))
        there = sum(len(domain.test) for domain in self._collections.domains.values())
        pairs = {frozenset(pair) for twins in self._twins.values() for pair in twins.items()}
        paired = f", {len(pairs)} pairs" if pairs else ""
        return (
            f"on {used} of {there} test items{paired}"
            if used < there
            else f"on the test set{paired}"
        )

    @cached_property
    def tests(self) -> dict[str, list[Path]]:
        """Readable test files of each domain, the same things in all where they are paired."""
        tests = {}
        for name, domain in self._collections.domains.items():
            files: Sequence[Path] = domain.test
            if self._limit:
                files = (self._paired_first(name) or files)[: self._limit]
            tests[name] = self._readable(files, name, self._warn)
        return tests

    @property
    def has_pairs(self) -> bool:
        """Whether any test file has a readable counterpart."""
        return any(self._twins.values())

    def twins(self, source: str, target: str) -> dict[Path, Path]:
        """Readable test files of ``source`` with readable counterparts in ``target``."""
        return self._twins[source, target]

    @cached_property
    def _twins(self) -> dict[tuple[str, str], dict[Path, Path]]:
        readable = {file for files in self.tests.values() for file in files}
        return {
            (source, target): {
                file: twin
                for file, twin in self._collections.pairs(source, target).values()
                if file in readable and twin in readable
            }
            for source, target in permutations(self._collections.domains, 2)
        }

    def _paired_first(self, name: str) -> list[Path]:
        """A domain's test files that have counterparts in all other domains, if there are some."""
        domains = self._collections.domains
        first = next(iter(domains))
        if name != first:
            pairs = self._collections.pairs(first, name)
            return [pairs[shared][1] for shared in self._shared if shared in pairs]
        own = {domains[name].test_name(file): file for file in domains[name].test}
        return [own[shared] for shared in self._shared]

    @cached_property
    def _shared(self) -> list[str]:
        """Names that test files of all domains have."""
        first, *others = self._collections.domains
        each = [self._collections.pairs(first, other) for other in others]
        return [name for name in (each[0] if each else ()) if all(name in of for of in each)]

    @cached_property
    def train(self) -> dict[str, list[Path]]:
        """Readable training files of each domain, at most ``MOST_FITTED``."""
        # Bad training files were named when the data was read.
        return {
            name: self._readable(
                self._drawn(domain.train, MOST_FITTED, "fitted", name), name, lambda _: None
            )
            for name, domain in self._collections.domains.items()
        }

    @cached_property
    def test_items(self) -> dict[str, Lazy[Any]]:
        """What the test files hold."""
        return {name: self.items(files, name) for name, files in self.tests.items()}

    def truths(self, source: str, target: str) -> Lazy[Any]:
        """Items of ``target`` that are counterparts, in the order of ``source``'s test files."""
        twins = self.twins(source, target)
        return self.items([twins[file] for file in self.tests[source] if file in twins], target)

    @cached_property
    def train_items(self) -> dict[str, Lazy[Any]]:
        """What the training files hold."""
        return {name: self.items(files, name) for name, files in self.train.items()}

    @cached_property
    def train_samples(self) -> dict[str, Lazy[Any]]:
        """As many training items of each domain as there are test items, if there are so many."""
        return {
            name: self.items(self._drawn(files, len(self.tests[name]), "compared", name), name)
            for name, files in self.train.items()
        }

    def items(self, files: Sequence[Path], domain: str) -> Lazy[Any]:
        """What some of a domain's files hold."""
        return items_of(files, lambda file: self._codec.load_for(file, domain))

    def _drawn(self, files: Sequence[Path], most: int, *words: str) -> list[Path]:
        """At most so many of the files, in their order."""
        if len(files) <= most:
            return list(files)
        chosen = numpy_generator(self._seed, *words).permutation(len(files))
        return [files[index] for index in sorted(chosen[:most])]

    def _readable(
        self, files: Sequence[Path], domain: str, warn: Callable[[str], None]
    ) -> list[Path]:
        good, bad = [], []
        for file in files:
            try:
                load_file(self._codec, file, domain)
            except BadSample as error:
                bad.append(error.kept())
            else:
                good.append(file)
        if bad:
            warn(f"skipped {len(bad)} of {len(files)} test files: {list_bad(bad)}")
        return good
