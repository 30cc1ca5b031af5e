"""Short signals, and cyclekit's own ``cut``."""

from collections.abc import Iterator

from objectives.toy import toy

from cyclekit import api
from cyclekit.objectives.cut import CUTObjective


@api.hookimpl
def cyclekit_modality() -> Iterator[api.Modality]:
    yield toy("contrast", CUTObjective)
