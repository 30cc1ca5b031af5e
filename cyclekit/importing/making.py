"""A run made of imported networks: whole, or not at all."""

import json
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cyclekit.console import Console
from cyclekit.data.cache import default_folder
from cyclekit.engine.model import Model, build_model
from cyclekit.errors import CheckpointError, CyclekitError, ExtensionAlone, UsageError
from cyclekit.importing.assembling import (
    ORIGIN,
    Assembly,
    Part,
    assemble,
    find_parts,
    recipe_settings,
)
from cyclekit.importing.family import Choices
from cyclekit.importing.reading import Source, read_source
from cyclekit.importing.registry import Offer
from cyclekit.importing.zoo import PREFIX, fetch, find_published
from cyclekit.names import fitting
from cyclekit.plugins.discovery import installed_plugins
from cyclekit.plugins.host import PluginHost, load_plugin
from cyclekit.preparing.planning import anchored
from cyclekit.recipe.layers import Layers
from cyclekit.recipe.reading import Setting
from cyclekit.recipe.resolve import resolve, to_toml
from cyclekit.recipe.settings import Recipe
from cyclekit.runs.checkpoint import describe_writer
from cyclekit.runs.directory import RunDirectory, next_number
from cyclekit.runs.layout import MANIFEST
from cyclekit.runs.records import to_json
from cyclekit.storage.folder import Storage

IMPORTED = "imported"  # the recipe's name
MADE_ON = "none"  # the device: nothing was trained


def import_weights(
    files: Sequence[str | Path],
    folder: Path | None,
    choices: Choices,
    console: Console,
    *,
    plugin: str = "",
    family: str = "",
    direction: str = "",
    settings: Iterable[Setting] = (),
) -> Path:
    """Make a run of other people's weights, or a file of what is no part of a run.

    Args:
        files: Of weights, or ``zoo:NAME``.
        folder: The run's; ``None``: the next number under ``runs/``. Of a file: its name;
            ``None``: the first one's with another suffix, in the current folder.
        choices: What keys do not show.
        console: Is told what was found, left out and taken for granted.
        plugin: Whose families are looked at; empty: all.
        family: The generators', where a person names it.
        direction: Which way the first generator translates, where a person says it.
        settings: Further keys of the recipe.

    Returns:
        The run's folder, or the file.

    Raises:
        CyclekitError: If files cannot be read, are of no known family, or do not go together;
            nothing is then written.
    """
    if own := next((Path(f) for f in files if (Path(f).parent / MANIFEST).is_file()), None):
        raise UsageError(
            f"{own} is of a cyclekit run and needs no import: name the run's folder where a run is "
            f"asked for, or this file as `train --init {own}`."
        )
    if folder is not None and not folder.is_file():
        RunDirectory(folder).require_free("-o")
    named = [str(file) for file in files if str(file).startswith(PREFIX)]
    hosts = hosts_for(plugin, console) if named else {}
    fetched = {name: _fetched(name, hosts.values(), console) for name in named}
    sources = [
        read_source(*(fetched[str(file)] if str(file) in fetched else (Path(file), "")))
        for file in files
    ]
    hosts = hosts or hosts_for(plugin, console)
    offers = [
        Offer(host.info.name, host.modality, found)
        for host in hosts.values()
        for found in host.families()
    ]
    parts, others = find_parts(sources, offers, choices, family)
    if any(part.family.kind == "file" for part in parts):
        return _delivered(parts, others, folder, console)
    assembly = assemble(parts, others, direction)
    host = hosts[assembly.offer.plugin]
    recipe = anchored(_recipe(assembly, host, settings))
    model = _loaded(assembly, host, recipe)
    said = _prepared(assembly, model, choices)
    for line in _told(assembly, said):
        console.say(line)
    return _written(assembly, host, model, sources, folder, said)


def _fetched(name: str, hosts: Iterable[PluginHost], console: Console) -> tuple[Path, str]:
    """A published file, where it is now and where it came from."""
    published = find_published(name, [one for host in hosts for one in host.published()])
    console.say(f"{name}: {published.about}. Take note: {published.terms}.")
    if published.dropout:
        console.say(f"{name} was trained, and tested, with dropout: --dropout-on")
    folder = default_folder()
    if folder is None:
        raise CyclekitError(
            f"There is no folder to keep {published.url} in: set XDG_CACHE_HOME, or fetch it "
            f"yourself and import the file."
        )
    return fetch(published, folder / "zoo", console), published.url


def _delivered(
    parts: Sequence[Part], others: Sequence[str], file: Path | None, console: Console
) -> Path:
    """Write what is no part of a run as a file that recipes can name."""
    if len(parts) > 1:
        names = ", ".join(part.name for part in parts)
        raise UsageError(f"{names}: one of these is a file for recipes to name. Import it alone.")
    (part,) = parts
    identified = part.identified
    assert part.family.deliver is not None
    made = part.family.deliver(
        identified.layout, identified.fitted.options, identified.fitted.weights
    )
    name = fitting(f"{part.source.path.name.partition('.')[0]}{made.suffix}")
    file = (file or Path(name)).absolute()
    if file.exists() or file.is_symlink():
        raise UsageError(f"{file} is there already. Name another file with -o.")
    for line in _about(part.name, part):
        console.say(line)
    for line in others:
        console.say(f"left out: {line}")
    Storage(file.parent).write_bytes(file.name, made.content)
    console.say(f"use it with: {made.usage.format(file=file)}")
    return file


