"""Short signals, and cyclekit's own ``stargan`` on the domains that a folder has."""

from collections.abc import Iterator

from objectives.toy import toy

from cyclekit import api
from cyclekit.objectives.stargan import StarGANObjective


@api.hookimpl
def cyclekit_modality() -> Iterator[api.Modality]:
    yield toy("many", StarGANObjective, ("low", "middle", "high"))
