"""Open a finished or running run to translate or measure with it."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from cyclekit.console import Console
from cyclekit.data.attributes import AttributeTable
from cyclekit.engine.arithmetic import choose_arithmetic, own_arithmetic
from cyclekit.engine.fabric import Hardware
from cyclekit.engine.model import Model, build_model, specs_of
from cyclekit.engine.translator import Translator
from cyclekit.errors import CheckpointError, UsageError
from cyclekit.hub.fetching import fetch, is_remote
from cyclekit.plugins.discovery import find_plugin
from cyclekit.plugins.host import PluginHost, load_plugin
from cyclekit.recipe.layers import Layers, read_layers
from cyclekit.recipe.reading import Setting
from cyclekit.recipe.resolve import resolve
from cyclekit.recipe.settings import Recipe
from cyclekit.runs.checkpoint import Checkpoint
from cyclekit.runs.directory import RunDirectory
from cyclekit.runs.starting import start
from cyclekit.trust import code_files, consider, require_trusted


@dataclass(frozen=True)
class OpenRun:
    """A run with one checkpoint's weights loaded.

    Attributes:
        run: Its folder.
        model: Built from its recipe.
        checkpoint: The one that was chosen.
        translator: Uses the moving average where there is one.
    """

    run: RunDirectory
    model: Model
    checkpoint: Checkpoint
    translator: Translator


def open_run(
    folder: Path | str,
    checkpoint: str = "latest",
    hardware: Hardware = Hardware(),  # noqa: B008 - frozen
    precision: str | None = None,
    batch_size: int | None = None,
    console: Console = Console(quiet=True),  # noqa: B008 - has no state
    settings: Iterable[Setting] = (),
    seed: int = 0,
    table: Path | None = None,
) -> OpenRun:
    """Open a run; needs no flags, since recipe and plugin are in it.

    Args:
        folder: The run, or where it is on a hub: ``hf:USER/NAME[@REVISION]``.
        checkpoint: ``latest``, ``best`` or a step number.
        hardware: Where to compute.
        precision: One of ``PRECISIONS``; ``None``: the run's, float32 where the device is slow in
            that.
        batch_size: Of a ``Translator``.
        console: Is told of a precision that is slow, or another than the run's.
        settings: Changes to how files are read and written: ``codec.KEY``.
        seed: Latent codes follow from it.
        table: Of the attributes of what is translated, in place of the training's.

    Raises:
        CheckpointError: If the folder is no run, or the checkpoint is missing, damaged or misfit.
        UsageError: If its plugin is not installed, or networks would see other tensors.
    """
    run = RunDirectory.open(fetch(folder, console) if is_remote(folder) else folder)
    model, chosen = read_model(run, checkpoint, tuple(settings), console=console)
    if table is not None:
        model = replace(model, table=AttributeTable(table, model.table.names))
    choose = (
        partial(own_arithmetic, model.recipe.train.precision)
        if precision is None
        else partial(choose_arithmetic, precision)
    )
    fabric, _ = start(hardware, choose, console)
    for network in model.translators.values():
        network.requires_grad_(False).eval()
        fabric.setup_module(network)  # moves and converts it in place; the wrapper is not needed
    translator = Translator(model, model.networks, fabric, batch_size, seed)
    return OpenRun(run, model, chosen, translator)


def read_model(
    run: RunDirectory,
    checkpoint: str,
    settings: tuple[Setting, ...] = (),
    everything: bool = False,
    console: Console = Console(quiet=True),  # noqa: B008 - has no state
    averaged: bool = True,
) -> tuple[Model, Checkpoint]:
    """Build what a run's recipe describes, with a checkpoint's weights on the CPU.

    Args:
        run: The run.
        checkpoint: As of ``open_run``, which also says what is raised.
        settings: Likewise.
        everything: Load the networks, too, that only training needs.
        console: Is told of settings that have another name now.
        averaged: Take moving averages of what translates, where the run keeps them.
    """
    host, recipe = _recall_changed(run, settings, console)
    with run.checkpoints.open(checkpoint) as chosen:
        chosen.require_plugin(host.info)
        built = build_model(host.modality, recipe, complete=everything)
        model = _without_the_lacking(built, chosen)
        translators = model.translators
        for name, network in (model.networks if everything else translators).items():
            if name not in model.lacking:
                chosen.read_weights(network, name, averaged=averaged and name in translators)
        chosen.restore_codec(model.codec)
    return model, chosen


def _without_the_lacking(model: Model, checkpoint: Checkpoint) -> Model:
    """The model as far as an imported checkpoint has weights for it.

    Raises:
        CheckpointError: If it has none to translate with.
    """
    if checkpoint.has_state:
        return model  # a training saves all of them: what is not there was lost
    lacking = frozenset(name for name in model.networks if not checkpoint.has_weights(name))
    able = replace(model, lacking=lacking)
    if not able.directions:
        raise CheckpointError(f"{checkpoint.folder} has no weights of any generator.")
    return able


def _recall_changed(
    run: RunDirectory, settings: tuple[Setting, ...], console: Console
) -> tuple[PluginHost, Recipe]:
    """What a run was made with, its codec's settings changed where networks do not notice."""
    host, recipe = recall(run)
    if not settings:
        return host, recipe
    wrong = [key for key, _, _ in settings if not key.startswith("codec.")]
    if wrong:
        raise UsageError(
            f"--set {wrong[0]}: a trained run takes other settings of its codec (codec.KEY=VALUE) "
            f"alone."
        )
    layers = read_layers_of(run)
    layers.lay(settings)
    _, changed = recall(run, layers)
    for warning in layers.moved:
        console.warn(warning)
    before, after = (specs_of(host.modality, one) for one in (recipe, changed))
    if before != after:
        keys = ", ".join(key for key, _, _ in settings)
        raise UsageError(
            f"--set {keys}: the run's networks were trained on tensors of another shape or range. "
            f"Train anew to change that."
        )
    return host, changed


