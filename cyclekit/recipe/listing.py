"""What recipes say they need, for listings; imports no plugin."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from cyclekit.errors import CyclekitError
from cyclekit.plugins.discovery import PluginInfo
from cyclekit.recipe.finding import find_recipes
from cyclekit.recipe.layers import read_layers
from cyclekit.recipe.reading import read_recipe

BUILT_IN = "builtin:"


def described_recipes(info: PluginInfo) -> Iterator[dict[str, str]]:
    """A plugin's recipes: plugin, name, summary, data, needs; what cannot be read says why."""
    for name, path in find_recipes(info).items():
        row = {"plugin": info.name, "name": name, "data": "", "needs": ""}
        try:
            table = read_layers(path, info).table
            own = read_recipe(path)
        except CyclekitError as error:
            yield row | {"summary": f"({error})"}
            continue
        yield row | {
            "summary": str(own.get("summary", "")),
            "data": needed_data(table.get("data")),
            "needs": str(table.get("needs", "")),
        }


def described_in(infos: Iterable[PluginInfo]) -> list[dict[str, str]]:
    """The recipes of several plugins."""
    return [row for info in infos for row in described_recipes(info)]


def needed_data(data: Any) -> str:
    """Where a recipe's data comes from, in a few words."""
    if not isinstance(data, Mapping):
        return "your own: --data FOLDER"
    root, fetch = str(data.get("root", "")), str(data.get("fetch", ""))
    if root.startswith(BUILT_IN):
        return "none: made on the spot"
    if fetch:
        return f"cyclekit data get {fetch}"
    if homepage := data.get("homepage"):
        return f"{homepage}, then --data FOLDER"
    return "your own: --data FOLDER"
