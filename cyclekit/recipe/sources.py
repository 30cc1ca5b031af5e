"""Where recipes lie, and how ``extends`` and ``--set`` merge, each key keeping its origin."""

import importlib.util
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, time
from pathlib import Path
from typing import Any

from cyclekit.errors import RecipeError, UsageError, suggest
from cyclekit.plugins.discovery import PluginInfo, installed_plugins
from cyclekit.recipe.moved import renamed, renamed_options
from cyclekit.storage.handle import open_file

LARGEST_RECIPE = 100_000  # bytes; a recipe is a page of text
DEEPEST = 20  # tables in tables, and recipes that extend each other
LARGEST_INTEGER = 2**63  # TOML promises no more

Table = dict[str, Any]
Setting = tuple[str, Any, str]
"""A recipe key, its value, and where it was set."""


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


def recipe_folder(plugin: PluginInfo) -> Path | None:
    """A plugin's own recipes, found without importing it.

    In a wheel they lie in the package, in a source tree under ``recipes/NAME`` at its top, and for
    a single-file plugin in ``recipes`` beside it.
    """
    if plugin.file:
        return _if_folder(plugin.file.parent / "recipes")
    package = importlib.util.find_spec(plugin.package or "")
    if package is None or not package.submodule_search_locations:
        return None
    home = Path(next(iter(package.submodule_search_locations)))
    return _if_folder(home / "recipes") or _if_folder(home.parents[1] / "recipes" / plugin.name)


def find_recipes(plugin: PluginInfo) -> dict[str, Path]:
    """Every recipe of a plugin by name: the plugin's own, overlaid by ``./recipes/PLUGIN/``."""
    found: dict[str, Path] = {}
    for folder in (recipe_folder(plugin), _if_folder(Path("recipes") / plugin.name)):
        if folder:
            found |= {file.stem: file for file in sorted(folder.glob("*.toml"))}
    return {name: file for name, file in found.items() if _is_for(file, plugin)}


def _is_for(recipe: Path, plugin: PluginInfo) -> bool:
    """Whether a recipe belongs to a plugin: several files may be plugins with one folder of them.

    What cannot be read, or does not say, is looked at later.
    """
    if plugin.file is None:
        return True
    try:
        named = read_recipe(recipe).get("plugin", plugin.name)
    except RecipeError:
        return True
    return named == plugin.name or str(named).endswith(".py")


def find_recipe(name: str, plugin: PluginInfo) -> Path:
    """The file of a recipe: a path that exists, else a name among ``find_recipes``.

    Raises:
        UsageError: If there is none; suggests the nearest names.
    """
    if Path(name).is_file():
        return Path(name)
    recipes = find_recipes(plugin)
    if name in recipes:
        return recipes[name]
    if name.endswith(".toml") or any(mark in name for mark in "/\\"):
        raise UsageError(
            f"No recipe file {name}. `cyclekit recipes list` shows what there is, and `cyclekit "
            f"recipes copy NAME {name}` makes a file of one."
        )
    plugin.require_installed()
    hint = "" if recipes else " An empty file is one: make one called demo.toml and name that."
    for other in installed_plugins():
        if other.name != plugin.name and name in find_recipes(other):
            raise UsageError(
                f"No recipe called {name!r} for plugin {plugin.name!r}, but for {other.name!r}: "
                f"take it with --plugin {other.name}."
            )
    raise UsageError(
        f"No recipe called {name!r} for plugin {plugin.name!r}. {suggest(name, recipes)}{hint}"
    )


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


def _if_folder(path: Path) -> Path | None:
    return path if path.is_dir() else None
