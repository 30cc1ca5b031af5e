"""Recipes as text: TOML, whatever somebody wrote, and ``--set KEY=VALUE``."""

import tomllib
from collections.abc import Iterable, Mapping
from datetime import date, time
from pathlib import Path
from typing import Any

from cyclekit.errors import RecipeError, UsageError
from cyclekit.storage.handle import open_file

LARGEST_RECIPE = 100_000  # bytes; a recipe is a page of text
DEEPEST = 20  # tables in tables, and recipes that extend each other
LARGEST_INTEGER = 2**63  # TOML promises no more

Table = dict[str, Any]
Setting = tuple[str, Any, str]
"""A recipe key, its value, and where it was set."""


def parse_toml(text: str) -> Table:
    """Read TOML, whatever somebody wrote.

    Raises:
        ValueError: If it is none, or has tables in tables, or numbers, beyond any use.
    """
    try:
        table = tomllib.loads(text)
    except RecursionError as error:
        raise ValueError("brackets are nested too deeply") from error
    level: list[Any] = [table]
    for _ in range(DEEPEST):
        level = [inner for outer in level for inner in _inside(outer)]
        if any(isinstance(value, int) and abs(value) >= LARGEST_INTEGER for value in level):
            raise ValueError("an integer has more than 64 bits")
        if any(isinstance(value, (date, time)) for value in level):
            raise ValueError("a date or a time is no setting; put a text into quotation marks")
    if level:
        raise ValueError(f"tables and lists are nested more than {DEEPEST} deep")
    return table


def _inside(value: Any) -> Iterable[Any]:
    if isinstance(value, Mapping):
        return value.values()
    return value if isinstance(value, list) else ()


def parse_setting(text: str) -> Setting:
    """Read ``key=value``; the value is TOML where it can be (4, true, [1, 2]), else plain text.

    Raises:
        UsageError: If there is no key or no ``=``.
    """
    key, equals, value = text.partition("=")
    key = key.strip()
    if not equals or not key or not all(key.split(".")) or key.count(".") > DEEPEST:
        raise UsageError(
            f"--set needs key=value, as in --set train.batch_size=4; got {text[:80]!r}."
        )
    try:
        parsed = parse_toml(f"value = {value}")
    except ValueError:
        parsed = {}
    if set(parsed) != {"value"}:  # a line break in the text could smuggle in further keys
        parsed = {"value": value.strip()}
    return key, parsed["value"], f"--set {text[:200]}"


def read_recipe(path: Path) -> Table:
    """One recipe's own tables.

    Raises:
        RecipeError: If it cannot be read, or is no recipe.
    """
    try:
        return parse_toml(read_recipe_text(path))
    except ValueError as error:
        raise RecipeError(f"{path} is not valid TOML: {error}.") from error


def read_recipe_text(path: Path) -> str:
    """A recipe as it is written.

    Raises:
        RecipeError: If it cannot be read, or is no recipe.
    """
    try:
        with open_file(path, follow=True) as file:
            content = file.read(LARGEST_RECIPE + 1)
        if len(content) > LARGEST_RECIPE:
            raise RecipeError(f"{path} is larger than {LARGEST_RECIPE:,} bytes: not a recipe.")
        return content.decode().replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise RecipeError(f"{path} is not UTF-8 text.") from error
    except ValueError as error:  # a NUL in its name
        raise RecipeError(f"{path} cannot be read: {error}.") from error
    except OSError as error:
        raise RecipeError(f"{path} cannot be read: {error.strerror}.") from error
