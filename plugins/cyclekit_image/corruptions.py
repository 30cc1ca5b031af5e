"""Ways to spoil a picture that training may learn to undo."""

from typing import Any

import numpy as np
from PIL import Image, ImageFilter

Chance = np.random.Generator


def without_colour(picture: Image.Image, rng: Chance) -> Image.Image:
    """Grey, in as many channels as before."""
    return picture.convert("L").convert(picture.mode)


def blurred(picture: Image.Image, rng: Chance) -> Image.Image:
    """A gaussian blur whose deviation is 2 to 4 % of the shorter side, up to 4 pixels."""
    deviation = min(rng.uniform(0.02, 0.04) * min(picture.size), 4.0)
    return picture.filter(ImageFilter.GaussianBlur(deviation))


def with_hole(picture: Image.Image, rng: Chance) -> Image.Image:
    """A grey rectangle, a quarter to a half of each side, somewhere."""
    size = [round(rng.uniform(0.25, 0.5) * side) for side in picture.size]
    left, top = (
        int(rng.integers(0, side - length + 1))
        for side, length in zip(picture.size, size, strict=True)
    )
    spoilt = picture.copy()
    grey: Any = (128,) * len(picture.getbands())
    spoilt.paste(grey, (left, top, left + size[0], top + size[1]))
    return spoilt


CORRUPTIONS = {"grey": without_colour, "blurred": blurred, "hole": with_hole}
