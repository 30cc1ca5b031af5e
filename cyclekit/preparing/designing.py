"""From data, machine and minutes to a recipe, for a training that names none.

A modality's planner proposes, a probe measures, ``preparing/choosing.py`` decides; what comes of it
is kept as ``plan.toml``, a recipe like any other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import tomli_w

from cyclekit.console import Console
from cyclekit.contract.modality import Modality
from cyclekit.contract.planning import Candidate, Survey
from cyclekit.data.folders import Collections
from cyclekit.describe import describe_exception, duration
from cyclekit.engine.fabric import on_first
from cyclekit.engine.lightning import Fabric
from cyclekit.engine.model import build_model
from cyclekit.errors import CyclekitError, DataError, PluginError, RecipeError
from cyclekit.preparing import budget
from cyclekit.preparing.choosing import Amount, Choice, Measured, choose, length
from cyclekit.preparing.planning import Plan, plan_under
from cyclekit.preparing.preparation import find_data
from cyclekit.preparing.probing import Probe, reading, surveyed
from cyclekit.recipe.resolve import flattened
from cyclekit.recipe.settings import Recipe
from cyclekit.runs.directory import RunDirectory

MEASURING, MOST_MEASURING = 0.05, 30.0  # share of the time, and seconds
PLANNED = "planned"  # what a run is called that has no recipe of a name
LATE = 0.2  # share of the time, after which there is none for measuring
BEGINNING = 10.0  # seconds of all before that, on the machine of the trials
# Where a plugin proposes nothing: its defaults.
DEFAULTS = (
    Candidate({"train": {"batch_size": 4}}, 1000, 4.0, {"train.batch_size": "4 where it fits"}),
    Candidate({}, 1, 1.0, {"train.batch_size": "one fits whatever the sizes"}),
)


@dataclass(frozen=True)
class Designed:
    """A recipe that was made for data, machine and minutes.

    Attributes:
        plan: What to train, with the recipe.
        text: The same as a recipe file, its reasons in it.
        pace: Seconds a step takes, by the probe.
    """

    plan: Plan
    text: str
    pace: float


def design(
    plan: Plan, run: RunDirectory, fabric: Fabric, console: Console, minutes: float, begun: float
) -> Designed:
    """Plan what no person said.

    Args:
        plan: What a person said.
        run: Has data that is made.
        fabric: Where to compute.
        console: Is told of the plan.
        minutes: For all of it.
        begun: When it began, by ``budget.now``.

    Raises:
        DataError: If the data cannot be trained on.
        PluginError: If the plugin's planner fails.
    """
    seconds = 60 * minutes
    model = build_model(plan.host.modality, plan.recipe, fabric.global_rank)
    collections = find_data(model, run, fabric)
    survey = surveyed(collections, seconds, fabric.device.type)
    candidates = proposed(plan.host.modality, survey)
    read, values = fabric.broadcast(reading(model, survey))
    spent: float = fabric.broadcast(budget.now() - begun)
    limit = min(MEASURING * seconds, MOST_MEASURING) if spent < LATE * seconds else 0.0
    how = f"trying out settings for about {duration(limit)}"
    if not limit:
        how = f"{duration(spent)} are over, so nothing is tried out and the smallest is taken"
    console.say(f"planning for {minutes:g} min: {how}")
    probe = Probe(plan.host, run, fabric, read, values, limit)

    def measure(candidate: Candidate) -> Measured | None:
        try:
            return probe.measure(plan_under(plan, [candidate.settings])[0])
        except RecipeError as error:  # what a person set does not go together with it
            probe.refused = error
            return None

    choice = choose(candidates, measure, seconds - spent, limit)
    if choice is None:
        raise DataError(
            f"Nothing that could be planned can be trained on this data: {probe.refused}"
        ) from probe.refused
    if not limit:  # whatever took the machine takes it from steps as well
        slower = max(1.0, spent / BEGINNING)
        measured = replace(choice.measured, pace=slower * choice.measured.pace)
        choice = replace(choice, measured=measured)
    spent = fabric.broadcast(budget.now() - begun)
    return _designed(plan, choice, _amount(collections, plan.recipe, read), seconds, spent, console)


def proposed(modality: Modality, survey: Survey) -> Sequence[Candidate]:
    """What a modality's planner proposes, or its defaults.

    Raises:
        PluginError: If it fails, or proposes something else than candidates.
    """
    planner, name = modality.planner, modality.name
    if planner is None:
        return DEFAULTS
    try:
        candidates = list(planner(survey))
    except CyclekitError:
        raise
    except Exception as error:
        raise PluginError(
            f"Plugin {name!r} failed in its planner: {describe_exception(error)}. Name a recipe "
            f"with --recipe to do without."
        ) from error
    if not candidates or not all(isinstance(each, Candidate) for each in candidates):
        raise PluginError(
            f"Plugin {name!r}: Modality.planner must return Candidate objects, at least one."
        )
    return candidates


def keep(designed: Designed, run: RunDirectory, fabric: Fabric) -> None:
    """Write the plan into the run, before anything follows from it."""
    plan = designed.plan

    def write() -> None:
        run.describe(plan.host.info, plan.recipe, PLANNED, str(fabric.device))
        run.storage.write_text(run.plan_file.name, designed.text)

    on_first(fabric, write)


def _amount(collections: Collections, recipe: Recipe, read: float) -> Amount:
    domains = collections.domains.values()
    return Amount(
        max(len(domain.train) for domain in domains),
        len(domains),
        max(len(domain.test) for domain in domains) if collections.has_tests else 0,
        read,
        recipe.data.memory_mib * 2**20,
    )


def _designed(
    plan: Plan, choice: Choice, amount: Amount, seconds: float, spent: float, console: Console
) -> Designed:
    """The recipe of a choice, said with its reasons."""
    lengths = length(choice.measured, amount, seconds, spent)
    recipe, said = plan_under(plan, [choice.candidate.settings, lengths.table])
    reasons = {**choice.candidate.reasons, **lengths.reasons}
    own = {key: origin for key, value, origin in plan.settings or () if value is not None}
    shown = _shown(reasons, flattened(recipe.model_dump(mode="json")), own)
    console.rows(f"plan for {seconds / 60:g} min", shown)
    text = _text(plan, said, shown, seconds)
    return Designed(replace(plan, recipe=recipe, settings=None), text, choice.measured.pace)


def _shown(
    reasons: Mapping[str, str], values: Mapping[str, Any], own: Mapping[str, str]
) -> dict[str, dict[str, str]]:
    """Key -> its value and why, a person's own settings last."""
    rows = {}
    for named, why in reasons.items():
        keys = [key.strip() for key in named.split(",")]
        left = [key for key in keys if key in values and key not in own]
        if left:
            value = ", ".join(str(values[key]) for key in left)
            rows[", ".join(left)] = {"value": value, "why": why}
    for key, origin in own.items():
        if values.get(key):
            rows[key] = {"value": str(values[key]), "why": f"you said so ({origin.split(' ')[0]})"}
    return rows


def _text(
    plan: Plan, said: Mapping[str, Any], shown: Mapping[str, Mapping[str, str]], seconds: float
) -> str:
    """The plan as a recipe."""
    reasons = [f"{key} = {row['value']}: {row['why']}" for key, row in shown.items()]
    lines = [
        f"Planned for {seconds / 60:g} minutes on the machine and the data of this run.",
        f"  cyclekit train --plugin {plan.host.info.reference} --recipe plan.toml",
        *(" ".join(reason.split()) for reason in reasons),
    ]
    return "".join(f"# {line}\n" for line in lines) + "\n" + tomli_w.dumps(said)
