"""Training files read and encoded, each once; what cannot be used is named and counted."""

import os
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any, TypeVar

from cyclekit.contract import Codec, Sample
from cyclekit.data.windows import Storage, Windows
from cyclekit.errors import BadSample, DataError, PluginError
from cyclekit.plugins import describe_exception

MOST_BAD = 0.2  # share of a domain's files that may be unusable
NAMED = 4  # reasons, and bad files for each, in a message
WAITING = 64  # files encoded ahead of the one whose windows are taken next

Outcome = TypeVar("Outcome")
Tracker = Callable[[Iterable[Any], int], Iterable[Any]]


@dataclass(frozen=True)
class EncodedFile:
    """What became of a training file.

    Attributes:
        path: The file.
        windows: How many training windows it gave.
        facts: What the codec noticed about it.
    """

    path: Path
    windows: int
    facts: Mapping[str, float]


@dataclass(frozen=True)
class EncodedDomain:
    """The training files of a domain, encoded.

    Attributes:
        windows: Every window, in the order of the files.
        files: The usable files.
        bad: The files that were skipped.
    """

    windows: Windows
    files: list[EncodedFile]
    bad: list[BadSample]

    def file_of(self, window: int) -> Path:
        """The file that a window is from."""
        ends = list(accumulate(file.windows for file in self.files))
        return self.files[bisect_right(ends, window)].path

    @property
    def mean_facts(self) -> dict[str, float]:
        """Each fact's mean over the files that have it."""
        values: dict[str, list[float]] = {}
        for file in self.files:
            for name, value in file.facts.items():
                values.setdefault(name, []).append(value)
        return {name: sum(some) / len(some) for name, some in values.items()}


def encode_file(codec: Codec[Any], file: Path, domain: str) -> Sample:
    """Load and encode a whole file.

    Raises:
        BadSample: If the file cannot be used.
        PluginError: If the codec fails in any other way; names codec, place and file.
    """
    item = load_file(codec, file, domain)
    sample: Sample = guarded(codec, "encode", file, item, domain)
    return sample


def load_file(codec: Codec[Any], file: Path, domain: str) -> Any:
    """Load a file of a domain; raises as ``encode_file`` does."""
    if type(codec).load_for is Codec.load_for:  # so that an error names what the author wrote
        return guarded(codec, "load", file, file)
    return guarded(codec, "load_for", file, file, domain)


def guarded(codec: Codec[Any], method: str, file: Path, *arguments: Any) -> Any:
    """Call a codec method on behalf of a file; anything but ``BadSample`` is the plugin's fault."""
    try:
        return getattr(codec, method)(*arguments)
    except (BadSample, PluginError):
        raise
    except Exception as error:
        raise PluginError(
            f"{type(codec).__name__}.{method} failed on {file}: {describe_exception(error)}"
        ) from error


def encode_domain(
    codec: Codec[Any], files: Sequence[Path], domain: str, storage: Storage, track: Tracker
) -> EncodedDomain:
    """Encode all files of a domain on all cores.

    Args:
        codec: Reads and encodes them.
        files: Training files.
        domain: Their domain.
        storage: Where windows are kept.
        track: ``(iterable, total) -> iterable`` that shows progress.

    Raises:
        DataError: If more than a fifth of the files are unusable.
        PluginError: If the codec fails with anything but ``BadSample``; names the file.
    """

    def attempt(file: Path) -> tuple[Sample, Sequence[Sample]] | BadSample:
        try:
            sample = encode_file(codec, file, domain)
            windows = guarded(codec, "windows", file, sample)
            if not windows:
                raise BadSample(file, "gives no training window")
        except BadSample as error:
            return error
        return sample, windows

    encoded = EncodedDomain(Windows(domain, storage), [], [])
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        outcomes = track(_in_order(pool, attempt, files), len(files))
        for file, outcome in zip(files, outcomes, strict=True):
            if isinstance(outcome, BadSample):
                encoded.bad.append(outcome)
                continue
            sample, windows = outcome
            encoded.files.append(EncodedFile(file, len(windows), sample.facts))
            for window in windows:
                encoded.windows.append(window)
    bad = encoded.bad
    if len(bad) > MOST_BAD * len(files):
        raise DataError(
            f"{len(bad)} of {len(files)} files of domain {domain.upper()} cannot be used, which is "
            f"more than a fifth: {list_bad(bad)}. Remove them, or check that this is the "
            f"right folder."
        )
    return encoded


def _in_order(
    pool: ThreadPoolExecutor, work: Callable[[Path], Outcome], files: Sequence[Path]
) -> Iterator[Outcome]:
    """Results in the order of the files, with only so many waiting that no thread is idle."""
    waiting: deque[Future[Outcome]] = deque()
    for file in files:
        waiting.append(pool.submit(work, file))
        if len(waiting) > WAITING:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def list_bad(bad: Sequence[BadSample]) -> str:
    """Bad files under their reasons, of each the first few."""
    reasons: dict[str, list[Path]] = {}
    for error in bad:
        reasons.setdefault(error.why, []).append(error.path)
    said = []
    for why, files in list(reasons.items())[:NAMED]:
        named = ", ".join(str(file) for file in files[:NAMED])
        more = f" and {len(files) - NAMED} more" if len(files) > NAMED else ""
        said.append(f"{named}{more}: {why}")
    untold = sum(len(files) for files in list(reasons.values())[NAMED:])
    return "; ".join(said) + (f"; and {untold} more" if untold else "")
