"""A training's plans: written into ``plans.jsonl`` before they hold, and taken from there again.

A run that is resumed takes the plans that were recorded, at their steps, whatever its own clock
says: so it ends in the same bits as one that was not interrupted, up to the next new plan.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from cyclekit.console import Console, StepProgress
from cyclekit.describe import duration
from cyclekit.engine.lightning import Fabric
from cyclekit.engine.timeline import Planned, Timeline
from cyclekit.engine.trainer import Trainer
from cyclekit.errors import CheckpointError
from cyclekit.preparing.budget import Budget
from cyclekit.runs.layout import RunLayout
from cyclekit.runs.records import lines_by_step, to_lines
from cyclekit.training.stopping import ASK_EVERY


@dataclass(frozen=True)
class Recorded:
    """A line of ``plans.jsonl``.

    Attributes:
        plan: From a step on, so many in all.
        minutes: The budget that it follows from; ``None``: somebody said the steps.
        pace: Seconds a step took; 0 where that was not known.
        before: Seconds of the run before these minutes began.
    """

    plan: Planned
    minutes: float | None = None
    pace: float = 0.0
    before: float = 0.0


def read_plans(run: RunLayout) -> list[Recorded]:
    """A run's plans; none where it has only the steps of its recipe.

    Raises:
        CheckpointError: If they are damaged.
    """
    records = [record for _, record in lines_by_step(run.plans_file)]
    try:
        found = [_recorded(record) for record in records]
        timeline_of(found, 1)
    except (TypeError, ValueError) as error:
        raise CheckpointError(
            f"{run.plans_file} is damaged: {error}. Remove it to go on with the steps of the "
            f"recipe, by a schedule of its own."
        ) from error
    return found


def timeline_of(recorded: Sequence[Recorded], steps: int) -> Timeline:
    """What plans say together; without any, the recipe's steps.

    Raises:
        ValueError: If they do not follow one another.
    """
    if not recorded:
        return Timeline(steps)
    first, *later = (each.plan for each in recorded)
    if first.step:
        raise ValueError("its first plan is not from the first step on")
    return Timeline(first.steps, later)


def write_plans(run: RunLayout, recorded: Sequence[Recorded]) -> None:
    """Write all of a run's plans, durably."""
    lines = to_lines(
        {
            "step": each.plan.step,
            "steps": each.plan.steps,
            "minutes": each.minutes,
            "seconds_per_step": each.pace,
            "seconds_before": each.before,
        }
        for each in recorded
    )
    run.storage.write_text(run.plans_file.name, lines)


def spent_before(run: RunLayout, step: int) -> float:
    """Seconds of its budget that a run had used when ``step`` was done."""
    times = [
        record["spent"]
        for _, record in lines_by_step(run.timing_file)
        if record["step"] <= step and type(record.get("spent")) is float
    ]
    return max(times, default=0.0)


class Planner:
    """Plans a training anew where it would not end in time; every rank has one.

    Args:
        run: Keeps the plans.
        trainer: Follows them.
        budget: Suggests them; its clock is rank 0's.
        console: Told of each.
        recorded: The plans so far.
    """

    def __init__(
        self,
        run: RunLayout,
        trainer: Trainer,
        budget: Budget,
        console: Console,
        recorded: Sequence[Recorded],
    ) -> None:
        self._run = run
        self._trainer = trainer
        self._budget = budget
        self._console = console
        self._recorded = list(recorded)

    def after_step(self, progress: StepProgress) -> None:
        """Look at the clock after a step; every rank calls this after the same ones."""
        trainer, fabric = self._trainer, self._trainer.fabric
        step, timeline = trainer.step, trainer.timeline
        progress.expect(trainer.steps)
        suggested = self._budget.suggest(step, trainer.steps) if _asks(fabric, step) else None
        if step <= timeline.last.step or trainer.is_done:
            return  # recorded plans come first
        if fabric.world_size > 1:
            if step % ASK_EVERY:
                return
            suggested = fabric.broadcast(suggested)
        if suggested is None:
            return
        plan = Planned(step, suggested)
        self._recorded.append(replace(self._recorded[-1], plan=plan, pace=self._budget.pace))
        if fabric.is_global_zero:
            write_plans(self._run, self._recorded)
        fabric.barrier()  # written before it holds for anybody
        timeline.replan(plan)
        progress.expect(suggested)
        self._console.say(
            f"plan: {suggested} steps in all; {duration(self._budget.spent)} of "
            f"{self._budget.minutes:g} min are over, and a step takes {self._budget.pace:.2g} s"
        )


def _asks(fabric: Fabric, step: int) -> bool:
    """Whether a rank looks at the clock now: one that stands for all, when all can hear of it."""
    return fabric.is_global_zero and (fabric.world_size == 1 or step % ASK_EVERY == 0)


def _recorded(record: dict[str, Any]) -> Recorded:
    keys = ("steps", "minutes", "seconds_per_step", "seconds_before")
    steps, minutes, pace, before = (record.get(key) for key in keys)
    if type(steps) is not int or not record["step"] <= steps < 10**8:
        raise ValueError(f"{json.dumps(steps)[:40]} is no number of steps")
    if minutes is not None and not (type(minutes) in (int, float) and 0 < minutes < 10**7):
        raise ValueError(f"{json.dumps(minutes)[:40]} is no number of minutes")
    times = (time if type(time) is float and time >= 0 else 0.0 for time in (pace, before))
    return Recorded(Planned(record["step"], steps), minutes, *times)
