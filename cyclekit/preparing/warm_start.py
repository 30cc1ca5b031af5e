"""A new run that begins with the weights of another, or with imported ones (``train.init``)."""

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cyclekit.console import Console
from cyclekit.engine.model import Model
from cyclekit.engine.transfer import transfer
from cyclekit.errors import CheckpointError, UsageError
from cyclekit.links import pointed_at
from cyclekit.plugins.host import PluginHost
from cyclekit.preparing.preparation import Prepared
from cyclekit.recipe.resolve import flattened
from cyclekit.recipe.settings import Recipe
from cyclekit.runs.checkpoint import AVERAGED
from cyclekit.runs.checkpoints import BEST, LATEST
from cyclekit.runs.directory import RunDirectory
from cyclekit.runs.layout import MANIFEST
from cyclekit.runs.open_run import read_model
from cyclekit.temporary import temporary_folder

TRAINED = 0.5  # share of a network's numbers; with fewer it has to learn anew
NAMED = 4  # settings, in a message


@dataclass(frozen=True)
class Initial:
    """Trained networks to begin with.

    Attributes:
        model: With its weights, the average where there is one.
        described: Where they are from.
    """

    model: Model
    described: str


def read_initial(recipe: Recipe, host: PluginHost, console: Console) -> Initial | None:
    """What a recipe's ``train.init`` names, if anything.

    Raises:
        CyclekitError: If it cannot be read, or is of another modality.
    """
    named = recipe.train.init
    if not named:
        return None
    folder: Path | None = Path(named)
    if Path(named).name in (LATEST, BEST):
        folder = pointed_at(Path(named))
    if folder is not None and folder.is_dir():
        found = _of_run(folder)
    elif some := _of_networks([Path(file) for file in named.split(",")]):
        found = some
    elif _is_nothing(named):
        raise UsageError(
            f"train.init: {named} does not exist. Name a run (`cyclekit runs list` shows yours), a "
            f"file of weights that `cyclekit import` reads, or zoo:NAME."
        )
    else:
        from cyclekit.importing.family import Choices
        from cyclekit.importing.making import import_weights

        with temporary_folder() as aside:
            files = named.split(",")
            try:
                made = import_weights(
                    files, aside / "run", Choices(), console, plugin=host.info.name
                )
            except CheckpointError as error:
                raise CheckpointError(
                    f"train.init: {error} Name a run, a file of weights, or zoo:NAME."
                ) from error
            if not made.is_dir():
                raise UsageError(f"train.init: {named} holds no network of a run.")
            found = replace(_of_run(made), described=named)
    theirs = found.model.modality.name
    if theirs != host.modality.name:
        raise UsageError(
            f"train.init: {found.described} is of plugin {theirs!r}, whose networks know nothing "
            f"of what {host.modality.name!r} has. Name a run of the same plugin."
        )
    return found


def _is_nothing(named: str) -> bool:
    """Whether there is no such file, nor is it a name of published weights."""
    from cyclekit.importing.zoo import PREFIX

    return not (named.startswith(PREFIX) or any(Path(file).exists() for file in named.split(",")))


def _of_networks(files: list[Path]) -> Initial | None:
    """Those networks of a checkpoint whose files were named, if they are files of one."""
    folder = files[0].parent
    if not (folder / MANIFEST).is_file():
        return None
    stems = [file.name.removesuffix(".safetensors") for file in files]
    averaged = {stem.endswith(AVERAGED) for stem in stems}
    if len(averaged) > 1 or any(file.parent != folder for file in files):
        raise UsageError(
            f"train.init: {','.join(map(str, files))} do not go together. Name files of one "
            f"checkpoint, moving averages ({AVERAGED}) alone or others alone."
        )
    whole = _of_run(folder, averaged=averaged.pop())
    names = {stem.removesuffix(AVERAGED) for stem in stems}
    if unknown := sorted(names.difference(whole.model.networks)):
        raise UsageError(
            f"train.init: {folder} has no network {unknown[0]!r}. It has "
            f"{', '.join(sorted(whole.model.networks))}."
        )
    others = frozenset(whole.model.networks) - names
    model = replace(whole.model, lacking=whole.model.lacking | others)
    return Initial(model, f"{' and '.join(sorted(names))} of {whole.described}")


