"""From everything prepared to the last step and what it was measured at."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from cyclekit.console import Console
from cyclekit.engine.fabric import end_together, full_precision, on_first
from cyclekit.engine.guard import NotFinite
from cyclekit.engine.lightning import Fabric
from cyclekit.engine.trainer import Trainer
from cyclekit.errors import CyclekitError
from cyclekit.judging.figures import Figures
from cyclekit.plugins.host import PluginHost
from cyclekit.preparing.budget import Budget
from cyclekit.preparing.preparation import Prepared
from cyclekit.runs.checkpoint import Checkpoint
from cyclekit.runs.data_record import record_files
from cyclekit.runs.directory import RunDirectory
from cyclekit.runs.evaluation import keep_evaluation
from cyclekit.runs.layout import step_folders
from cyclekit.training.nonfinite import keep_batch
from cyclekit.training.plans import Planner, Recorded, timeline_of, write_plans
from cyclekit.training.recorder import Recorder
from cyclekit.training.stopping import Stopped, listening
from cyclekit.training.watching import Watch


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


def train(
    host: PluginHost,
    prepared: Prepared,
    run: RunDirectory,
    fabric: Fabric,
    console: Console,
    checkpoint: Checkpoint | None = None,
    recorded: Sequence[Recorded] = (),
    begun: float = 0.0,
) -> TrainResult:
    """Train to the last step, then show the last figures beside the baselines.

    Args:
        host: The plugins.
        prepared: Model and data.
        run: Keeps everything.
        fabric: Devices and ranks.
        console: Is told how it goes.
        checkpoint: Where to go on from.
        recorded: The run's plans, where it has some; by the last one's minutes it is planned anew.
        begun: When the run began, by ``budget.now``, time between its processes left out.
    """
    timeline = timeline_of(recorded, prepared.model.recipe.train.steps)
    trainer = Trainer(fabric, prepared.model, prepared.batches, timeline, console.warn)
    recorder = Recorder(host, run, trainer, prepared.collections, console)
    recorder.watch = Watch(run, trainer, prepared, console.warn)
    planner = None
    if recorded and (minutes := recorded[-1].minutes) is not None:
        last = recorded[-1]
        budget = Budget(minutes, trainer.settings, recorder.costs, begun, last.before)
        recorder.budget = budget
        planner = Planner(run, trainer, budget, console, recorded)
    led_here = checkpoint.recipe() if checkpoint else None
    if checkpoint:
        recorder.restore(checkpoint)
        checkpoint.close()
    recorder.start()
    if recorded:
        on_first(fabric, partial(write_plans, run, recorded))
    if planner and not trainer.is_done:
        on_first(fabric, recorder.rehearse)
    record = partial(record_files, run, prepared.encoded, prepared.tests)
    if led_here is None:
        on_first(fabric, record)
    else:
        recorder.once_saved = record  # until then the run is one on what was there
        change = partial(run.log_changes, trainer.step, led_here, prepared.model.recipe)
        on_first(fabric, change)
    _fit(trainer, recorder, planner, prepared, run, console)
    recorder.finish()
    result = _concluded(trainer, recorder, run, console)
    end_together(fabric)
    return result


def _fit(
    trainer: Trainer,
    recorder: Recorder,
    planner: Planner | None,
    prepared: Prepared,
    run: RunDirectory,
    console: Console,
) -> None:
    """Train until the last step, or until somebody asks for a stop."""
    fabric = trainer.fabric
    with (
        listening(fabric, console.say) as stop,
        console.progress(trainer.steps, trainer.step) as progress,
        full_precision(trainer.settings.precision),
    ):

        def after_step() -> None:
            if planner:
                planner.after_step(progress)
            number = stop.agreed(trainer.step)
            recorder.after_step(progress, save=bool(number))
            if number and not trainer.is_done:
                raise Stopped(
                    f"stopped after step {trainer.step} of {trainer.steps}; everything is "
                    f"saved. Go on with: cyclekit resume {run}",
                    number,
                )

        try:
            trainer.fit(after_step)
        except Stopped:  # on every rank after the same step
            end_together(fabric)
            raise
        except NotFinite as error:  # likewise
            said = on_first(fabric, partial(keep_batch, error, prepared, run))
            end_together(fabric)
            raise CyclekitError(said) from error


def _concluded(
    trainer: Trainer, recorder: Recorder, run: RunDirectory, console: Console
) -> TrainResult:
    """What training left behind, shown and written down."""
    # Rank 0 alone has figures; every rank has to ask for what it makes of them.
    report = on_first(trainer.fabric, partial(_kept_report, trainer, recorder, run))
    if report and trainer.fabric.is_global_zero:
        several = ("both",) if len(recorder.report) > 1 else ()
        translated = {way: report[way] for way in (*recorder.report, *several)}
        rivals = report["baselines"] | ({"real": report["real"]} if "real" in report else {})
        if any(translated.values()):
            on = recorder.judge.evidence.described
            console.table(on, {"translated": translated, **rivals})
            console.better(report["higher_is_better"])
        else:
            console.say(
                f"no figures: plugin {trainer.model.modality.name!r} brings no metrics, or none "
                f"that could be computed. A classifier of the domains judges with: "
                f"cyclekit evaluate {run}"
            )
    result = TrainResult(run.folder, recorder.report, newest_samples(run))
    if result.samples:
        console.result(f"samples: {result.samples}")
    first = trainer.model.objective.directions[0].name
    console.say(f"translate: cyclekit translate {run} INPUT... -o OUT --direction {first}")
    return result


def _kept_report(trainer: Trainer, recorder: Recorder, run: RunDirectory) -> dict[str, Any]:
    """The last evaluation beside other ways to translate, written into the run."""
    if not recorder.report:
        return {}
    return keep_evaluation(run, trainer.step, recorder.measured(), recorder.judge)


def newest_samples(run: RunDirectory) -> Path | None:
    """The last previews of a run: the file where it is one, else the folder."""
    folders = list(step_folders(run.samples).values())
    if not folders:
        return None
    files = list(folders[-1].iterdir())
    return files[0] if len(files) == 1 else folders[-1]
