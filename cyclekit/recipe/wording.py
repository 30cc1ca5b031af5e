"""What a setting was expected to be, in the words of a recipe instead of pydantic's."""

from collections.abc import Mapping
from typing import Any

EXPECTED = {
    "int": "expected a whole number",
    "float": "expected a number",
    "finite_number": "expected a finite number",
    "bool": "expected true or false",
    "string": "expected text",
    "tuple": 'expected a list, such as ["one", "two"]',
    "list": 'expected a list, such as ["one", "two"]',
    "dict": "expected a table",
    "greater_than_equal": "expected at least {ge}",
    "greater_than": "expected more than {gt}",
    "less_than_equal": "expected at most {le}",
    "less_than": "expected less than {lt}",
    "multiple_of": "expected a multiple of {multiple_of}",
}
"""By the kind of fault, or by what was wanted where it is of another kind altogether."""
OTHER_KIND = ("type", "parsing", "from_float")
TABLE = "model"
FEW = 4  # keys that are named as examples


def expectation(fault: Mapping[str, Any], key: str, below: list[str]) -> str:
    """A phrase about one fault.

    Args:
        fault: As pydantic lists it.
        key: The setting.
        below: The keys of the table that stands there, where one does.
    """
    kind = str(fault["type"])
    if kind.startswith(TABLE) and below:
        named = ", ".join(f"{key}.{name}" for name in below[:FEW])
        return f"this is a table; set one of its keys: {named}{', ...' if below[FEW:] else ''}"
    wanted, _, how = kind.partition("_")
    said = EXPECTED.get(wanted if how in OTHER_KIND else kind)
    if said:
        bounds = fault.get("ctx", {}).items()
        return said.format_map({name: _plain(bound) for name, bound in bounds})
    message = str(fault["msg"]).removeprefix("Value error, ")
    return f"{message[0].lower()}{message[1:]}"


def _plain(bound: Any) -> Any:
    """A whole number without its point."""
    return int(bound) if isinstance(bound, float) and bound.is_integer() else bound
