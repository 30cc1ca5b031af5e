"""Begin a new run."""

import contextlib
from dataclasses import replace
from pathlib import Path

from cyclekit.console import Console
from cyclekit.engine.fabric import Hardware, end_together, on_first
from cyclekit.engine.timeline import Planned
from cyclekit.preparing import budget
from cyclekit.preparing.designing import PLANNED, design, keep
from cyclekit.preparing.planning import Plan, anchored
from cyclekit.preparing.preparation import prepare
from cyclekit.preparing.warm_start import read_initial, warm_started
from cyclekit.runs.directory import RunDirectory
from cyclekit.runs.starting import start_recipe
from cyclekit.temporary import temporary_folder
from cyclekit.training.loop import TrainResult, train
from cyclekit.training.plans import Recorded


def start_training(
    plan: Plan,
    run_dir: Path | None,
    hardware: Hardware,
    console: Console,
    dry_run: bool = False,
    minutes: float | None = None,
) -> TrainResult:
    """Begin a new run; a dry run does everything up to the first step and leaves nothing.

    Args:
        plan: What to train.
        run_dir: A new folder, or ``None`` for the next number under ``runs/``.
        hardware: Devices and ranks.
        console: Is told how it goes.
        dry_run: Leave nothing.
        minutes: For all of it, in place of the recipe's steps.
    """
    begun = budget.now()
    fabric, recipe, console = start_recipe(
        anchored(plan.recipe), hardware, console, "cyclekit train ..."
    )
    plan = replace(plan, recipe=recipe)
    if plan.settings is None:
        console.say(f"recipe: {plan.source}")
    for warning in plan.warnings:
        console.warn(warning)
    with contextlib.ExitStack() as stack:
        if dry_run:
            if run_dir is not None:
                RunDirectory(run_dir).require_free()
            run_dir = stack.enter_context(temporary_folder())
        initial = read_initial(plan.recipe, plan.host, console)
        name = plan.source.stem or PLANNED
        about = plan.host.info, plan.recipe, name, str(fabric.device)
        claim = RunDirectory.claim(run_dir, *about)
        run = on_first(fabric, lambda: stack.enter_context(claim))
        pace = 0.0
        try:
            if plan.settings is not None and minutes is not None:
                designed = design(plan, run, fabric, console, minutes, begun)
                keep(designed, run, fabric)
                plan, pace = designed.plan, designed.pace
            prepared = prepare(plan.host, plan.recipe, run, fabric, console)
            prepared = warm_started(prepared, initial, console)
        except BaseException:
            if fabric.is_global_zero:
                run.storage.empty()  # nothing was trained in it
            raise
        for line in prepared.describe(fabric, minutes):
            console.say(line)
        if dry_run:
            end_together(fabric)
            return TrainResult(run.folder, {}, None)
        console.say(f"run: {run}")
        recorded = []
        if minutes is not None:
            guess = max(plan.recipe.train.steps, budget.LEAST_GUESS)
            recorded = [Recorded(Planned(0, guess), minutes, pace)]
            console.say(f"budget: {minutes:g} min; the first steps show how many it is enough for")
        return train(plan.host, prepared, run, fabric, console, recorded=recorded, begun=begun)