def _of_run(folder: Path, averaged: bool = True) -> Initial:
    """A run's networks: of its newest checkpoint, or of the one that was named."""
    which = "latest"
    if (folder / MANIFEST).is_file():
        folder, which = folder.resolve().parents[1], folder.resolve().name.removeprefix("step-")
    run = RunDirectory.open(folder)
    model, checkpoint = read_model(run, which, everything=True, averaged=averaged)
    return Initial(model, f"{run}, step {checkpoint.step}")


def warm_started(prepared: Prepared, initial: Initial | None, console: Console) -> Prepared:
    """Give networks the weights that fit them; where no discriminator begins anew, none learns
    alone.

    Raises:
        CheckpointError: If no network got half of its weights, nor half of another's.
    """
    if initial is None:
        return prepared
    model = prepared.model
    console.say(f"beginning with the networks of {initial.described}")
    begun = _give(model, initial, console)
    phases = model.objective.phases
    judges = {name for phase in phases if phase.rate == "discriminator" for name in phase.trains}
    train = model.recipe.train
    if judges <= begun:
        train = train.model_copy(update={"init_discriminator_steps": 0})
    elif train.init_discriminator_steps:
        console.say(f"discriminators learn alone for {train.init_discriminator_steps} steps")
    recipe = model.recipe.model_copy(update={"train": train})
    return replace(prepared, model=replace(model, recipe=recipe))


def _give(model: Model, initial: Initial, console: Console) -> set[str]:
    """Hand the weights out; returns the names of the networks that got most of theirs."""
    whose, begun, most = counterparts(model, initial.model), set(), 0.0
    for name, network in model.networks.items():
        if name not in whose:
            console.say(f"{name}: anew")
            continue
        got = transfer(initial.model.networks[whose[name]], network)
        origin = "" if whose[name] == name else f", of {whose[name]}"
        console.say(f"{name}: {got.describe()}{origin}")
        most = max(most, got.share, got.used)
        if got.share >= TRAINED:
            begun.add(name)
    if most < TRAINED:
        raise CheckpointError(
            f"train.init: {f'at most {most:.0%}' if most else 'nothing'} of a network in "
            f"{initial.described} fits what the recipe describes, which would be to begin anew. "
            f"{_other_networks(initial.model.recipe, model.recipe)}"
        )
    return begun


def _other_networks(theirs: Recipe, own: Recipe) -> str:
    """How to get the networks that were trained, in a sentence."""
    parts = ("generator", "discriminator")
    there, here = (
        flattened({part: recipe.model_dump(mode="json")[part] for part in parts})
        for recipe in (theirs, own)
    )
    differing = [key for key in there if there[key] not in (None, here.get(key))]
    if not differing:
        return "Leave it out."
    said = [shlex.quote(f"{key}={_as_setting(there[key])}") for key in differing[:NAMED]]
    settings = " ".join(f"--set {setting}" for setting in said)
    more = f" and {len(differing) - NAMED} more" if len(differing) > NAMED else ""
    return f"Choose the networks that it has ({settings}{more}), or leave it out."


def _as_setting(value: Any) -> str:
    """A value as ``--set`` takes it."""
    return value if isinstance(value, str) else json.dumps(value)


def counterparts(model: Model, theirs: Model) -> Mapping[str, str]:
    """Whose weights each network gets: those of its own name, or, of networks that translate, of
    the ones that translate the same way there, domain by domain in their order."""
    there = {name for name in theirs.networks if name not in theirs.lacking}
    found = {name: name for name in model.networks if name in there}
    place = dict(zip(model.objective.domains, theirs.objective.domains, strict=False))
    ways = {way.ends: way for way in theirs.directions.values()}
    for way in model.objective.directions:
        same = ways.get((place.get(way.source, ""), place.get(way.target, "")))
        for name, other in zip(way.networks, same.networks if same else (), strict=False):
            if other in there:
                found.setdefault(name, other)
    return found
