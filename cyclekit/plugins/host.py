"""A run's plugins: registered, asked for what they offer, told of what happens."""

import inspect
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pluggy

from cyclekit import hookspecs, objectives
from cyclekit.contract.metrics import Metric
from cyclekit.contract.modality import Modality
from cyclekit.contract.network import Network
from cyclekit.describe import describe_exception
from cyclekit.engine.objective import Objective
from cyclekit.errors import ExtensionAlone, PluginError, UsageError, suggest
from cyclekit.importing.family import Family, Published
from cyclekit.plugins.discovery import (
    PluginInfo,
    called,
    failure,
    find_plugin,
    import_plugin,
    installed_plugins,
    origin_of,
)
from cyclekit.plugins.modality import (
    require_fit_by_domain,
    require_kind,
    require_modality,
    require_names,
    with_default_first,
)


class PluginHost:
    """One run's plugins: the modality's own, and the extensions that the recipe names."""

    def __init__(self, info: PluginInfo, extensions: Sequence[str] = ()) -> None:
        self.info = info
        self._manager = pluggy.PluginManager(hookspecs.PROJECT)
        self._manager.add_hookspecs(hookspecs)
        self._reported: set[tuple[str, str]] = set()
        self._infos: dict[str, PluginInfo] = {}
        self._register_own()  # before others, which are to blame if they take a name again
        for plugin in (info, *map(find_extension, extensions)):
            self._register(plugin)
        self.modality = self._extended(self._own_modality())

    def observe(self, hook: str, warn: Callable[[str], None], **event: Any) -> None:
        """Call every plugin's observer; a failure is reported once and costs only itself."""
        for name, outcome in self._call(hook, event):
            if isinstance(outcome, BaseException) and (name, hook) not in self._reported:
                self._reported.add((name, hook))
                warn(f"plugin {name!r} failed in {hook}: {describe_exception(outcome)}")

    def families(self) -> list[Family]:
        """Families of other people's networks that can be imported, all plugins' together."""
        return self._all_offers("cyclekit_families", Family)

    def published(self) -> list[Published]:
        """Files of such networks that can be downloaded."""
        return self._all_offers("cyclekit_published", Published)

    def _all_offers(self, hook: str, kind: type) -> list[Any]:
        offers = self._offers(hook, kind, modality=self.modality.name)
        return [thing for offered in offers.values() for thing in offered]

    def _register(self, info: PluginInfo) -> None:
        self._infos.setdefault(info.name, info)
        plugin = import_plugin(info, self._called(info))
        try:
            self._manager.register(plugin, name=info.name)
            self._manager.check_pending()
        except (pluggy.PluginValidationError, ValueError) as error:
            raise PluginError(f"{self._called(info)}: {_explain_hook(str(error))}") from error

    def _called(self, info: PluginInfo) -> str:
        """A plugin, for messages: an extension is not to be taken for the plugin that it extends,
        nor the other way round."""
        if info == self.info:
            return called(info)
        return f"Extension {info.name!r} ({origin_of(info)})"

    def _register_own(self) -> None:
        """Register what cyclekit itself brings through the same hooks."""
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
            except (Exception, SystemExit) as error:
                outcome = error
            yield name, outcome

    def _hooks_of(self, name: str) -> list[str]:
        """Which hooks a plugin implements."""
        callers = self._manager.get_hookcallers(self._manager.get_plugin(name)) or []
        return sorted(caller.name for caller in callers)

    def _offers(self, hook: str, kind: Any, **arguments: Any) -> dict[str, list[Any]]:
        offers = {}
        for name, outcome in self._call(hook, arguments):
            info = self._infos.get(name, self.info)
            who = self._called(info)
            if isinstance(outcome, BaseException):
                raise failure(info, who, f"failed in {hook}", outcome) from outcome
            for thing in outcome:
                require_kind(thing, kind, f"{who}: {hook}")
            offers[name] = outcome
        return offers

    def _own_modality(self) -> Modality:
        offered = self._offers("cyclekit_modality", Modality).get(self.info.name, [])
        if not offered and (added := self._hooks_of(self.info.name)):
            raise ExtensionAlone(
                f"Plugin {self.info.name!r} is an extension ({', '.join(added)}): it adds to "
                f"others' modalities and brings none. Name it beside the plugin that it extends, "
                f"as in --plugin image --extension {self.info.reference}; a recipe says plugin = "
                f'"image" and extensions = ["{self.info.reference}"].'
            )
        if len(offered) != 1:
            raise PluginError(
                f"Plugin {self.info.name!r} ({origin_of(self.info)}) must yield one Modality from "
                f"the hook cyclekit_modality; it yielded {len(offered)}. Is "
                f"@hookimpl above it?"
            )
        modality: Modality = offered[0]
        require_modality(modality, self.info)
        return modality

    def _extended(self, modality: Modality) -> Modality:
        added: dict[str, Any] = {}
        added_by: dict[str, str] = {}
        for kind, hook, what in (
            ("generators", "cyclekit_generators", Network),
            ("discriminators", "cyclekit_discriminators", Network),
            ("metrics", "cyclekit_metrics", Metric),
            ("objectives", "cyclekit_objectives", type[Objective]),
        ):
            things = list(getattr(modality, kind))
            for thing in things:
                require_kind(thing, what, f"Modality {modality.name!r}: {kind}")
            require_names(things, (), kind, f"Modality {modality.name!r}")
            for name, offers in self._offers(hook, what, modality=modality.name).items():
                info = self._infos.get(name, self.info)
                require_names(offers, things, kind, self._called(info))
                things += offers
                if info != self.info:
                    added_by |= {f"{kind}/{each.name}": self._called(info) for each in offers}
            added[kind] = tuple(things)
        for metric in added["metrics"]:
            require_fit_by_domain(metric, added_by.get(f"metrics/{metric.name}", ""))
        return with_default_first(replace(modality, **added, added_by=added_by))


def load_plugin(name: str, extensions: Sequence[str] = ()) -> PluginHost:
    """Import the plugin called ``name`` and its ``extensions``, and nothing else.

    Raises:
        UsageError: If a name is unknown.
        PluginError: If a plugin is broken or does not keep the contract.
    """
    return PluginHost(find_plugin(name), extensions)


def find_extension(name: str) -> PluginInfo:
    """``find_plugin`` for what a recipe lists under ``extensions``, or ``--extension`` names.

    Raises:
        UsageError: If there is none; says where it was named.
        PluginError: If two distributions claim the name.
    """
    plugins = [info.name for info in installed_plugins()]
    if name.endswith(".py") or name in plugins:
        return find_plugin(name)
    raise UsageError(
        f"No extension called {name!r} is installed, which --extension or the recipe's extensions "
        f"names. {suggest(name, plugins)} Install the package that brings it, or leave it out."
    )


def _yielded(made: Any) -> Iterable[Any]:
    """What a hook offers; observers return nothing worth keeping."""
    if made is None or isinstance(made, Iterable):
        return made or ()
    raise TypeError(f"it returned {type(made).__name__} instead of yielding it: write `yield`")


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
