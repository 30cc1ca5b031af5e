"""The errors a user can act on: printed as one message, without a traceback."""

from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path


class CyclekitError(Exception):
    """Something the user can put right; says what was expected, what was found, what to do."""

    exit_code = 1


class UsageError(CyclekitError):
    """The request itself cannot be understood: an unknown name, a wrong key, a missing choice."""

    exit_code = 2


class RecipeError(UsageError):
    """A recipe that cannot be used; lists every fault found in it."""


class PluginError(CyclekitError):
    """A plugin that is missing, broken, or does not keep the contract; names the culprit."""


class IncompatiblePlugin(PluginError):  # noqa: N818
    """A plugin that was written for another version of the contract."""


class DataError(CyclekitError):
    """Folders or files that cannot serve as a data set."""


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

    def kept(self) -> "BadSample":
        """The same without what led to it, for those that are counted: a name and a reason."""
        return BadSample(self.path, self.why[:LONGEST_REASON])

    def __reduce__(self) -> tuple[type["BadSample"], tuple[Path, str]]:
        return BadSample, (self.path, self.why)


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
