"""The errors a user can act on: printed as one message, without a traceback."""

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any


class CyclekitError(Exception):
    """Something the user can put right; says what was expected, what was found, what to do."""

    exit_code = 1
    said_as = "error: "

    def _render_traceback_(self) -> list[str]:
        """What a notebook shows: the sentence, as a terminal does."""
        return [f"{type(self).__name__}: {self}"]


class UsageError(CyclekitError):
    """The request itself cannot be understood: an unknown name, a wrong key, a missing choice."""

    exit_code = 2


class RecipeError(UsageError):
    """A recipe that cannot be used; lists every fault found in it."""


class PluginError(CyclekitError):
    """A plugin that is missing, broken, or does not keep the contract; names the culprit."""


class IncompatiblePlugin(PluginError):  # noqa: N818
    """A plugin that was written for another version of the contract."""


class ExtensionAlone(PluginError):  # noqa: N818
    """A plugin that adds to others' modalities was asked for one of its own."""


class DataError(CyclekitError):
    """Folders or files that cannot serve as a data set."""


class NoSamples(DataError):  # noqa: N818 - named for what it is about
    """A folder without a file that the codec takes.

    Args:
        message: Says so.
        kinds: How many there are of other kinds: suffixes, mostly.
    """

    def __init__(self, message: str, kinds: Mapping[str, int]) -> None:
        super().__init__(message)
        self.kinds = dict(kinds)

    def with_more(self, said: str) -> "NoSamples":
        """The same with more about the files."""
        return NoSamples(f"{self} {said}".rstrip(), self.kinds)


class CheckpointError(CyclekitError):
    """A checkpoint or run directory that cannot be read or does not fit."""


LONGEST_REASON = 500  # characters


class BadSample(CyclekitError):  # noqa: N818 - named for what it is about, not for being an error
    """One file that cannot be used. Codecs raise it; the engine skips, counts and names the file.

    Args:
        path: The file.
        why: A short reason, such as "truncated" or "no audio samples".
    """

    def __init__(self, path: Path | str, why: str) -> None:
        super().__init__(f"{path}: {why}")
        self.path = Path(path)
        self.why = why

    def with_more(self, said: str) -> "BadSample":
        """The same with more about the file."""
        return type(self)(self.path, f"{self.why}; {said}")

    def kept(self) -> "BadSample":
        """The same without what led to it, for those that are counted: a name and a reason."""
        return type(self)(self.path, self.why[:LONGEST_REASON])

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.path, self.why)


class TooLarge(BadSample):
    """A file that there is no room for, whatever is in it."""


class FailedSample(BadSample):
    """A file on which a codec failed in a way that it had not foreseen.

    That is the file's fault, or, where it happens with every file, the plugin's.

    Args:
        path: The file.
        call: The codec's method that failed.
        fault: What it raised, and where.
        kind: The same for every file that fails alike.
    """

    def __init__(self, path: Path | str, call: str, fault: str, kind: str) -> None:
        super().__init__(path, f"{call} failed: {fault}")
        self.call = call
        self.fault = fault
        self.kind = kind

    def with_more(self, said: str) -> "FailedSample":
        """The same with more about the file."""
        return FailedSample(self.path, self.call, f"{self.fault}; {said}", self.kind)

    def kept(self) -> "FailedSample":
        """The same without what led to it."""
        return FailedSample(self.path, self.call, self.fault[:LONGEST_REASON], self.kind)

    def __reduce__(self) -> tuple[Any, ...]:
        return FailedSample, (self.path, self.call, self.fault, self.kind)


def blame_plugin(bad: Sequence[BadSample], files: int) -> None:
    """Raise what happened alike to every one of some files: it is the plugin's fault.

    Raises:
        PluginError: Naming the codec's method, what it raised, and a file.
    """
    alike = {error.kind if isinstance(error, FailedSample) else "" for error in bad}
    first = bad[0] if bad else None
    if isinstance(first, FailedSample) and len(bad) == files and len(alike) == 1:
        others = f", and likewise on all {files - 1} others" if files > 1 else ""
        raise PluginError(f"{first.call} failed on {first.path}: {first.fault}{others}")


def suggest(wrong: str, known: Iterable[str], prefix: str = "") -> str:
    """A sentence that names what was probably meant, or else everything there is.

    Args:
        wrong: What was asked for.
        known: What there is.
        prefix: Shown before each name.
    """
    known = sorted(set(known))
    near = get_close_matches(wrong, known, n=3, cutoff=0.5)
    if near:
        return f"Did you mean {' or '.join(repr(prefix + name) for name in near)}?"
    return (
        f"There are: {', '.join(prefix + name for name in known)}." if known else "There are none."
    )
