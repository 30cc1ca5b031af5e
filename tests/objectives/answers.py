"""Short signals, and cyclekit's own ``augmented``."""

from collections.abc import Iterator

from objectives.toy import toy

from cyclekit import api
from cyclekit.objectives.augmented import AugmentedObjective


@api.hookimpl
def cyclekit_modality() -> Iterator[api.Modality]:
    yield toy("answers", AugmentedObjective)
