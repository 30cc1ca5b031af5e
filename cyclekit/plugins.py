"""Find plugins by their metadata, load the ones asked for, check what they bring."""

import hashlib
import importlib.util
import inspect
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import (
    EntryPoint,
    PackageNotFoundError,
    distribution,
    distributions,
    version,
)
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, get_args, get_origin

import pluggy

from cyclekit import API_VERSION, hookspecs
from cyclekit.describe import describe_exception
from cyclekit.errors import ExtensionAlone, IncompatiblePlugin, PluginError, UsageError, suggest

if TYPE_CHECKING:
    from cyclekit.contract import Metric, Modality

GROUP = "cyclekit"
NAMED = 'name = "..."'


@dataclass(frozen=True)
class PluginInfo:
    """What is known about a plugin without importing it.

    Attributes:
        name: The ``--plugin`` value.
        distribution: Name of the installed package that brings it, or the file's path.
        version: Of that package; empty for a single file.
        entry_point: How to import it; ``None`` for a single file.
    """

    name: str
    distribution: str
    version: str
    entry_point: EntryPoint | None = None

    @property
    def package(self) -> str | None:
        """Top-level import name, or ``None`` for a single file."""
        return self.entry_point.module.partition(".")[0] if self.entry_point else None

    def require_installed(self) -> None:
        """Raise ``PluginError`` if there is no such package, whatever its metadata says."""
        if self.package and importlib.util.find_spec(self.package) is None:
            raise PluginError(
                f"Plugin {self.name!r} ({_origin(self)}): its entry point names the package "
                f"{self.package!r}, which cannot be found. Reinstall {self.distribution}, or "
                f"correct the entry point in its pyproject.toml."
            )

    def fingerprint(self) -> str:
        """Of the plugin's Python files, and of the versions of what it requires."""
        digest = hashlib.sha256()
        for file in self._source_files():
            digest.update(file.read_bytes())
        for named in _requirements(self.distribution) if self.entry_point else ():
            digest.update(named.encode())
        return digest.hexdigest()

    def _source_files(self) -> list[Path]:
        if self.file:
            return [self.file]
        spec = importlib.util.find_spec(self.package or "")
        if spec is None:
            return []
        folders = list(spec.submodule_search_locations or ())
        if not folders and spec.origin:
            return [Path(spec.origin)]
        return sorted(file for folder in folders for file in Path(folder).rglob("*.py"))

    @property
    def reference(self) -> str:
        """What a recipe calls it: its name, or its file."""
        return self.name if self.entry_point else self.distribution

    @property
    def file(self) -> Path | None:
        """The plugin's file when it is a single one."""
        return None if self.entry_point else Path(self.distribution)


def _requirements(name: str) -> list[str]:
    """What a distribution requires, with the versions that are installed."""
    found = []
    for line in distribution(name).requires or ():
        required = re.split(r"[^\w.-]", line, maxsplit=1)[0]
        try:
            found.append(f"{required} {version(required)}")
        except PackageNotFoundError:
            continue  # an extra that nobody asked for
    return sorted(set(found))


def installed_plugins() -> list[PluginInfo]:
    """Every installed plugin by name, read from package metadata; imports nothing."""
    found = {
        PluginInfo(entry.name, package.metadata["Name"], package.version, entry)
        for package in distributions()
        for entry in package.entry_points
        if entry.group == GROUP
    }
    # A path that is listed twice shows a distribution twice.
    unique = {(info.name, info.distribution): info for info in found}
    return [unique[key] for key in sorted(unique)]


def find_plugin(name: str) -> PluginInfo:
    """Look up a plugin by name, or by the path of a single ``.py`` file; imports nothing.

    Raises:
        UsageError: If there is none; suggests the nearest names.
        PluginError: If two distributions claim the name.
    """
    if name.endswith(".py"):
        file = Path(name).expanduser().resolve()
        if not file.is_file():
            raise UsageError(f"No plugin file {name}. Give the path of an existing Python file.")
        return PluginInfo(file.stem, str(file), "")
    plugins = installed_plugins()
    named = [info for info in plugins if info.name == name]
    if not named:
        raise UsageError(
            f"No plugin called {name!r}. {suggest(name, [info.name for info in plugins])} "
            f"See `cyclekit plugins list`; a single file is given as a path ending in .py."
        )
    if len(named) > 1:
        raise PluginError(
            f"Two packages bring a plugin called {name!r}: "
            f"{' and '.join(info.distribution for info in named)}. Uninstall one of them."
        )
    return named[0]


