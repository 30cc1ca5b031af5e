"""How ``extends`` and ``--set`` merge, each key keeping its origin."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cyclekit.errors import RecipeError
from cyclekit.plugins.discovery import PluginInfo
from cyclekit.recipe.finding import find_recipe
from cyclekit.recipe.moved import renamed, renamed_options
from cyclekit.recipe.reading import DEEPEST, Setting, Table, read_recipe


@dataclass
class Layers:
    """A table merged from several sources.

    Attributes:
        table: The merged values.
        origins: Dotted key of each leaf -> the file or option that set it last.
        moved: A sentence about each key that was used under an old name.
    """

    table: Table = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)
    moved: list[str] = field(default_factory=list)
    _laid: list[Mapping[str, Any]] = field(default_factory=list)
    _forgiven: set[str] = field(default_factory=set)

    def merge(self, table: Mapping[str, Any], origin: str) -> None:
        """Lay ``table`` over what is there; sub-tables merge key by key."""
        table = self._renamed(table, origin)
        self._laid.append(table)
        self._merge(self.table, table, origin, "")

    def chosen(
        self, key: str, default: str, former_names: Mapping[str, Mapping[str, str]]
    ) -> Table:
        """A table that says by its ``name`` what the other keys are for.

        Where a layer names something else than those below it, their keys are no longer meant.

        Args:
            key: Of the table.
            default: The name where no layer says one.
            former_names: What each thing of a name says in ``Options.former_names``.
        """
        kept = Layers({"name": default})
        for laid in self._tables(key):
            name = laid.get("name", kept.table["name"])
            if name != kept.table["name"]:
                kept = Layers()
            former = former_names.get(name, {}) if isinstance(name, str) else {}
            kept.merge(self._renamed_options(key, laid, former), "")
        return kept.table

    def options(self, key: str, former_names: Mapping[str, str]) -> Table:
        """A table of one kind of settings, whose former names are these."""
        kept = Layers()
        for laid in self._tables(key):
            kept.merge(self._renamed_options(key, laid, former_names), "")
        return kept.table

    def forgive(self) -> None:
        """Say nothing of old names in what is there so far."""
        self.moved.clear()
        self._forgiven.update(self.origins.values())

    def lay(self, settings: Iterable[Setting]) -> None:
        """Lay settings over what is there, all of them as one layer."""
        together = Layers()
        for key, value, origin in settings:
            table: Any = value
            for part in reversed(key.split(".")):
                table = {part: table}
            table = self._renamed(table, origin)
            together.merge(table, "")
            self._merge(self.table, table, origin, "")
        self._laid.append(together.table)

    @property
    def extensions(self) -> list[str]:
        """Further plugins, as far as they are names; ``resolve`` says what is wrong with others."""
        named = self.table.get("extensions", [])
        return named if isinstance(named, list) and all(isinstance(n, str) for n in named) else []

    def origin(self, key: str) -> str:
        """What set ``key``, or the nearest table above or key below it."""
        parts = key.split(".")
        for end in range(len(parts), 0, -1):
            prefix = ".".join(parts[:end])
            if prefix in self.origins:
                return self.origins[prefix]
        below = [origin for name, origin in self.origins.items() if name.startswith(key + ".")]
        return below[-1] if below else "the defaults"

    def _tables(self, key: str) -> Iterable[Table]:
        """What each layer has under a key, those with something else left out."""
        found = (table.get(key) for table in self._laid)
        return (laid for laid in found if isinstance(laid, dict))

    def _renamed(self, table: Mapping[str, Any], origin: str) -> Mapping[str, Any]:
        table, moved = renamed(table)
        for old, new in moved.items():
            self._tell_moved(old, new, origin)
        return table

    def _renamed_options(self, key: str, table: Table, former_names: Mapping[str, str]) -> Table:
        table, moved = renamed_options(table, former_names)
        for old, new in moved.items():
            origin = self.origin(f"{key}.{old}")
            self.origins.setdefault(f"{key}.{new}", origin)
            if origin not in self._forgiven:
                self._tell_moved(f"{key}.{old}", f"{key}.{new}", origin)
        return table

    def _tell_moved(self, old: str, new: str, origin: str) -> None:
        told = f"{old} (from {origin}) is called {new} now; the old name still works"
        if told not in self.moved:
            self.moved.append(told)

    def _merge(self, into: Table, table: Mapping[str, Any], origin: str, prefix: str) -> None:
        for key, value in table.items():
            name = f"{prefix}{key}"
            if isinstance(value, Mapping):
                held = into.get(key)
                into[key] = held if isinstance(held, dict) else {}
                self.origins[name] = origin
                self._merge(into[key], value, origin, f"{name}.")
            else:
                into[key] = value
                self.origins[name] = origin


def read_layers(
    recipe: Path, plugin: PluginInfo | None = None, settings: Iterable[Setting] = ()
) -> Layers:
    """Read a recipe with everything it extends, then lay ``settings`` (key, value, origin) over it.

    Args:
        recipe: The file.
        plugin: Where else to look for the recipes that it extends.
        settings: Changes, last ones winning.
    """
    layers = Layers()
    for path, table in reversed(_ancestry(recipe, plugin)):
        table.pop("extends", None)
        layers.merge(table, str(path))
    layers.lay(settings)
    return layers


def _ancestry(recipe: Path, plugin: PluginInfo | None) -> list[tuple[Path, Table]]:
    """The recipe, the one it extends, and so on, with what each says."""
    line = [(recipe, read_recipe(recipe))]
    while (parent := line[-1][1].get("extends")) is not None:
        last = line[-1][0]
        if not isinstance(parent, str):
            raise RecipeError(f"{last}: extends must be the name or path of one recipe.")
        beside = last.parent / (parent if parent.endswith(".toml") else f"{parent}.toml")
        if not beside.is_file() and plugin is None:
            raise RecipeError(f"{last} extends {parent!r}, but there is no {beside}.")
        path = beside if plugin is None or beside.is_file() else find_recipe(parent, plugin)
        seen = [file for file, _ in line]
        if any(path.resolve() == file.resolve() for file in seen):
            raise RecipeError(
                f"{recipe} extends itself: {' -> '.join(file.stem for file in (*seen, path))}."
            )
        if len(line) == DEEPEST:
            raise RecipeError(f"{recipe} extends more than {DEEPEST} recipes, each the next.")
        line.append((path, read_recipe(path)))
    return line
