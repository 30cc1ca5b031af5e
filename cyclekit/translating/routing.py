"""Which way each file is translated, where domains were named in place of a direction."""

import unicodedata
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cyclekit.contract.declarations import Direction
from cyclekit.data.layout import layout_folder
from cyclekit.engine.model import Model
from cyclekit.errors import UsageError, suggest
from cyclekit.translating.files import InputFiles

ALL = "all"
"""Every target that a file's domain has."""

SPLITS = ("train", "test")


@dataclass(frozen=True)
class Route:
    """Files that are translated the same way.

    Attributes:
        direction: Which.
        files: They.
        folder: Where their results go, below the folder for all; empty: there itself.
    """

    direction: Direction
    files: InputFiles
    folder: str = ""


@dataclass(frozen=True)
class Routing:
    """Everything that is to be translated.

    Attributes:
        routes: Way by way.
        there: Files that are of their target's domain already.
    """

    routes: Sequence[Route]
    there: Sequence[Path] = ()


def route_files(
    model: Model,
    files: InputFiles,
    direction: str | None = None,
    target: str | None = None,
    source: str | None = None,
    changes: Mapping[str, bool] | None = None,
) -> Routing:
    """Find each file's way.

    Args:
        model: Whose directions there are.
        files: What to translate.
        direction: Name of the only way, or ``None``.
        target: Name of a domain, ``"all"``, or ``None``.
        source: Name of the files' domain; ``None``: that of the nearest folder that has the name
            of one, among those that a file was found in.
        changes: Attributes to set, in place of all these.

    Raises:
        UsageError: If names mean nothing, or too much, or a file's domain cannot be told.
    """
    if changes:
        if (direction, target, source) != (None, None, None):
            raise UsageError("Say --set-attribute, or --direction, or --to and --from.")
        return Routing([Route(way_that_sets(model, changes), files)])
    if target is None and source is None:
        return Routing([Route(model.direction(direction), files)])
    if model.objective.attributes:
        raise UsageError(
            f"This run translates attributes, not domains: say --set-attribute NAME=1 or NAME=0, "
            f"one or several of {_listed(model.objective.attributes)}."
        )
    if direction is not None:
        raise UsageError("Say --direction, or --to and --from: not both.")
    ways = _ways_between(model, target, source)
    groups, there = _grouped(ways, files, source is not None, model.objective.domains)
    if not groups:
        raise UsageError(f"Nothing to do: all files are of {target!r} already.")
    return Routing(_routes(groups, files, apart=target == ALL), there)


def _ways_between(model: Model, target: str | None, source: str | None) -> list[Direction]:
    """All ways from a domain to one, or to each.

    Raises:
        UsageError: If there is none, or it is not said where to.
    """
    ways = list(model.directions.values())
    if source is not None:
        source = known(source, {way.source for way in ways}, "--from")
        ways = [way for way in ways if way.source == source]
    if target not in (None, ALL):
        target = known(target, {way.target for way in ways}, "--to")
        ways = [way for way in ways if way.target == target]
    elif target is None and len(ways) > 1:
        raise UsageError(f"Say where to with --to: {_listed({way.target for way in ways})}, all.")
    return ways


def _grouped(
    ways: Sequence[Direction], files: InputFiles, told: bool, domains: Collection[str]
) -> tuple[dict[Direction, dict[Path, Path]], list[Path]]:
    """The files of each way, and those that need none.

    Args:
        ways: Those that may be taken.
        files: What to translate.
        told: Whether all files are of the one domain that the ways begin in.
        domains: Of which files may be.

    Raises:
        UsageError: If a file's domain cannot be told.
    """
    sources = {way.source for way in ways}
    groups: dict[Direction, dict[Path, Path]] = {}
    there = []
    for file, name in files.names.items():
        own = None if told else domain_of(file, name, domains)
        if own is None and len(sources) == 1:
            (own,) = sources
        if own is None:
            raise UsageError(
                f"It cannot be told which domain {file} is of: no folder that it was found in has "
                f"the name of one. Say --from NAME: {_listed(sources)}."
            )
        chosen = [way for way in ways if way.source == own]
        there += [] if chosen else [file]
        for way in chosen:
            groups.setdefault(way, {})[file] = name
    return groups, there