def recall(run: RunDirectory, layers: Layers | None = None) -> tuple[PluginHost, Recipe]:
    """The plugins and recipe that a run was made with.

    Args:
        run: The run.
        layers: Its recipe with changes laid over it; default: as it was saved.

    Raises:
        UsageError: If the plugin is not installed any more; names it with the version it had.
    """
    layers = layers or read_layers_of(run)
    if run.plugin_name().endswith(".py"):
        require_trusted(run.plugin_name(), str(run))
    for name in layers.extensions:
        if name.endswith(".py"):
            consider(name, layers.origin("extensions"))
    _require_plugin(run)
    host = load_plugin(run.plugin_name(), layers.extensions)
    named = layers.table.get("plugin", host.modality.name)
    if named != host.modality.name:
        raise UsageError(f"{run} is of plugin {host.modality.name!r}, not of {named!r:.50}.")
    recipe = resolve(layers, host.modality)
    for key, file in code_files(recipe):
        consider(file, layers.origin(key))
    return host, recipe


def _require_plugin(run: RunDirectory) -> None:
    """Raise ``UsageError`` where a run's plugin is gone; says how it comes back."""
    try:
        find_plugin(run.plugin_name())
    except UsageError as error:
        made_with = run.plugin()
        package, version = made_with["distribution"], made_with["version"]
        if package.endswith(".py"):
            remedy = f"Put the file back: {package}."
        elif re.fullmatch(r"[\w.-]+", package) and re.fullmatch(r"[\w.+-]+", version):
            remedy = f"Install it: pip install '{package}=={version}', or from its source folder."
        else:
            remedy = "Install it."
        raise UsageError(
            f"{run} was made with plugin {made_with['name']!r} ({package} {version}), which is not "
            f"there any more. {remedy}"
        ) from error


def read_layers_of(run: RunDirectory) -> Layers:
    """The run's recipe as it was saved, ready for changes to be laid over it."""
    if not run.recipe_file.is_file():
        raise CheckpointError(f"{run} has no recipe.toml.")
    layers = read_layers(run.recipe_file)
    layers.forgive()  # whoever has an old run need not write it anew
    return layers
