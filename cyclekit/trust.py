"""Which files of code a person has named: runs and recipes may name others, which are not loaded.

Plugin files and TorchScript run code when they are loaded. Whoever names such a file on the command
line, or from Python, means it; that is remembered outside of all runs, by path and content, so that
one's own runs open without a word. A file that only a run or a recipe names is not loaded.
"""

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel

from cyclekit.contract.options import RunsCode
from cyclekit.errors import UsageError
from cyclekit.remembered import Remembered
from cyclekit.storage.handle import open_file

TRUSTED = Remembered("trusted.json")

Kind = TypeVar("Kind")

_named: set[tuple[str, str]] = set()  # in this process, also where nothing can be remembered


def trust(file: Path | str) -> None:
    """Remember that a person named a file of code."""
    place, content = _known_by(file)
    _named.add((place, content))
    TRUSTED.keep(place, content)


def require_trusted(file: Path | str, who: str) -> None:
    """Refuse a file of code that nobody has named, or that has changed since.

    Args:
        file: What is about to be loaded.
        who: Names it: a run or a recipe.

    Raises:
        UsageError: Saying which option names it.
    """
    place, content = _known_by(file)
    if (place, content) in _named or TRUSTED.read().get(place) == content:
        return
    raise UsageError(
        f"{who} names the code {place}, which could do anything. It was not loaded, since nobody "
        f"has named it here so far, or it has changed since. If you trust it: --trust {place}"
    )


def consider(file: Path | str, origin: str) -> None:
    """Take a file of code from a person, and from a recipe or a run what a person named before.

    Args:
        file: The code.
        origin: What names it: a file, or an option that a person gave.

    Raises:
        UsageError: If only a file names it.
    """
    if Path(origin).is_file():
        require_trusted(file, origin)
    else:
        trust(file)


def code_files(options: BaseModel, prefix: str = "") -> Iterator[tuple[str, str]]:
    """The settings that name files of code: each one's dotted key, and the file."""
    for name, field in type(options).model_fields.items():
        key, value = f"{prefix}{name}", getattr(options, name)
        if _is_marked(field.metadata) or _is_marked([field.annotation]):
            yield from ((key, text) for text in _parts(value, str) if text)
        for inner in _parts(value, BaseModel):
            yield from code_files(inner, f"{key}.")


def _is_marked(types: Iterable[Any]) -> bool:
    """Whether types, or any that they are made of, are marked as names of code."""
    return any(
        isinstance(part, RunsCode)
        or _is_marked(getattr(part, "__metadata__", ()))
        or _is_marked(get_args(part))
        for part in types
    )


def _parts(value: Any, kind: type[Kind]) -> Iterator[Kind]:
    """Everything of a kind in a value, however deep in lists and dictionaries."""
    if isinstance(value, kind):
        yield value
    elif isinstance(value, Mapping):
        for pair in value.items():
            yield from _parts(pair, kind)
    elif isinstance(value, Iterable) and not isinstance(value, (str, bytes, BaseModel)):
        for inner in value:
            yield from _parts(inner, kind)


def _known_by(file: Path | str) -> tuple[str, str]:
    """Its full path, and the SHA-256 of what is there now; nothing where it cannot be read."""
    place = Path(os.path.realpath(Path(file).expanduser()))
    try:
        with open_file(place) as stream:
            return str(place), hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        return str(place), ""
