"""Colours as a viewer shows them: ICC profiles converted to sRGB, which networks are used to."""

from functools import lru_cache

import numpy as np

from cyclekit_image.arrays import HIGHEST, Array

LARGEST = 2**24  # bytes of a profile
SPACES = {"gray": (b"GRAY", 1), "rgb": (b"RGB ", 3), "cmyk": (b"CMYK", 4), "lab": (b"Lab ", 3)}
"""Colour spaces by imagecodecs' names: as a profile names them, and how many channels they have."""
CLASSES = (b"scnr", b"mntr", b"prtr", b"spac", b"abst")  # Lab itself is an abstract one
ALIKE = 2  # of 255: sRGB profiles of several makers differ by less


class Unusable(ValueError):  # noqa: N818 - what the profile is
    """A profile that is damaged, or none for such a picture."""


def is_srgb(profile: bytes, space: str) -> bool:
    """Whether it says what a picture without a profile is taken for anyway.

    Raises:
        Unusable: If it is damaged, or belongs to another colour space.
    """
    verdict = _judged(profile, space)
    if verdict is None:
        raise Unusable
    return verdict


def to_srgb(values: Array, space: str, profile: bytes) -> Array:
    """Convert colours, with the perceptual intent.

    Args:
        values: ``(height, width, channels)`` uint8 or uint16.
        space: One of ``SPACES``.
        profile: Which colours these are.

    Returns:
        The same type: grey for "gray", else RGB.

    Raises:
        Unusable: If the profile is damaged, or belongs to another colour space.
    """
    import imagecodecs

    signature, channels = SPACES[space]
    if profile[16:20] != signature or profile[12:16] not in CLASSES or len(profile) > LARGEST:
        raise Unusable
    values = np.ascontiguousarray(values)
    try:
        made = imagecodecs.cms_transform(
            values if channels > 1 else values[..., 0],
            profile,
            imagecodecs.cms_profile("srgb"),
            colorspace=space,
            outcolorspace="rgb",
            intent=imagecodecs.CMS.INTENT.PERCEPTUAL,
        )
    except (RuntimeError, ValueError) as error:
        raise Unusable from error
    return np.asarray(made[..., 1:2] if space == "gray" else made)


@lru_cache(maxsize=8)
def _judged(profile: bytes, space: str) -> bool | None:
    """As ``is_srgb``; ``None`` where that raises."""
    steps = {1: 256, 3: 17, 4: 3}[SPACES[space][1]]
    axis = np.linspace(0, HIGHEST["uint8"], steps).round().astype(np.uint8)
    grid = np.stack(np.meshgrid(*[axis] * SPACES[space][1], indexing="ij"), axis=-1)
    colours = grid.reshape(1, -1, SPACES[space][1])
    try:
        made = to_srgb(colours, space, profile)
    except Unusable:
        return None
    if space not in ("gray", "rgb"):
        return False
    return bool(np.abs(made.astype(int) - colours).max() <= ALIKE)
