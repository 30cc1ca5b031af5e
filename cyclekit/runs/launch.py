"""Start and resume training: from names and settings to a running session and its result."""

import contextlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from lightning_fabric import Fabric

from cyclekit.data.made import is_builtin
from cyclekit.engine.arithmetic import choose_arithmetic
from cyclekit.engine.guard import NotFinite
from cyclekit.engine.hardware import Hardware, full_precision, part
from cyclekit.engine.trainer import Trainer
from cyclekit.errors import CyclekitError, UsageError
from cyclekit.judging.figures import Figures
from cyclekit.plugins import PluginHost, find_plugin, load_plugin
from cyclekit.recipe.resolve import resolve
from cyclekit.recipe.settings import Recipe
from cyclekit.recipe.sources import Layers, Setting, find_recipe, read_layers
from cyclekit.runs.checkpoint import Checkpoint
from cyclekit.runs.data_record import changes, record_files
from cyclekit.runs.directory import RunDirectory
from cyclekit.runs.divergence import keep_batch
from cyclekit.runs.evaluation import keep_evaluation
from cyclekit.runs.layout import step_folders, step_name
from cyclekit.runs.opening import read_layers_of, recall
from cyclekit.runs.preparation import Prepared, prepare
from cyclekit.runs.recorder import Recorder
from cyclekit.runs.starting import start
from cyclekit.runs.stopping import Stopped, listening
from cyclekit.runs.watcher import Watcher
from cyclekit.temporary import temporary_folder
from cyclekit.trust import code_files, require_trusted, trust


@dataclass(frozen=True)
class TrainResult:
    """What training left behind.

    Attributes:
        run: The run directory.
        evaluation: Figures by direction from the last step, empty where none were taken.
        samples: The newest previews: the file where it is one, else their folder.
    """

    run: Path
    evaluation: dict[str, Figures]
    samples: Path | None


def data_settings(root: Path | str) -> list[Setting]:
    """Settings that make ``root`` the data, whatever folders the recipe names."""
    others = [(f"data.{key}", None, "--data") for key in ("a", "b", "test_a", "test_b")]
    return [*others, ("data.parallel", False, "--data"), ("data.root", str(root), "--data")]


@dataclass(frozen=True)
class Plan:
    """A recipe that was found and resolved, with its plugins loaded.

    Attributes:
        host: The plugins.
        recipe: The resolved recipe.
        source: The recipe's file.
    """

    host: PluginHost
    recipe: Recipe
    source: Path


def plan_training(plugin: str, recipe: str, settings: Iterable[Setting] = ()) -> Plan:
    """Find a recipe and resolve it with ``settings`` (key, value, origin) laid over it."""
    info = find_plugin(plugin)
    source = find_recipe(recipe, info)
    layers = read_layers(source, info, settings)
    return Plan(*_resolved(layers, plugin), source)


def start_training(
    plan: Plan, run_dir: Path | None, hardware: Hardware, watcher: Watcher, dry_run: bool = False
) -> TrainResult:
    """Begin a new run; a dry run does everything up to the first step and leaves nothing."""
    fabric, recipe, watcher = _started(_anchored(plan.recipe), hardware, watcher)
    plan = replace(plan, recipe=recipe)
    watcher.say(f"recipe: {plan.source}")
    with contextlib.ExitStack() as stack:
        if dry_run:
            if run_dir is not None:
                RunDirectory(run_dir).require_free()
            run_dir = stack.enter_context(temporary_folder())
        folder = None
        if fabric.is_global_zero:
            claim = RunDirectory.claim(
                run_dir, plan.host.info, plan.recipe, plan.source.stem, str(fabric.device)
            )
            own = stack.enter_context(claim)
            folder = own.folder
        told = fabric.broadcast(folder)
        run = own if fabric.is_global_zero else RunDirectory(told)
        try:
            prepared = prepare(plan.host, plan.recipe, run, fabric, watcher)
        except BaseException:
            if fabric.is_global_zero:
                run.storage.empty()  # nothing was trained in it
            raise
        for line in prepared.describe(fabric):
            watcher.say(line)
        if dry_run:
            part(fabric)
            return TrainResult(run.folder, {}, None)
        watcher.say(f"run: {run}")
        return _train(plan.host, prepared, run, fabric, watcher)