def hosts_for(plugin: str, console: Console) -> dict[str, PluginHost]:
    """The plugins whose families are looked at, by name; a broken one is warned of."""
    if plugin:
        host = load_plugin(plugin)
        return {host.info.name: host}
    hosts = {}
    for info in installed_plugins():
        try:
            hosts[info.name] = load_plugin(info.name)
        except ExtensionAlone:
            continue  # adds to modalities, and has no families of its own
        except CyclekitError as error:
            console.warn(f"plugin {info.name!r} is left out: {error}")
    return hosts


def _recipe(assembly: Assembly, host: PluginHost, settings: Iterable[Setting]) -> Recipe:
    layers = Layers()
    layers.merge({"plugin": host.modality.name}, ORIGIN)
    # What other people trained in float32 is translated in it.
    own = {"train.precision": "32-true", **recipe_settings(assembly)}
    layers.lay([(key, value, ORIGIN) for key, value in own.items()])
    layers.lay(settings)
    return resolve(layers, host.modality)


def _loaded(assembly: Assembly, host: PluginHost, recipe: Recipe) -> Model:
    """The model that the recipe describes, with the imported weights.

    Raises:
        CheckpointError: If they do not fit what the recipe describes.
    """
    model = build_model(host.modality, recipe)
    for name, part in assembly.networks.items():
        if name not in model.networks:
            raise CheckpointError(f"{part.name}: the run's recipe has no network called {name}.")
        try:
            model.networks[name].load_state_dict(part.identified.fitted.weights)
        except RuntimeError as error:
            raise CheckpointError(
                f"{part.name} does not fit what the run's recipe describes: "
                f"{' '.join(str(error).split())[:300]}."
            ) from error
    return model


def _prepared(assembly: Assembly, model: Model, choices: Choices) -> list[str]:
    """Give the codec what the recipe does not say; returns what was said about it."""
    families = {part.family.name: part.family for part in assembly.networks.values()}
    return [
        line
        for family in families.values()
        if family.prepare
        for line in family.prepare(model.codec, choices)
    ]


def _told(assembly: Assembly, said: Sequence[str]) -> Iterable[str]:
    """What a person should hear about an import."""
    for name, part in assembly.networks.items():
        yield from _about(f"{name}: {part.name}", part)
    for line in assembly.others:
        yield f"left out: {line}"
    for line in said:
        yield f"note: {line}"


def _about(name: str, part: Part) -> Iterable[str]:
    yield f"{name}, {described(part)}"
    for line in part.dropped:
        yield f"  left out: {line}"
    for line in part.assumed:
        yield f"  taken for granted: {line}"
    if part.family.licence:
        yield f"  licence: {part.family.licence}"


def described(part: Part) -> str:
    """A network in words."""
    options = part.identified.fitted.options
    facts = [f"{options[key]} {key}" for key in ("blocks", "layers", "channels") if key in options]
    norm = ("affine " if options.get("affine") else "") + str(options.get("norm", ""))
    facts += [f"{norm} norm"] if "norm" in options else []
    return f"{part.family.name} ({', '.join([part.family.summary, *facts])})"


def _written(
    assembly: Assembly,
    host: PluginHost,
    model: Model,
    sources: Sequence[Source],
    folder: Path | None,
    said: Sequence[str],
) -> Path:
    """Write the run aside, then move it into place."""
    if folder is None:
        stem = re.sub(r"[^\w-]+", "-", sources[0].path.name.partition(".")[0]).strip("-")
        folder = next_number(fitting(f"{host.info.name}-{stem or 'imported'}", 60))
    folder = folder.absolute()
    storage = Storage(folder.parent)
    storage.clean(alone=False)  # of one that was killed
    with storage.aside() as aside:
        run = RunDirectory(aside.make("run"))
        run.describe(host.info, model.recipe, IMPORTED, MADE_ON)
        run.storage.write_text(run.import_file.name, to_json(_record(assembly, sources, said)))
        run.checkpoints.write(
            0,
            {name: model.networks[name] for name in assembly.networks},
            {},
            {"codec": model.codec.state_dict()},
            {
                **describe_writer(host.info),
                "ranks": 1,
                "global_batch": model.recipe.train.batch_size,
            },
            to_toml(model.recipe),
        )
        try:
            return aside.keep_new("run", folder.name)
        except OSError as error:
            raise UsageError(
                f"{folder} is not empty. Name a new or empty folder with -o."
            ) from error


def _record(assembly: Assembly, sources: Sequence[Source], said: Sequence[str]) -> dict[str, Any]:
    """What is kept of where a run came from."""
    record = {
        "imported": datetime.now(UTC).isoformat(timespec="seconds"),
        "files": [
            {"name": s.name, "sha256": s.sha256, "bytes": s.size, "origin": s.origin}
            for s in sources
        ],
        "networks": {
            name: {
                "file": part.name,
                "family": part.family.name,
                "described": described(part),
                "dropped": part.dropped,
                "assumed": part.assumed,
                "licence": part.family.licence,
            }
            for name, part in assembly.networks.items()
        },
        "left_out": assembly.others,
        "notes": list(said),
    }
    return dict(json.loads(json.dumps(record)))
