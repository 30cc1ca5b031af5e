"""Training windows: every file read and encoded once, then kept in memory."""

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from cyclekit.contract import Codec, Sample
from cyclekit.errors import BadSample, DataError, PluginError
from cyclekit.plugins import describe_exception

MOST_BAD = 0.2  # share of a domain's files that may be unusable
NAMED = 20  # bad files named in a message

Key = tuple[Any, ...]
Tracker = Callable[[Iterable[Any], int], Iterable[Any]]


class SampleCache:
    """Encoded windows by file and everything that their content depends on."""

    def __init__(self, codec: Codec[Any]) -> None:
        self._codec = codec
        self._settings = (type(codec).__qualname__, codec.version, codec.options.model_dump_json())
        self._windows: dict[Key, Sequence[Sample]] = {}

    def windows(self, file: Path, domain: str) -> Sequence[Sample]:
        """The training windows of a file.

        Raises:
            BadSample: If the file cannot be used.
            PluginError: If the codec fails in any other way; names the file.
        """
        key = self._key(file, domain)
        if key not in self._windows:
            self._windows[key] = self._encode(file, domain)
        return self._windows[key]

    def _key(self, file: Path, domain: str) -> Key:
        try:
            status = file.stat()
        except OSError as error:
            raise BadSample(file, error.strerror or "cannot be read") from error
        return str(file), status.st_size, status.st_mtime_ns, domain, *self._settings

    def _encode(self, file: Path, domain: str) -> Sequence[Sample]:
        sample = encode_file(self._codec, file, domain)
        windows: Sequence[Sample] = guarded(self._codec, "windows", file, sample)
        if not windows:
            raise BadSample(file, "gives no training window")
        return windows


def encode_file(codec: Codec[Any], file: Path, domain: str) -> Sample:
    """Load and encode a whole file.

    Raises:
        BadSample: If the file cannot be used.
        PluginError: If the codec fails in any other way; names codec, place and file.
    """
    item = guarded(codec, "load", file, file)
    sample: Sample = guarded(codec, "encode", file, item, domain)
    return sample


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
    cache: SampleCache, files: Sequence[Path], domain: str, track: Tracker
) -> tuple[list[Sample], list[BadSample]]:
    """Encode all files of a domain on all cores.

    Args:
        cache: Where windows are kept.
        files: Training files.
        domain: Their domain.
        track: ``(iterable, total) -> iterable`` that shows progress.

    Returns:
        Every window, in the order of the files, and the files that were skipped.

    Raises:
        DataError: If more than a fifth of the files are unusable.
    """

    def attempt(file: Path) -> Sequence[Sample] | BadSample:
        try:
            return cache.windows(file, domain)
        except BadSample as error:
            return error

    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        outcomes = list(track(pool.map(attempt, files), len(files)))
    bad = [outcome for outcome in outcomes if isinstance(outcome, BadSample)]
    if len(bad) > MOST_BAD * len(files):
        raise DataError(
            f"{len(bad)} of {len(files)} files of domain {domain.upper()} cannot be used, which is "
            f"more than a fifth: {list_bad(bad)}. Remove them, or check that this is the "
            f"right folder."
        )
    good = [outcome for outcome in outcomes if not isinstance(outcome, BadSample)]
    return [window for windows in good for window in windows], bad


def list_bad(bad: Sequence[BadSample]) -> str:
    """The first few bad files with their reasons."""
    named = "; ".join(str(error) for error in bad[:NAMED])
    return named + (f"; and {len(bad) - NAMED} more" if len(bad) > NAMED else "")
