"""What a modality has to be, and the objectives that it is completed with."""

import inspect
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args, get_origin

from cyclekit.contract.codec import Codec
from cyclekit.contract.metrics import Metric
from cyclekit.contract.modality import Modality
from cyclekit.contract.options import Options
from cyclekit.errors import IncompatiblePlugin, PluginError, suggest
from cyclekit.objectives import cyclekit_objectives
from cyclekit.plugins.discovery import PluginInfo
from cyclekit.version import API_VERSION

NAMED = 'name = "..."'


def require_kind(thing: Any, kind: Any, where: str) -> None:
    """Refuse a thing of another kind: where that is ``type[Objective]``, subclasses are wanted,
    else objects."""
    if get_origin(kind) is type:
        (base,) = get_args(kind)
        if not (isinstance(thing, type) and issubclass(thing, base)):
            found = repr(thing) if isinstance(thing, type) else type(thing).__name__
            raise PluginError(f"{where} must be subclasses of {base.__name__}, not {found}.")
        if not getattr(thing, "name", ""):
            raise PluginError(f"{where}: {thing.__name__} has no name; say it as {NAMED}.")
    elif not isinstance(thing, kind):
        raise PluginError(f"{where} must be {kind.__name__} objects, not {type(thing).__name__}.")
    options = getattr(thing, "Options", getattr(thing, "options", Options))
    if not (isinstance(options, type) and issubclass(options, Options)):
        raise PluginError(
            f"{where}: the options of {thing.name!r} must be a subclass of Options, not "
            f"{options!r:.80}."
        )


def require_names(things: Sequence[Any], there: Sequence[Any], kind: str, who: str) -> None:
    """Refuse two of one name.

    Args:
        things: With names.
        there: What there is already.
        kind: What they are, as the modality's attribute is called.
        who: Brings them.
    """
    names, taken = [thing.name for thing in things], {thing.name for thing in there}
    if twice := [name for name in names if names.count(name) > 1]:
        raise PluginError(f"{who} has two {kind} called {min(twice)!r}. Rename one.")
    if again := taken.intersection(names):
        raise PluginError(
            f"{who} adds to the {kind} one called {min(again)!r}, but there is one of that name "
            f"already. Give it another name."
        )


def require_fit_by_domain(metric: Metric, who: str = "") -> None:
    """Refuse how metrics were fitted in version 1 of the contract.

    Args:
        metric: Any.
        who: Brings it, where that is an extension.
    """
    if metric.fit is None:
        return
    try:
        inspect.signature(metric.fit).bind({}, 0, Path())
    except TypeError as error:
        raise PluginError(
            f"{who}{': ' if who else ''}Metric {metric.name!r}: fit must take (items, seed, "
            f"cache), items being a mapping from domains to training items; in version 1 of the "
            f"contract it took two collections."
        ) from error
    except ValueError:
        return  # a callable that does not say what it takes


def require_modality(modality: Modality, info: PluginInfo) -> None:
    """Refuse what a plugin yielded if it does not fit this host, or is incomplete.

    Raises:
        IncompatiblePlugin: If it was written for another version of the contract.
        PluginError: Saying what to change.
    """
    if modality.api != API_VERSION:
        raise IncompatiblePlugin(
            f"Plugin {info.name!r} was written for plugin API {modality.api}; this "
            f"cyclekit speaks {API_VERSION}. {_way_on(modality.api, info)}"
        )
    if info.entry_point and modality.name != info.name:
        raise PluginError(
            f"Plugin {info.name!r} calls its modality {modality.name!r}. Give the entry "
            f"point and Modality.name the same name."
        )
    if not (isinstance(modality.codec, type) and issubclass(modality.codec, Codec)):
        raise PluginError(
            f"Modality {modality.name!r}: codec must be a class that inherits from api.Codec, as "
            f"in codec=MyCodec without parentheses, not {modality.codec!r:.80}."
        )
    for kind in ("generators", "discriminators", "metrics", "baselines", "objectives"):
        if not isinstance(getattr(modality, kind), (list, tuple)):
            raise PluginError(
                f"Modality {modality.name!r}: {kind} must be a list, as in {kind}=[...]."
            )
    for kind in ("generators", "discriminators"):
        if not getattr(modality, kind):
            raise PluginError(f"Modality {modality.name!r} has no {kind}: name at least one.")


def completed(modality: Modality) -> Modality:
    """A modality that no plugin host has seen, with cyclekit's own objectives."""
    own = (kind for kind in cyclekit_objectives(modality.name) if kind not in modality.objectives)
    return with_default_first(replace(modality, objectives=(*modality.objectives, *own)))


def with_default_first(modality: Modality) -> Modality:
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
            "docs/authors/from-1-to-2.md."
        )
    if info.file:
        return f"Write api={API_VERSION}, if it was written for this one, or use another cyclekit."
    return f"Install a version of {info.distribution} that fits, or another cyclekit."
