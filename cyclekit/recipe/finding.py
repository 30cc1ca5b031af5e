"""Where recipes lie, and whose they are; imports no plugin."""

import importlib.util
from collections.abc import Iterator
from pathlib import Path

from cyclekit.errors import RecipeError, UsageError, suggest
from cyclekit.plugins.discovery import PluginInfo, called, find_plugin, installed_plugins
from cyclekit.recipe.reading import DEEPEST, read_recipe

_MEND = "Reinstall or upgrade that package, or tell its author; other recipes are not concerned."


def recipe_folder(plugin: PluginInfo) -> Path | None:
    """The recipes that come with a plugin, found without importing it.

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
    """Every recipe of a plugin by name.

    Of one name, ``./recipes/PLUGIN/`` goes before the plugin's own, and that before what other
    packages' extensions bring for it.
    """
    others = [info for info in installed_plugins() if info.distribution != plugin.distribution]
    found = {
        file.stem: file
        for info in others
        for file in _recipes_in(recipe_folder(info))
        if _plugin_of(file) == plugin.name
    }
    for folder in (recipe_folder(plugin), _if_folder(Path("recipes") / plugin.name)):
        found |= {file.stem: file for file in _recipes_in(folder) if _is_for(file, plugin)}
    return found


def find_recipe(name: str, plugin: PluginInfo) -> Path:
    """The file of a recipe: a path that exists, else a name among ``find_recipes``.

    Raises:
        UsageError: If there is none; suggests the nearest names.
    """
    if Path(name).is_file():
        return Path(name)
    recipes = find_recipes(plugin)
    name = name.removeprefix(f"{plugin.name}/")
    if name in recipes:
        return recipes[name]
    _require_name(name)
    plugin.require_installed()
    hint = "" if recipes else " An empty file is one: make one called demo.toml and name that."
    for other in installed_plugins():
        if other.name != plugin.name and (path := find_recipes(other).get(name)):
            _require_readable(path, other)
            raise UsageError(
                f"No recipe called {name!r} for plugin {plugin.name!r}, but for {other.name!r}: "
                f"take it with --plugin {other.name}."
            )
    raise UsageError(
        f"No recipe called {name!r} for plugin {plugin.name!r}. {suggest(name, recipes)}{hint}"
    )


def locate(name: str, plugin: str | None = None) -> tuple[Path, str]:
    """A recipe's file, and the plugin it is for: the one that is named, else the recipe's own.

    Args:
        name: A path, a name, or ``PLUGIN/NAME``.
        plugin: A name, or a file.

    Raises:
        UsageError: If there is none, or nothing says whose it is.
    """
    if plugin is not None:
        return find_recipe(name, find_plugin(plugin)), plugin
    if Path(name).is_file():
        return Path(name), _owner(Path(name))
    held = {info.name: find_recipes(info) for info in installed_plugins()}
    owner, _, of_owner = name.partition("/")
    if of_owner and owner in held:
        return find_recipe(of_owner, find_plugin(owner)), owner
    owners = [owner for owner, found in held.items() if name in found]
    if not owners:
        _require_name(name)
        known = {each for found in held.values() for each in found}
        raise UsageError(f"No recipe called {name!r}. {suggest(name, known)}")
    if len(owners) > 1:
        raise UsageError(
            f"Several plugins have a recipe {name!r}: {', '.join(owners)}. Choose one with "
            f"--plugin."
        )
    path = held[owners[0]][name]
    _require_readable(path, find_plugin(owners[0]))
    return path, owners[0]


def _require_readable(path: Path, owner: PluginInfo) -> None:
    """Raise where a recipe that came with a package is none: nobody else is to blame."""
    try:
        read_recipe(path)
    except RecipeError as error:
        if path.parent != recipe_folder(owner):
            raise
        raise RecipeError(f"{called(owner)} has a broken recipe: {error} {_MEND}") from error


def _owner(file: Path) -> str:
    """The plugin that a recipe is for: it says so, or what it extends does."""
    for _ in range(DEEPEST):
        table = read_recipe(file)
        if isinstance(named := table.get("plugin"), str):
            return named
        if not isinstance(parent := table.get("extends"), str):
            break
        beside = file.parent / (parent if parent.endswith(".toml") else f"{parent}.toml")
        if beside.is_file():
            file = beside
        elif Path(parent).is_file():
            file = Path(parent)
        else:
            return locate(parent)[1]
    raise UsageError(f"{file} does not say which plugin it is for. Add --plugin NAME.")


def _require_name(name: str) -> None:
    """Raise where a file was meant that there is not."""
    if name.endswith(".toml") or any(mark in name for mark in "/\\"):
        raise UsageError(
            f"No recipe file {name}. `cyclekit recipes list` shows what there is, and `cyclekit "
            f"recipes copy NAME {name}` makes a file of one."
        )


def _is_for(recipe: Path, plugin: PluginInfo) -> bool:
    """Whether a recipe beside a plugin is for it; not so those that an extension brings, or those
    of another file in the same folder.

    What cannot be read, or does not say, is looked at later.
    """
    return _plugin_of(recipe) in (None, plugin.name)


def _plugin_of(recipe: Path) -> str | None:
    """What a recipe says of its plugin, unless that is a file or nothing."""
    try:
        named = read_recipe(recipe).get("plugin")
    except RecipeError:
        return None
    return None if named is None or str(named).endswith(".py") else str(named)


def _recipes_in(folder: Path | None) -> Iterator[Path]:
    yield from sorted(folder.glob("*.toml")) if folder else ()


def _if_folder(path: Path) -> Path | None:
    return path if path.is_dir() else None
