"""Checks of a planner: what it proposes can be trained."""

from cyclekit.contract.planning import Survey
from cyclekit.preparing.designing import proposed
from cyclekit.recipe.layers import Layers
from cyclekit.recipe.resolve import flattened, resolve
from cyclekit.testing.checks import check
from cyclekit.testing.faults import require
from cyclekit.testing.subject import Subject

SECONDS = (60.0, 900.0, 86_400.0)
DEVICES = ("cpu", "cuda")
COUNTS = (3, 100_000)


@check("planner", "data")
def planned(subject: Subject) -> None:
    """Whatever a planner proposes is valid, and leaves to cyclekit what is cyclekit's."""
    if subject.modality.planner is None:
        return
    name = subject.modality.name
    for seconds, device, count in zip(SECONDS, (*DEVICES, "cpu"), (*COUNTS, 1), strict=True):
        counts = dict.fromkeys(subject.files, count)
        for candidate in proposed(subject.modality, Survey(subject.files, counts, seconds, device)):
            layers = Layers({"plugin": name})
            layers.merge(candidate.settings, "Modality.planner")
            resolve(layers, subject.modality)
            require(
                "train.steps" not in flattened(candidate.settings),
                "Modality.planner: leave train.steps out of Candidate.settings; say least_steps.",
            )
            require(
                candidate.least_steps >= 1 and candidate.step_seconds >= 0,
                f"Modality.planner: least_steps must be 1 or more and step_seconds not below 0, "
                f"not {candidate.least_steps} and {candidate.step_seconds}.",
            )
