"""The objectives that come with cyclekit, offered through the hook that anybody's come through."""

from collections.abc import Iterator

from cyclekit.engine.objective import Objective
from cyclekit.hookspecs import hookimpl
from cyclekit.objectives.cycle import CycleObjective


@hookimpl
def cyclekit_objectives(modality: str) -> Iterator[type[Objective]]:
    """Offer them to every modality."""
    yield CycleObjective
