"""Go on with a run, or finish what its last process left undone."""

import contextlib
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from cyclekit.console import Console
from cyclekit.data.cache import is_cache
from cyclekit.engine.fabric import Hardware, end_together, on_first
from cyclekit.engine.lightning import Fabric
from cyclekit.engine.model import specs_of
from cyclekit.engine.timeline import Planned
from cyclekit.errors import UsageError
from cyclekit.names import heading, samples
from cyclekit.plugins.host import PluginHost
from cyclekit.preparing import budget
from cyclekit.preparing.planning import anchored
from cyclekit.preparing.preparation import Prepared, prepare
from cyclekit.preparing.warm_start import read_initial, warm_started
from cyclekit.recipe.layers import Layers
from cyclekit.recipe.reading import Setting
from cyclekit.recipe.settings import Recipe
from cyclekit.runs.checkpoint import Checkpoint
from cyclekit.runs.data_record import changes
from cyclekit.runs.directory import RunDirectory
from cyclekit.runs.layout import step_name
from cyclekit.runs.open_run import read_layers_of, recall
from cyclekit.runs.starting import start_recipe
from cyclekit.training.loop import TrainResult, newest_samples, train
from cyclekit.training.plans import Recorded, read_plans, spent_before, timeline_of

GLOBAL_BATCH = ("train.batch_size", "train.accumulate")


def resume_training(
    folder: Path,
    settings: Iterable[Setting],
    hardware: Hardware,
    console: Console,
    strict_data: bool = False,
    minutes: float | None = None,
) -> TrainResult:
    """Go on with a run from its latest checkpoint, or from the start where it has none.

    Args:
        folder: The run.
        settings: Changes to its recipe.
        hardware: Devices and ranks.
        console: Is told of what was found.
        strict_data: Refuse training files that are not what they were.
        minutes: From now on, in place of a number of steps.
    """
    begun = budget.now()
    run, settings = RunDirectory.open(folder), list(settings)
    layers = read_layers_of(run)
    layers.lay(settings)
    host, recipe = recall(run, layers)
    for warning in layers.moved:
        console.warn(warning)
    recipe = anchored(recipe)
    checkpoint = _latest(run)
    fabric, recipe, console = start_recipe(recipe, hardware, console, f"cyclekit resume {run}")
    done, steps = checkpoint.step if checkpoint else 0, recipe.train.steps
    recorded = _recorded(run, done, recipe, settings, minutes)
    if recorded and recorded[-1].minutes is not None:  # the recipe's were a beginning
        steps = timeline_of(recorded, steps).steps(done)
    if checkpoint:
        _refuse_fewer_steps(run, checkpoint, steps)
    if checkpoint and checkpoint.step >= steps and not _owes(run, checkpoint):
        _refuse_late_changes(run, checkpoint, settings)
        return _finished(run, checkpoint, recipe, fabric, console)
    recipe = _with_own_cache(recipe, layers, console.say)
    if any(key.startswith("codec.") for key, _, _ in settings):
        _require_same_samples(host, recall(run)[1], recipe)
    if checkpoint and not any(key in GLOBAL_BATCH for key, _, _ in settings):
        recipe = keep_global_batch(recipe, checkpoint, fabric.world_size, console.say)
    with contextlib.ExitStack() as stack:
        on_first(fabric, lambda: stack.enter_context(run.owned()))
        prepared = prepare(host, recipe, run, fabric, console)
        if checkpoint is None:
            initial = read_initial(recipe, host, console)
            prepared = warm_started(prepared, initial, console)
        _compare_data(run, prepared, fabric, console, strict_data)
        console.say(f"run: {run}, from step {done} of {steps}")
        begun -= spent_before(run, done)
        return train(host, prepared, run, fabric, console, checkpoint, recorded, begun)


def _latest(run: RunDirectory) -> Checkpoint | None:
    """The checkpoint to go on from, where there is one.

    Raises:
        UsageError: If it has weights alone.
    """
    checkpoint = run.checkpoints.open("latest") if run.checkpoints.all() else None
    if checkpoint and not checkpoint.has_state:
        raise UsageError(
            f"{run} was imported: it holds weights, and nothing that training could go on from. "
            f"Begin a new run with them: cyclekit train ... --init {run}"
        )
    return checkpoint


def _finished(
    run: RunDirectory, checkpoint: Checkpoint, recipe: Recipe, fabric: Fabric, console: Console
) -> TrainResult:
    """What there is of a run of which no step is left; says so."""
    on_first(fabric, partial(_settle, run, checkpoint, recipe.train.keep_checkpoints))
    end_together(fabric)
    console.say(
        f"{run} is finished: {checkpoint.step} steps are done. Train on with --steps and a "
        f"number larger than that, or with --minutes."
    )
    return TrainResult(run.folder, checkpoint.manifest.evaluation, newest_samples(run))