def way_that_sets(model: Model, changes: Mapping[str, bool]) -> Direction:
    """The direction that sets attributes, one or several, whatever else a sample has.

    Raises:
        UsageError: If the run has none of these names.
    """
    known = model.objective.attributes
    if not known:
        targets = _listed({way.target for way in model.directions.values()})
        raise UsageError(
            f"Objective {model.objective.name!r} of this run has no attributes to set, but "
            f"domains: say --to NAME, one of {targets}."
        )
    for name in changes:
        if name not in known:
            raise UsageError(f"--set-attribute: no attribute {name!r:.80}. {suggest(name, known)}")
    singles = {way.sets: way for way in model.directions.values()}
    parts = [singles[(change,)] for change in changes.items()]
    if len(parts) == 1:
        return parts[0]
    alias = ", ".join(way.name for way in parts)
    return replace(parts[0], alias=alias, sets=tuple(changes.items()))


def setting(text: str) -> tuple[str, bool]:
    """An attribute and its value.

    Raises:
        UsageError: If it is no ``NAME=1`` or ``NAME=0``.
    """
    name, equals, value = text.rpartition("=")
    if not equals or not name or value not in ("0", "1", "-1"):
        raise UsageError(f"--set-attribute {text!r:.80}: expected NAME=1 or NAME=0.")
    return name, value == "1"


def way_between(
    model: Model, direction: str | None, target: str | None, source: str | None
) -> Direction:
    """One way, by its name or by its ends.

    Raises:
        UsageError: If there is none, or more than one.
    """
    if target is None and source is None:
        return model.direction(direction)
    if direction is not None:
        raise UsageError("Name a direction, or the domains that it is between: not both.")
    ways = list(model.directions.values())
    if target is not None:
        target = known(target, {way.target for way in ways}, "to")
        ways = [way for way in ways if way.target == target]
    if source is not None:
        source = known(source, {way.source for way in ways}, "source")
        ways = [way for way in ways if way.source == source]
    if len(ways) > 1:
        missing = "to" if target is None else "source"
        ends = {way.target if target is None else way.source for way in ways}
        raise UsageError(f"Say {missing}=, one of: {_listed(ends)}.")
    return ways[0]


def known(name: str, domains: Collection[str], option: str) -> str:
    """The domain that is called ``name``, however its letters are composed.

    Raises:
        UsageError: If there is none.
    """
    composed = {_composed(domain): domain for domain in domains}
    if _composed(name) not in composed:
        raise UsageError(f"{option}: no domain {name!r:.80}. {suggest(name, sorted(domains))}")
    return composed[_composed(name)]


def domain_of(file: Path, name: Path, domains: Collection[str]) -> str | None:
    """The domain whose name the nearest of the folders has that a file was found in.

    Args:
        file: It.
        name: Its path relative to the folder that was named, or to its own where it was itself.
        domains: The candidates.
    """
    called = {_composed(domain): domain for domain in domains}
    called |= {
        _composed(layout_folder(split, domain)): domain for domain in domains for split in SPLITS
    }
    folders = list(file.absolute().parents)[: len(name.parts)]
    return next(
        (called[each] for folder in folders if (each := _composed(folder.name)) in called), None
    )


def _routes(
    groups: dict[Direction, dict[Path, Path]], files: InputFiles, apart: bool
) -> list[Route]:
    """Each way's files; where results of several would have one name, below their sources'."""
    routes = []
    for way, names in groups.items():
        beside = [of for other, of in groups.items() if not apart or other.target == way.target]
        taken = Counter(name.with_suffix("") for of in beside for name in of.values())
        shared = len(beside) > 1 and any(taken[name.with_suffix("")] > 1 for name in names.values())
        placed = {file: Path(way.source) / name if shared else name for file, name in names.items()}
        routes.append(Route(way, replace(files, names=placed), way.target if apart else ""))
    return routes


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _listed(names: Collection[str]) -> str:
    return ", ".join(sorted(names))
