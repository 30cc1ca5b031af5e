"""Short signals, and cyclekit's own ``cycle``."""

from collections.abc import Iterator

from objectives.toy import toy

from cyclekit import api
from cyclekit.api import CycleObjective


@api.hookimpl
def cyclekit_modality() -> Iterator[api.Modality]:
    yield toy("semi", CycleObjective)