class PluginHost:
    """One run's plugins: the modality's own, and the extensions that the recipe names."""

    def __init__(self, info: PluginInfo, extensions: Sequence[str] = ()) -> None:
        self.info = info
        self._manager = pluggy.PluginManager(hookspecs.PROJECT)
        self._manager.add_hookspecs(hookspecs)
        self._reported: set[tuple[str, str]] = set()
        for plugin in (info, *(find_plugin(name) for name in extensions)):
            self._register(plugin)
        self._register_own()
        self.modality = self._extended(self._own_modality())

    def observe(self, hook: str, warn: Callable[[str], None], **event: Any) -> None:
        """Call every plugin's observer; a failure is reported once and costs only itself."""
        for name, outcome in self._call(hook, event):
            if isinstance(outcome, Exception) and (name, hook) not in self._reported:
                self._reported.add((name, hook))
                warn(f"plugin {name!r} failed in {hook}: {describe_exception(outcome)}")

    def families(self) -> list[Any]:
        """Families of other people's networks that can be imported, all plugins' together."""
        from cyclekit.importing.family import Family

        return self._all_offers("cyclekit_families", Family)

    def published(self) -> list[Any]:
        """Files of such networks that can be downloaded."""
        from cyclekit.importing.family import Published

        return self._all_offers("cyclekit_published", Published)

    def _all_offers(self, hook: str, kind: type) -> list[Any]:
        offers = self._offers(hook, kind, modality=self.modality.name)
        return [thing for offered in offers.values() for thing in offered]

    def _register(self, info: PluginInfo) -> None:
        plugin = import_plugin(info)
        try:
            self._manager.register(plugin, name=info.name)
            self._manager.check_pending()
        except (pluggy.PluginValidationError, ValueError) as error:
            raise PluginError(f"Plugin {info.name!r}: {_explain_hook(str(error))}") from error

    def _register_own(self) -> None:
        """Register what cyclekit itself brings through the same hooks; it needs torch."""
        from cyclekit import objectives

        self._manager.register(objectives, name=hookspecs.PROJECT)

    def _call(self, hook: str, arguments: Mapping[str, Any]) -> Iterable[tuple[str, Any]]:
        """Call ``hook`` plugin by plugin, so that a failure has a name."""
        for name, plugin in self._manager.list_name_plugin():
            others = [other for _, other in self._manager.list_name_plugin() if other is not plugin]
            caller = self._manager.subset_hook_caller(hook, remove_plugins=others)
            if not caller.get_hookimpls():
                continue
            try:
                # A hook that yields raises only when it is read: read it here.
                outcome: Any = [thing for made in caller(**arguments) for thing in _yielded(made)]
            except Exception as error:
                outcome = error
            yield name, outcome

    def _hooks_of(self, name: str) -> list[str]:
        """Which hooks a plugin implements."""
        callers = self._manager.get_hookcallers(self._manager.get_plugin(name)) or []
        return sorted(caller.name for caller in callers)

    def _offers(self, hook: str, kind: Any, **arguments: Any) -> dict[str, list[Any]]:
        offers = {}
        for name, outcome in self._call(hook, arguments):
            if isinstance(outcome, Exception):
                raise PluginError(
                    f"Plugin {name!r} failed in {hook}: {describe_exception(outcome)}"
                ) from outcome
            for thing in outcome:
                _require_kind(thing, kind, f"Plugin {name!r}: {hook}")
            offers[name] = outcome
        return offers

    def _own_modality(self) -> "Modality":
        from cyclekit.contract import Modality

        offered = self._offers("cyclekit_modality", Modality).get(self.info.name, [])
        if not offered and (added := self._hooks_of(self.info.name)):
            raise ExtensionAlone(
                f"Plugin {self.info.name!r} is an extension ({', '.join(added)}): it adds to "
                f"others' modalities and brings none. Name it in a recipe, or with --set "
                f"\"extensions=['{self.info.reference}']\", beside the plugin that it extends."
            )
        if len(offered) != 1:
            raise PluginError(
                f"Plugin {self.info.name!r} ({_origin(self.info)}) must yield one Modality from "
                f"the hook cyclekit_modality; it yielded {len(offered)}. Is "
                f"@hookimpl above it?"
            )
        modality: Modality = offered[0]
        if modality.api != API_VERSION:
            raise IncompatiblePlugin(
                f"Plugin {self.info.name!r} was written for plugin API {modality.api}; this "
                f"cyclekit speaks {API_VERSION}. {_way_on(modality.api, self.info)}"
            )
        if self.info.entry_point and modality.name != self.info.name:
            raise PluginError(
                f"Plugin {self.info.name!r} calls its modality {modality.name!r}. Give the entry "
                f"point and Modality.name the same name."
            )
        for kind in ("generators", "discriminators", "metrics", "baselines", "objectives"):
            if not isinstance(getattr(modality, kind), (list, tuple)):
                raise PluginError(
                    f"Modality {modality.name!r}: {kind} must be a list, as in {kind}=[...]."
                )
        for kind in ("generators", "discriminators"):
            if not getattr(modality, kind):
                raise PluginError(f"Modality {modality.name!r} has no {kind}: name at least one.")
        return modality

    def _extended(self, modality: "Modality") -> "Modality":
        from cyclekit.contract import Metric, Network
        from cyclekit.engine.objective import Objective

        added: dict[str, Any] = {}
        for kind, hook, what in (
            ("generators", "cyclekit_generators", Network),
            ("discriminators", "cyclekit_discriminators", Network),
            ("metrics", "cyclekit_metrics", Metric),
            ("objectives", "cyclekit_objectives", type[Objective]),
        ):
            things = list(getattr(modality, kind))
            for thing in things:
                _require_kind(thing, what, f"Modality {modality.name!r}: {kind}")
            for offers in self._offers(hook, what, modality=modality.name).values():
                things += offers
            names = [thing.name for thing in things]
            twice = {name for name in names if names.count(name) > 1}
            if twice:
                raise PluginError(
                    f"Modality {modality.name!r} has two {kind} called {min(twice)!r}. Rename one."
                )
            added[kind] = tuple(things)
        for metric in added["metrics"]:
            _require_fit_by_domain(metric)
        return _with_default_first(replace(modality, **added))


