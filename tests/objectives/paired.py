"""Short signals, and cyclekit's own ``pix2pix``."""

from collections.abc import Iterator

from objectives.toy import toy

from cyclekit import api
from cyclekit.objectives.pix2pix import Pix2PixObjective


@api.hookimpl
def cyclekit_modality() -> Iterator[api.Modality]:
    yield toy("paired", Pix2PixObjective)
