"""Training files read and encoded, each once; what cannot be used is named and counted."""

import math
import os
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import accumulate, chain
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from torch import Tensor

from cyclekit.contract.codec import Codec
from cyclekit.contract.tensors import Sample
from cyclekit.data.cache import Cache, Cached, Writer
from cyclekit.data.contents import explained
from cyclekit.data.lazy import LazyList
from cyclekit.data.stored import InMemory, Tensors
from cyclekit.data.windows import Windows
from cyclekit.describe import describe_exception
from cyclekit.errors import (
    BadSample,
    DataError,
    FailedSample,
    PluginError,
    TooLarge,
    blame_plugin,
)
from cyclekit.memory import is_out_of_memory
from cyclekit.names import heading
from cyclekit.storage.handle import describe_kind

MOST_BAD = 0.2  # share of a domain's files that may be unusable
NAMED = 4  # reasons, and bad files for each, in a message
WAITING = 64  # files encoded ahead of the one whose windows are taken next

Outcome = TypeVar("Outcome")
Thing = TypeVar("Thing")
Tracker = Callable[[Iterable[Any], int], Iterable[Any]]


class Encoded(NamedTuple):
    """A usable file's windows, and what the codec noticed about it."""

    tensors: Sequence[Tensor]
    facts: Mapping[str, float]


@dataclass(frozen=True)
class EncodedDomain:
    """The training files of a domain, encoded.

    Attributes:
        windows: Every window, in the order of the files.
        files: The usable files.
        counts: How many windows each of them gave.
        facts: What the codec noticed about each of them.
        bad: The files that were skipped.
        on_disk: Whether the windows lie there, and not in memory.
    """

    windows: Windows
    files: Sequence[Path]
    counts: Sequence[int]
    facts: Sequence[Mapping[str, float]]
    bad: list[BadSample]
    on_disk: bool = False

    def file_of(self, window: int) -> Path:
        """The file that a window is from."""
        return self.files[bisect_right(list(accumulate(self.counts)), window)]

    @property
    def mean_facts(self) -> dict[str, float]:
        """Each fact's mean over the files that have it."""
        values: dict[str, list[float]] = {}
        for facts in self.facts:
            for name, value in facts.items():
                values.setdefault(name, []).append(value)
        return {name: sum(some) / len(some) for name, some in values.items()}


class Memory:
    """How many bytes of encoded windows may still be kept in memory.

    Attributes:
        left: Bytes.
    """

    def __init__(self, left: int) -> None:
        self.left = left


def encode_file(codec: Codec[Any], file: Path, domain: str, to_learn: bool = True) -> Sample:
    """Load and encode a whole file, to learn from or to translate; raises as ``guarded`` does."""
    item = load_file(codec, file, domain, to_learn)
    sample: Sample = guarded(codec, "encode", file, item, domain)
    if wrong := misshapen(sample, codec.spec(domain).dims):
        raise PluginError(f"{type(codec).__name__}.encode is wrong: {wrong}")
    return sample


def misshapen(sample: Any, dims: int) -> str:
    """What is wrong with the form of what a codec encoded, if anything is.

    Args:
        sample: What ``encode`` returned.
        dims: How many sizes ``spec`` states.
    """
    if not isinstance(sample, Sample):
        return f"encode must return a Sample, not {type(sample).__name__}."
    if not isinstance(sample.tensor, Tensor):
        return f"Sample.tensor must be a tensor, not {type(sample.tensor).__name__}."
    if sample.tensor.dim() != dims + 1:
        return (
            f"encode made a tensor of shape {tuple(sample.tensor.shape)}: expected (channels, "
            f"{', '.join(['size'] * dims)}), without a batch axis."
        )
    return ""


def load_file(codec: Codec[Any], file: Path, domain: str, to_learn: bool = True) -> Any:
    """Load a file of a domain, to learn from or to translate; raises as ``guarded`` does.

    A failure that the codec had not foreseen counts if it comes twice: files are read in threads,
    and not every library bears that (``numpy.load`` in Python 3.11, CPython's issue 106905).
    """
    require_file(file)
    ways = ("load_for", "load") if to_learn else ("load_input", "load_for", "load")
    # The first that the author wrote, so that an error names it.
    method = next(way for way in ways if getattr(type(codec), way) is not getattr(Codec, way))
    load = partial(guarded, codec, method, file, *((file,) if method == "load" else (file, domain)))
    try:
        with suppress(FailedSample):
            return load()
        return load()
    except BadSample as error:
        raise explained(error) from error.__cause__


def require_file(file: Path) -> None:
    """Refuse what has no end or never begins: devices, pipes, sockets.

    Raises:
        BadSample: Saying what it is.
    """
    try:
        kind = describe_kind(file.stat().st_mode)
    except OSError as error:
        raise BadSample(file, (error.strerror or "cannot be read").lower()) from error
    except ValueError as error:  # a NUL in its name
        raise BadSample(file, str(error)) from error
    if kind != "a file":
        raise BadSample(file, f"is {kind}")


def guarded(codec: Codec[Any], method: str, file: Path, *arguments: Any) -> Any:
    """Call a codec method on behalf of a file; whatever it raises is about that file.

    Raises:
        BadSample: If the file cannot be used.
        FailedSample: If the codec failed in a way that it had not foreseen.
        PluginError: If the codec says so itself.
    """
    try:
        return getattr(codec, method)(*arguments)
    except PluginError:
        raise
    except Exception as error:
        found = failure(codec, method, file, error)
        raise found from (None if found is error else error)


