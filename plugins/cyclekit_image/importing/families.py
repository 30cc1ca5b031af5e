"""All families of other people's networks for pictures, in one list."""

from dataclasses import replace

from cyclekit.api import Family
from cyclekit_image.importing.augmented import AUGMENTED
from cyclekit_image.importing.discriminators import JUDGES
from cyclekit_image.importing.others import NOT_IMPORTED
from cyclekit_image.importing.resnets import RESNETS
from cyclekit_image.importing.stargan import STARGANS
from cyclekit_image.importing.unets import UNETS


def domain_settings(a: int, b: int) -> dict[str, int]:
    """Channels of both domains' pictures."""
    return {"codec.channels": a, **({"codec.channels_b": b} if a != b else {})}


FAMILIES: tuple[Family, ...] = tuple(
    replace(family, domain_settings=domain_settings)
    for family in (*NOT_IMPORTED, *RESNETS, *UNETS, *STARGANS, *AUGMENTED, *JUDGES)
)
