"""The objectives that come with cyclekit, offered through the hook that anybody's come through."""

from collections.abc import Iterator

from cyclekit.engine.objective import Objective
from cyclekit.hookspecs import hookimpl


@hookimpl
def cyclekit_objectives(modality: str) -> Iterator[type[Objective]]:
    """Offer them to every modality."""
    # Written on `cyclekit.api`, which has the cycle objective from this package.
    from cyclekit.objectives.augmented import AugmentedObjective
    from cyclekit.objectives.cut import CUTObjective
    from cyclekit.objectives.cycle import CycleObjective
    from cyclekit.objectives.pix2pix import Pix2PixObjective
    from cyclekit.objectives.stargan import StarGANObjective

    yield CycleObjective
    yield Pix2PixObjective
    yield CUTObjective
    yield AugmentedObjective
    yield StarGANObjective