def resume_training(
    folder: Path,
    settings: Iterable[Setting],
    hardware: Hardware,
    watcher: Watcher,
    strict_data: bool = False,
) -> TrainResult:
    """Go on with a run from its latest checkpoint, or from the start where it has none.

    Args:
        folder: The run.
        settings: Changes to its recipe.
        hardware: Devices and ranks.
        watcher: Is told of what was found.
        strict_data: Refuse training files that are not what they were.
    """
    run = RunDirectory.open(folder)
    layers = read_layers_of(run)
    layers.lay(settings)
    host, recipe = recall(run, layers)
    checkpoint = run.checkpoints.open("latest") if run.checkpoints.all() else None
    fabric, recipe, watcher = _started(recipe, hardware, watcher, run)
    if checkpoint and checkpoint.step >= recipe.train.steps and not owes(run, checkpoint):
        if fabric.is_global_zero:
            _settle(run, checkpoint, recipe.train.keep)
        part(fabric)
        watcher.say(
            f"{run} is finished: {checkpoint.step} steps are done. Train on with --steps and a "
            f"number larger than that."
        )
        return TrainResult(run.folder, checkpoint.manifest.evaluation, newest_samples(run))
    if checkpoint:
        recipe = keep_global_batch(recipe, checkpoint, fabric.world_size, watcher.say)
    with run.owned() if fabric.is_global_zero else contextlib.nullcontext():
        prepared = prepare(host, recipe, run, fabric, watcher)
        _compare_data(run, prepared, fabric, watcher, strict_data)
        done = checkpoint.step if checkpoint else 0
        watcher.say(f"run: {run}, from step {done} of {recipe.train.steps}")
        return _train(host, prepared, run, fabric, watcher, checkpoint)


def _compare_data(
    run: RunDirectory, prepared: Prepared, fabric: Fabric, watcher: Watcher, strict: bool
) -> None:
    """Say how the training files differ from those that the run was begun with."""
    said = changes(run, prepared.encoded) if fabric.is_global_zero else ""
    if said := fabric.broadcast(said):
        if strict:
            raise UsageError(
                f"The training files are not what they were: {said}. Put them back, or leave out "
                f"--strict-data to go on with what is there."
            )
        watcher.warn(f"the training files are not what they were: {said}. Going on with them.")


def owes(run: RunDirectory, checkpoint: Checkpoint) -> bool:
    """Whether a process was killed before it wrote down what the last step was measured at."""
    report = run.evaluations / f"{step_name(checkpoint.step)}.json"
    return bool(checkpoint.manifest.evaluation) and not report.is_file()


def _settle(run: RunDirectory, checkpoint: Checkpoint, keep: int) -> None:
    """Put in order what a process left that was killed after the last step."""
    with run.owned():
        run.clean()
        best = checkpoint.read_state().best.get("step")
        checkpoint.close()
        run.checkpoints.settle(int(best) if best is not None else None, keep)