def _recorded(
    run: RunDirectory,
    done: int,
    recipe: Recipe,
    settings: Iterable[Setting],
    minutes: float | None,
) -> list[Recorded]:
    """The run's plans. Whoever says steps or minutes begins anew with one: rates become those of a
    training that long, of which some is done."""
    if minutes is not None:
        guess = max(done + budget.LEAST_GUESS, recipe.train.steps)
        return [Recorded(Planned(0, guess), minutes, before=spent_before(run, done))]
    recorded = read_plans(run)
    if not recorded or not any(key == "train.steps" for key, _, _ in settings):
        return recorded
    return [Recorded(Planned(0, max(done, recipe.train.steps)))]


def _refuse_fewer_steps(run: RunDirectory, checkpoint: Checkpoint, steps: int) -> None:
    """Refuse to stop before where the run is."""
    if checkpoint.step > steps:
        raise UsageError(
            f"{run} has done {checkpoint.step} steps, which is more than the {steps} that were "
            f"asked for. Give a larger number, or none for the {_planned(run, checkpoint)} that "
            f"were planned."
        )


def _refuse_late_changes(
    run: RunDirectory, checkpoint: Checkpoint, settings: Iterable[Setting]
) -> None:
    """Refuse changes to a recipe of which no step is left."""
    if changed := [key for key, _, _ in settings if key != "train.steps"]:
        raise UsageError(
            f"{run} is finished: {checkpoint.step} steps are done, and none is left for "
            f"{', '.join(changed)} to change. Give --steps and a number larger than that."
        )


def _planned(run: RunDirectory, checkpoint: Checkpoint) -> int | str:
    """Steps in all: by the newest plan that minutes led to, else by the checkpoint's recipe."""
    if recorded := read_plans(run):
        return recorded[-1].plan.steps
    train = checkpoint.recipe().get("train")
    steps = train.get("steps") if isinstance(train, dict) else None
    return steps if isinstance(steps, int) else "steps"


def _owes(run: RunDirectory, checkpoint: Checkpoint) -> bool:
    """Whether a process ended before it measured the last step, or wrote down what it found."""
    report = run.evaluations / f"{step_name(checkpoint.step)}.json"
    told = checkpoint.manifest
    return told.unmeasured or (bool(told.evaluation) and not report.is_file())


def _settle(run: RunDirectory, checkpoint: Checkpoint, keep: int) -> None:
    """Put in order what a process left that was killed after the last step."""
    with run.owned():
        run.clean()
        best = checkpoint.read_state().best
        checkpoint.close()
        run.checkpoints.settle(best.step if best else None, keep)


def _require_same_samples(host: PluginHost, before: Recipe, after: Recipe) -> None:
    """Refuse a codec that makes other samples than the networks have learned from.

    Raises:
        UsageError: Saying in what they differ.
    """
    old, new = (specs_of(host.modality, recipe) for recipe in (before, after))
    for domain, was in old.items():
        now = new[domain]
        for what in ("channels", "dims", "range", "gaps"):
            if getattr(was, what) != getattr(now, what):
                raise UsageError(
                    f"The run has learned from samples of domain {heading(domain)} with {what} "
                    f"{getattr(was, what)}, and codec would make some with "
                    f"{getattr(now, what)}. Train anew for that, or leave the setting as it was."
                )


def _with_own_cache(recipe: Recipe, layers: Layers, say: Callable[[str], None]) -> Recipe:
    """The recipe without a cache that only the run names and that never was one here.

    A run may come from anybody, who shall not choose where else to write.
    """
    folder = recipe.data.cache
    if folder is None or is_cache(Path(folder)) or not Path(layers.origin("data.cache")).is_file():
        return recipe
    say(f"{folder} is no cache so far and was only named by the run: the default is used")
    return recipe.model_copy(update={"data": recipe.data.model_copy(update={"cache": None})})


def _compare_data(
    run: RunDirectory, prepared: Prepared, fabric: Fabric, console: Console, strict: bool
) -> None:
    """Say how the files differ from those that the run was begun with."""
    if said := on_first(fabric, partial(changes, run, prepared.encoded, prepared.tests)):
        if strict:
            raise UsageError(
                f"The files are not what they were: {said}. Put them back, or leave out "
                f"--strict-data to go on with what is there."
            )
        console.warn(f"the files are not what they were: {said}. Going on with them.")


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
            f"The run has {samples(whole)} of each domain in a step; they cannot be shared out "
            f"evenly among {ranks} ranks. Use a number of --devices that divides {whole}."
        )
    at_once = max(size for size in range(1, train.batch_size + 1) if share % size == 0)
    say(
        f"{samples(whole)} in a step, as before: batch_size {at_once}, accumulate "
        f"{share // at_once} on {ranks} ranks"
    )
    changes = {"batch_size": at_once, "accumulate": share // at_once}
    return recipe.model_copy(update={"train": train.model_copy(update=changes)})