def failure(codec: Codec[Any], method: str, file: Path, error: Exception) -> BadSample:
    """What a codec's exception says about the file on whose behalf it was called."""
    if isinstance(error, BadSample):
        return error
    if is_out_of_memory(error):
        return TooLarge(file, "needs more memory than there is")
    call = f"{type(codec).__name__}.{method}"
    return FailedSample(file, call, describe_exception(error), f"{call} {type(error).__name__}")


def remarks_on(codec: Codec[Any], facts: Mapping[str, Sequence[Mapping[str, float]]]) -> list[str]:
    """What a codec has to say about what it noticed while encoding files, by domain."""
    try:
        return codec.remarks(facts)
    except Exception as error:
        raise PluginError(
            f"{type(codec).__name__}.remarks failed: {describe_exception(error)}"
        ) from error


def encode_domain(
    codec: Codec[Any],
    files: Sequence[Path],
    domain: str,
    memory: Memory,
    cache: Cache,
    track: Tracker,
) -> EncodedDomain:
    """Encode all files of a domain on all cores, or find them encoded.

    Args:
        codec: Reads and encodes them.
        files: Training files.
        domain: Their domain.
        memory: Windows are kept there if all of the domain's fit.
        cache: Else they are kept there, for the next start as well.
        track: ``(iterable, total) -> iterable`` that shows progress.

    Raises:
        DataError: If more than a fifth of the files are unusable.
        PluginError: If the codec fails with every file, in one way that it had not foreseen.
    """
    key = cache.key(domain, files)
    if found := cache.find(key, files):
        return _from_cache(found, files, domain, memory)
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        work = partial(_attempt, codec, domain)
        outcomes = zip(files, track(_in_order(pool, work, files), len(files)), strict=True)
        kept, size = [], 0
        for file, outcome in outcomes:
            kept.append((file, outcome))
            size += _bytes(outcome)
            if size > memory.left:
                break
        else:
            _refuse_bad([outcome for _, outcome in kept], files, domain)
            memory.left -= size
            return _in_memory(kept, domain)
        with cache.writing(key) as writer:
            if writer is not None:
                _write(writer, chain(_emptied(kept), outcomes), files, domain)
    found = cache.find(key, files)
    if found is None:
        raise DataError(f"{cache.folder} changed while it was used. Start again.")
    return _from_cache(found, files, domain, memory)


def _attempt(codec: Codec[Any], domain: str, file: Path) -> Encoded | BadSample:
    try:
        sample = encode_file(codec, file, domain)
        windows = guarded(codec, "windows", file, sample)
        if not windows:
            raise BadSample(file, "gives no training window")
    except BadSample as error:
        return error.kept()
    return Encoded([window.tensor for window in windows], sample.facts)


def _bytes(outcome: Encoded | BadSample) -> int:
    if isinstance(outcome, BadSample):
        return 0
    return sum(tensor.numel() * tensor.element_size() for tensor in outcome.tensors)


def _in_memory(outcomes: Sequence[tuple[Path, Encoded | BadSample]], domain: str) -> EncodedDomain:
    good = [(file, encoded) for file, encoded in outcomes if isinstance(encoded, Encoded)]
    tensors = [tensor for _, encoded in good for tensor in encoded.tensors]
    return EncodedDomain(
        windows=Windows(domain, InMemory(tensors)),
        files=[file for file, _ in good],
        counts=[len(encoded.tensors) for _, encoded in good],
        facts=[encoded.facts for _, encoded in good],
        bad=[error for _, error in outcomes if isinstance(error, BadSample)],
    )


def _write(
    writer: Writer,
    outcomes: Iterable[tuple[Path, Encoded | BadSample]],
    files: Sequence[Path],
    domain: str,
) -> None:
    bad = []
    for number, (_, outcome) in enumerate(outcomes):
        if isinstance(outcome, BadSample):
            writer.add_bad(number, outcome.why)
            bad.append(outcome)
        else:
            writer.add(outcome.tensors, outcome.facts)
    _refuse_bad(bad, files, domain)


def _from_cache(found: Cached, files: Sequence[Path], domain: str, memory: Memory) -> EncodedDomain:
    """What was cached, brought into memory if by now all of it fits."""
    bad = {error.path for error in found.bad}
    good = files if not bad else [file for file in files if file not in bad]

    def facts(index: int) -> dict[str, float]:
        values = zip(found.fact_names, found.facts[index].tolist(), strict=True)
        return {name: value for name, value in values if not math.isnan(value)}

    counts = found.counts.tolist()
    told = LazyList(facts if found.fact_names else lambda _: {}, len(counts))
    tensors: Tensors = found.tensors
    fits = found.tensors.bytes <= memory.left
    if fits:
        memory.left -= found.tensors.bytes
        tensors = InMemory(list(found.tensors))
    return EncodedDomain(Windows(domain, tensors), good, counts, told, found.bad, on_disk=not fits)


def _refuse_bad(outcomes: Sequence[Any], files: Sequence[Path], domain: str) -> None:
    bad = [outcome for outcome in outcomes if isinstance(outcome, BadSample)]
    blame_plugin(bad, len(files))
    if len(bad) > MOST_BAD * len(files):
        raise DataError(
            f"{len(bad)} of {len(files)} files of domain {heading(domain)} cannot be used, which "
            f"is more than a fifth: {list_bad(bad)}. Remove them, or check that this is the "
            f"right folder."
        )


def _emptied(things: list[Thing]) -> Iterator[Thing]:
    """The things in order, none of which is kept any longer."""
    things.reverse()
    while things:
        yield things.pop()


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