def keep_global_batch(
    recipe: Recipe, checkpoint: Checkpoint, ranks: int, say: Callable[[str], None]
) -> Recipe:
    """The recipe with as many samples in a step as the run had, however many ranks there are now.

    ``train.batch_size`` says how many of them a rank takes at once, at most.

    Raises:
        UsageError: If they cannot be shared out evenly.
    """
    whole, train = checkpoint.manifest.global_batch, recipe.train
    if train.batch_size * train.accumulate * ranks == whole:
        return recipe
    share, rest = divmod(whole, ranks)
    if rest:
        raise UsageError(
            f"The run has {whole} samples of each domain in a step; they cannot be shared out "
            f"evenly among {ranks} ranks. Use a number of --devices that divides {whole}."
        )
    at_once = max(size for size in range(1, train.batch_size + 1) if share % size == 0)
    say(
        f"{whole} samples in a step, as before: batch_size {at_once}, accumulate "
        f"{share // at_once} on {ranks} ranks"
    )
    changes = {"batch_size": at_once, "accumulate": share // at_once}
    return recipe.model_copy(update={"train": train.model_copy(update=changes)})


def _started(
    recipe: Recipe, hardware: Hardware, watcher: Watcher, run: RunDirectory | None = None
) -> tuple[Fabric, Recipe, Watcher]:
    """Fabric, the recipe with the precision that is really used, and who speaks on this rank."""
    choose = partial(choose_arithmetic, recipe.train.precision)
    instead = f"cyclekit resume {run}" if run else "cyclekit train ..."
    fabric, precision = start(hardware, choose, watcher, instead)
    watcher = watcher if fabric.is_global_zero else Watcher(quiet=True)
    train = recipe.train.model_copy(update={"precision": precision})
    return fabric, recipe.model_copy(update={"train": train}), watcher


def newest_samples(run: RunDirectory) -> Path | None:
    """The last previews of a run: the file where it is one, else the folder."""
    folders = list(step_folders(run.samples).values())
    if not folders:
        return None
    files = list(folders[-1].iterdir())
    return files[0] if len(files) == 1 else folders[-1]


def _anchored(recipe: Recipe) -> Recipe:
    """The recipe with absolute paths, so that the run can be opened from anywhere."""
    data = recipe.data
    folders = {
        key: str(Path(path).expanduser().resolve())
        for key in ("root", "a", "b", "test_a", "test_b", "extra", "cache")
        if (path := getattr(data, key)) is not None and not (key == "root" and is_builtin(data))
    }
    extensions = tuple(
        str(Path(name).expanduser().resolve()) if name.endswith(".py") else name
        for name in recipe.extensions
    )
    changes = {"data": data.model_copy(update=folders), "extensions": extensions}
    return recipe.model_copy(update=changes)


def _train(
    host: PluginHost,
    prepared: Prepared,
    run: RunDirectory,
    fabric: Fabric,
    watcher: Watcher,
    checkpoint: Checkpoint | None = None,
) -> TrainResult:
    """Train to the last step, then show the last figures beside the baselines."""
    trainer = Trainer(fabric, prepared.model, prepared.batches)
    recorder = Recorder(host, run, trainer, prepared.collections, watcher)
    led_here = checkpoint.recipe() if checkpoint else None
    if checkpoint:
        recorder.restore(checkpoint)
        checkpoint.close()
    recorder.start()
    if fabric.is_global_zero:
        record_files(run, prepared.encoded)
    if led_here is not None and fabric.is_global_zero:
        run.log_changes(trainer.step, led_here, prepared.model.recipe)
    with (
        listening(fabric, watcher.say) as stop,
        watcher.progress(trainer.settings.steps, trainer.step) as progress,
        full_precision(trainer.settings.precision),
    ):

        def after_step() -> None:
            number = stop.agreed(trainer.step)
            recorder.after_step(progress, save=bool(number))
            if number and trainer.step < trainer.settings.steps:
                raise Stopped(
                    f"stopped after step {trainer.step} of {trainer.settings.steps}; everything is "
                    f"saved. Go on with: cyclekit resume {run}",
                    number,
                )

        try:
            trainer.fit(after_step)
        except Stopped:  # on every rank after the same step
            part(fabric)
            raise
        except NotFinite as error:  # likewise
            kept = keep_batch(error, prepared, run) if fabric.is_global_zero else ""
            said = fabric.broadcast(kept)
            part(fabric)
            raise CyclekitError(said) from error
    recorder.finish()
    if recorder.report and fabric.is_global_zero:
        report = keep_evaluation(run, trainer.step, recorder.report, recorder.judge)
        translated = {way: report[way] for way in (*recorder.report, "both")}
        watcher.table("on the test set", {"translated": translated, **report["baselines"]})
    result = TrainResult(run.folder, recorder.report, newest_samples(run))
    if result.samples:
        watcher.result(f"samples: {result.samples}")
    watcher.say(f"translate: cyclekit translate {run} INPUT... -o OUT --direction a2b")
    part(fabric)
    return result


def _resolved(layers: Layers, plugin: str) -> tuple[PluginHost, Recipe]:
    if plugin.endswith(".py"):
        trust(plugin)
    for name in layers.extensions:
        if name.endswith(".py"):
            _consider(name, layers.origin("extensions"))
    host = load_plugin(plugin, layers.extensions)
    name = host.modality.name
    named = layers.table.setdefault("plugin", name)
    if named != name:
        raise UsageError(f"The recipe is for plugin {named!r}, not for {name!r}.")
    recipe = resolve(layers, host.modality)
    for key, file in code_files(recipe):
        _consider(file, layers.origin(key))
    return host, recipe


def _consider(code: str, origin: str) -> None:
    """Take a file of code from a person, and from a recipe what a person has named before."""
    if Path(origin).is_file():
        require_trusted(code, origin)
    else:
        trust(code)