def import_plugin(info: PluginInfo) -> Any:
    """Import what a plugin's entry point names, or its file.

    Raises:
        PluginError: If that fails; says what to do.
    """
    try:
        return info.entry_point.load() if info.entry_point else _import_file(info.distribution)
    except Exception as error:
        # Not only ImportError: a torchaudio that does not fit its torch raises OSError.
        raise PluginError(
            f"Plugin {info.name!r} ({_origin(info)}) cannot be imported: "
            f"{describe_exception(error)}. {_remedy(info, error)}"
        ) from error


def load_plugin(name: str, extensions: Sequence[str] = ()) -> PluginHost:
    """Import the plugin called ``name`` and its ``extensions``, and nothing else.

    Raises:
        UsageError: If a name is unknown.
        PluginError: If a plugin is broken or does not keep the contract.
    """
    return PluginHost(find_plugin(name), extensions)


def _import_file(path: str) -> ModuleType:
    name = f"cyclekit_plugin_{Path(path).stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pydantic look their module up by name
    # From the text itself: what lies compiled beside it may be something else.
    exec(compile(Path(path).read_bytes(), path, "exec"), module.__dict__)
    return module


def _yielded(made: Any) -> Iterable[Any]:
    """What a hook offers; observers return nothing worth keeping."""
    if made is None or isinstance(made, Iterable):
        return made or ()
    raise TypeError(f"it returned {type(made).__name__} instead of yielding it: write `yield`")


