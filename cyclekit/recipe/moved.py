"""Recipe keys that have another name now: the old one works and is warned of.

Here are the engine's. What codecs, networks and objectives call their settings is theirs to say, in
``Options.former_names``: another one may have a setting of the old name."""

from collections.abc import Mapping
from typing import Any

MOVED = {
    "history.size": "objective.history_size",
    "data.a": "data.domains.a",
    "data.b": "data.domains.b",
    "data.test_a": "data.tests.a",
    "data.test_b": "data.tests.b",
    "data.memory": "data.memory_mib",
    "data.published": "data.homepage",
    "train.keep": "train.keep_checkpoints",
}


def renamed(table: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """A recipe's tables under the keys of today, and which old keys it used: old -> new."""
    made = {
        key: dict(value) if isinstance(value, Mapping) else value for key, value in table.items()
    }
    found = {}
    for old, new in MOVED.items():
        first, last = old.split(".")
        inner = made.get(first)
        if not (isinstance(inner, dict) and last in inner):
            continue
        value = inner.pop(last)
        if not inner:
            del made[first]
        found[old] = new
        *parents, name = new.split(".")
        place = made
        for parent in parents:
            held = place.get(parent)
            place[parent] = dict(held) if isinstance(held, Mapping) else {}
            place = place[parent]
        place.setdefault(name, value)
    return made, found


def renamed_options(
    table: Mapping[str, Any], former_names: Mapping[str, str]
) -> tuple[dict[str, Any], dict[str, str]]:
    """The same for the settings of one codec, network or objective.

    Args:
        table: Its settings.
        former_names: Of its ``Options``.
    """
    found = {old: new for old, new in former_names.items() if old in table}
    made = {key: value for key, value in table.items() if key not in found}
    for old, new in found.items():
        made.setdefault(new, table[old])
    return made, found
