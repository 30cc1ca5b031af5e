"""The files that a judgement rests on: readable test files, their pairs, training files."""

from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from cyclekit.contract import DOMAINS, Codec
from cyclekit.data.encoded import list_bad, load_file
from cyclekit.data.folders import Collections
from cyclekit.data.lazy import Lazy, LazyList
from cyclekit.errors import BadSample, DataError
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
                    f"Domain {name.upper()} has no test files: add a folder test{name.upper()}, or "
                    f"name one as data.test_{name}."
                )
            if not self.tests[name]:
                raise DataError(
                    f"None of domain {name.upper()}'s {len(domain.test)} test files in "
                    f"{domain.folder} can be read: replace them, or name another folder as "
                    f"data.test_{name}."
                )

    @property
    def described(self) -> str:
        """On how much of the test set figures are."""
        used = sum(map(len, self.tests.values()))
        there = sum(len(domain.test) for domain in self._collections.domains.values())
        paired = f", {len(self.twins) // 2} pairs" if self.twins else ""
        return (
            f"on {used} of {there} test items{paired}"
            if used < there
            else f"on the test set{paired}"
        )

    @cached_property
    def tests(self) -> dict[str, list[Path]]:
        """Readable test files of each domain, the same things in both where they are paired."""
        pairs = self._collections.paired.values()
        tests = {}
        for index, (name, domain) in enumerate(self._collections.domains.items()):
            files = [pair[index] for pair in pairs] if self._limit and pairs else domain.test
            wanted = files[: self._limit] if self._limit else files
            tests[name] = self._readable(wanted, name, self._warn)
        return tests

    @cached_property
    def twins(self) -> dict[Path, Path]:
        """Each readable test file's counterpart in the other domain, where it is readable too."""
        readable = {file for files in self.tests.values() for file in files}
        pairs = [pair for pair in self._collections.paired.values() if readable.issuperset(pair)]
        return dict(pairs) | {b: a for a, b in pairs}

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

    @cached_property
    def truths(self) -> dict[str, Lazy[Any]]:
        """Items of each domain that are counterparts, in the order of the other's test files."""
        return {
            target: self.items(
                [self.twins[file] for file in self.tests[source] if file in self.twins], target
            )
            for source, target in (DOMAINS, DOMAINS[::-1])
        }

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