def _require_kind(thing: Any, kind: Any, where: str) -> None:
    """Of a class, ``type[Objective]``, subclasses are wanted; of any other, objects."""
    if get_origin(kind) is type:
        (base,) = get_args(kind)
        if not (isinstance(thing, type) and issubclass(thing, base)):
            found = repr(thing) if isinstance(thing, type) else type(thing).__name__
            raise PluginError(f"{where} must be subclasses of {base.__name__}, not {found}.")
        if not getattr(thing, "name", ""):
            raise PluginError(f"{where}: {thing.__name__} has no name; say it as {NAMED}.")
    elif not isinstance(thing, kind):
        raise PluginError(f"{where} must be {kind.__name__} objects, not {type(thing).__name__}.")


def _require_fit_by_domain(metric: "Metric") -> None:
    """Refuse how metrics were fitted in version 1 of the contract."""
    if metric.fit is None:
        return
    try:
        inspect.signature(metric.fit).bind({}, 0, Path())
    except TypeError as error:
        raise PluginError(
            f"Metric {metric.name!r}: fit must take (items, seed, cache), items being a mapping "
            f"from domains to training items; in version 1 of the contract it took two collections."
        ) from error
    except ValueError:
        return  # a callable that does not say what it takes


def completed(modality: "Modality") -> "Modality":
    """A modality that no plugin host has seen, with cyclekit's own objectives."""
    from cyclekit.objectives import cyclekit_objectives

    own = (kind for kind in cyclekit_objectives(modality.name) if kind not in modality.objectives)
    return _with_default_first(replace(modality, objectives=(*modality.objectives, *own)))


def _with_default_first(modality: "Modality") -> "Modality":
    """The modality with the objective first that it names as its default.

    Raises:
        PluginError: If there is none of that name.
    """
    named = modality.objective
    if not isinstance(named, str):
        raise PluginError(
            f"Modality {modality.name!r}: objective must be the name of one, not {named!r:.80}; "
            f"offer the class by the hook cyclekit_objectives, or in objectives=[...]."
        )
    by_name = {kind.name: kind for kind in modality.objectives}
    if named not in by_name:
        raise PluginError(
            f"Modality {modality.name!r}: there is no objective {named!r}. "
            f"{suggest(named, by_name)}"
        )
    others = (kind for kind in modality.objectives if kind.name != named)
    return replace(modality, objectives=(by_name[named], *others))


def _way_on(api: Any, info: PluginInfo) -> str:
    """What to do about a plugin that was written for another version of the contract."""
    if api == 1:
        return (
            "Let Modality.objective be a name (classes come by the hook cyclekit_objectives), let "
            "Metric.fit take (items by domain, seed, cache), and write api=2: see "
            "docs/plugins/from-1-to-2.md."
        )
    return f"Install a version of {info.distribution} that fits, or another cyclekit."


def _origin(info: PluginInfo) -> str:
    return f"{info.distribution} {info.version}".strip()


def _remedy(info: PluginInfo, error: Exception) -> str:
    if info.file:
        return "Correct the file."
    if info.distribution == "cyclekit":
        return f"Install what it needs: pip install 'cyclekit[{info.name}]'"
    if isinstance(error, ModuleNotFoundError):
        return f"Install what it needs, or reinstall {info.distribution}."
    return f"Reinstall or upgrade {info.distribution}, or tell its author."


def _explain_hook(message: str) -> str:
    """Turn pluggy's words about an unknown hook or argument into ours, with a suggestion."""
    known = [name for name in vars(hookspecs) if name.startswith("cyclekit_")]
    unknown = re.search(r"unknown hook '(\w+)'", message)
    if unknown:
        return f"there is no hook {unknown[1]!r}. {suggest(unknown[1], known)}"
    named = re.search(r"for hook '(\w+)'", message)
    wrong = re.search(r"Argument\(s\) {(.*)} are declared", message)
    if named is None or wrong is None:
        return " ".join(message.split())
    taken = ", ".join(inspect.signature(getattr(hookspecs, named[1])).parameters) or "nothing"
    return (
        f"hook {named[1]} has no argument {wrong[1]}: it may take {taken}, and may leave out what "
        f"it does not need."
    )
