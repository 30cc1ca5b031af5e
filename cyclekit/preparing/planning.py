"""From names and settings to a plan: which recipe, resolved, with which plugins."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from cyclekit.contract.modality import Modality
from cyclekit.data.folders import found_domains
from cyclekit.data.generated import is_builtin
from cyclekit.data.tables import table_file
from cyclekit.engine.model import objective_class
from cyclekit.errors import UsageError
from cyclekit.plugins.discovery import find_plugin
from cyclekit.plugins.host import PluginHost, load_plugin
from cyclekit.recipe.finding import locate
from cyclekit.recipe.layers import Layers, read_layers
from cyclekit.recipe.reading import Setting
from cyclekit.recipe.resolve import resolve
from cyclekit.recipe.settings import Recipe
from cyclekit.trust import code_files, consider


def data_settings(root: Path | str) -> list[Setting]:
    """Settings that make ``root`` the data, whatever folders the recipe names."""
    others = [(f"data.{key}", None, "--data") for key in ("domains", "tests")]
    return [*others, ("data.parallel", False, "--data"), ("data.root", str(root), "--data")]


@dataclass(frozen=True)
class Plan:
    """A recipe that was found and resolved, with its plugins loaded.

    Attributes:
        host: The plugins.
        recipe: The resolved recipe.
        source: The recipe's file.
        warnings: What a person should know about how the recipe is written.
        settings: What a person set where no recipe was named: the rest is still to be planned.
    """

    host: PluginHost
    recipe: Recipe
    source: Path
    warnings: Sequence[str] = ()
    settings: Sequence[Setting] | None = None


def plan_training(
    plugin: str | None,
    recipe: str,
    settings: Iterable[Setting] = (),
    extensions: Sequence[str] = (),
) -> Plan:
    """Find a recipe and resolve it with ``settings`` (key, value, origin) laid over it.

    Args:
        plugin: A name, or a file, that a person named; ``None``: the recipe's.
        recipe: A name, or a file.
        settings: Changes.
        extensions: Names or files of further plugins, beside those that the recipe names.
    """
    source, owner = locate(recipe, plugin)
    if owner.endswith(".py"):
        consider(owner, "" if plugin else str(source))
    layers = read_layers(source, find_plugin(owner), settings)
    layers.lay(_added(extensions, layers))
    return Plan(*_resolved(layers, owner), source, layers.moved)


def plan_defaults(plugin: str, settings: Iterable[Setting] = ()) -> Plan:
    """The same without a recipe: a plugin's defaults with ``settings`` laid over them.

    Args:
        plugin: A name, or a file, that a person named.
        settings: Changes.
    """
    if plugin.endswith(".py"):
        consider(plugin, "")
    layers = Layers()
    layers.lay(settings)
    return Plan(*_resolved(layers, plugin), Path())


def plan_open(plugin: str, settings: Iterable[Setting], extensions: Sequence[str] = ()) -> Plan:
    """What a person says who names no recipe: ``preparing/designing.py`` plans the rest.

    Args:
        plugin: A name, or a file, that a person named.
        settings: What is not to be planned, where the data is among it.
        extensions: Names or files of further plugins.

    Raises:
        UsageError: If nothing says where the data is.
    """
    settings = list(settings)
    layers = Layers()
    layers.lay(settings)
    settings += _added(extensions, layers)
    said = [key.split(".")[:2] for key, value, _ in settings if value is not None]
    if not any(key in (["data", "root"], ["data", "domains"]) for key in said):
        raise UsageError(
            "Without a recipe a training is planned from its data: name that with --data DIR, or "
            "name a recipe with --recipe."
        )
    return replace(plan_defaults(plugin, settings), settings=settings)


def anchored(recipe: Recipe) -> Recipe:
    """The recipe with absolute paths, so that the run can be opened from anywhere."""
    data = recipe.data
    folders: dict[str, Any] = {
        key: _anchored(path)
        for key in ("root", "domains", "tests", "extra", "cache")
        if (path := getattr(data, key)) is not None and not (key == "root" and is_builtin(data))
    }
    folders |= {
        key: str(table_file(named, data.root).resolve())
        for key in ("attributes", "pairs")
        if (named := getattr(data, key)) is not None
    }
    extensions = tuple(
        str(Path(name).expanduser().resolve()) if name.endswith(".py") else name
        for name in recipe.extensions
    )
    train = recipe.train.model_copy(update={"init": _anchored_files(recipe.train.init)})
    changes = {"data": data.model_copy(update=folders), "extensions": extensions, "train": train}
    return recipe.model_copy(update=changes)


def _anchored(path: str | Mapping[str, str]) -> str | dict[str, str]:
    if isinstance(path, str):
        return str(Path(path).expanduser().resolve())
    return {domain: str(Path(each).expanduser().resolve()) for domain, each in path.items()}


def _anchored_files(named: str) -> str:
    """Files with a comma between; what is published has no place."""
    each = named.split(",") if named else []
    return ",".join(name if name.startswith("zoo:") else str(_anchored(name)) for name in each)


def _added(extensions: Sequence[str], layers: Layers) -> list[Setting]:
    """Extensions that a person named, beside those that are there."""
    together = [*layers.extensions, *extensions]
    return [("extensions", list(dict.fromkeys(together)), "--extension")] if extensions else []


def _resolved(layers: Layers, plugin: str) -> tuple[PluginHost, Recipe]:
    for name in layers.extensions:
        if name.endswith(".py"):
            consider(name, layers.origin("extensions"))
    host = load_plugin(plugin, layers.extensions)
    name = host.modality.name
    named = layers.table.setdefault("plugin", name)
    if named != name:
        raise UsageError(
            f"The recipe is for plugin {named!r}, not for {name!r}. Take it with --plugin {named}."
        )
    recipe = with_domains(resolve(layers, host.modality), host.modality)
    for key, file in code_files(recipe):
        consider(file, layers.origin(key))
    return host, recipe


def plan_under(plan: Plan, tables: Iterable[Mapping[str, Any]]) -> tuple[Recipe, Mapping[str, Any]]:
    """A recipe of what a person set, laid over what was planned.

    Args:
        plan: Made by ``plan_open``.
        tables: A recipe's tables, later ones over earlier ones.

    Returns:
        The resolved recipe, and what it says that is not at its default.

    Raises:
        RecipeError: If the plugin planned what there is not.
    """
    layers = Layers({"plugin": plan.host.modality.name})
    for table in tables:
        layers.merge(table, "the plan")
    layers.lay(plan.settings or ())
    recipe = with_domains(resolve(layers, plan.host.modality), plan.host.modality)
    recipe = anchored(recipe)
    train = recipe.train.model_copy(update={"precision": plan.recipe.train.precision})
    said = recipe.model_dump(mode="json", exclude_defaults=True, exclude_none=True)
    for kind in ("generator", "discriminator", "objective"):
        # Each is the default of its own settings, and need not be the modality's.
        said[kind] = {"name": getattr(recipe, kind).name} | said.get(kind, {})
    return recipe.model_copy(update={"train": train}), {"plugin": recipe.plugin} | said


def with_domains(
    recipe: Recipe, modality: Modality, found: Callable[[], Sequence[str]] | None = None
) -> Recipe:
    """The recipe with what the data says about domains, for an objective that leaves it to that.

    Args:
        recipe: Resolved.
        modality: The plugin's.
        found: Finds the data's domains; default: where the recipe says that data is.

    Raises:
        CyclekitError: If the data has no domains that can be used.
    """
    kind = objective_class(modality, recipe)
    options = kind.with_domains(recipe.objective, found or partial(found_domains, recipe.data))
    return recipe.model_copy(update={"objective": options})
