"""Ways to spoil a picture that training may learn to undo."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from cyclekit_image.arrays import HIGHEST, Array, Item, as_array, as_item, as_pixels
from cyclekit_image.channels import LUMA

Chance = np.random.Generator


def without_colour(picture: Item, rng: Chance) -> Item:
    """Grey, in as many channels as before; transparency stays."""
    values = as_array(picture).copy()
    colours = _colours(values)
    weights = LUMA if colours.shape[2] == 3 else np.full(colours.shape[2], 1 / colours.shape[2])
    colours[:] = (colours @ weights.astype(np.float32))[..., None]
    return _like(picture, values)


def blurred(picture: Item, rng: Chance) -> Item:
    """A gaussian blur whose deviation is 2 to 4 % of the shorter side, up to 4 pixels."""
    values = as_array(picture)
    deviation = min(rng.uniform(0.02, 0.04) * min(values.shape[:2]), 4.0)
    planes = torch.from_numpy(values.transpose(2, 0, 1).copy())[:, None]
    reach = min(math.ceil(3 * deviation), *(side - 1 for side in values.shape[:2]))
    kernel = torch.exp(-torch.arange(-reach, reach + 1.0).square() / (2 * deviation**2))
    kernel /= kernel.sum()
    padded = F.pad(planes, (reach,) * 4, mode="reflect")
    planes = F.conv2d(F.conv2d(padded, kernel.view(1, 1, -1, 1)), kernel.view(1, 1, 1, -1))
    return _like(picture, planes[:, 0].numpy().transpose(1, 2, 0))


def with_hole(picture: Item, rng: Chance) -> Item:
    """A grey rectangle, a quarter to a half of each side, somewhere."""
    values = as_array(picture).copy()
    sides = values.shape[:2]
    lengths = [max(1, round(rng.uniform(0.25, 0.5) * side)) for side in sides]
    top, left = (
        int(rng.integers(0, side - length + 1)) for side, length in zip(sides, lengths, strict=True)
    )
    _colours(values)[top : top + lengths[0], left : left + lengths[1]] = 0.5
    return _like(picture, values)


CORRUPTIONS = {"grey": without_colour, "blurred": blurred, "hole": with_hole}


def _colours(values: Array) -> Array:
    """The channels that are no transparency: a view."""
    return values[..., : {2: 1, 4: 3}.get(values.shape[2], values.shape[2])]


def _like(picture: Item, values: Array) -> Item:
    """Fractions as a picture of the same kind."""
    dtype = as_pixels(picture).dtype
    highest = HIGHEST[dtype.name]
    scaled = values if highest == 1 else (values * highest).round()
    pixels = scaled.clip(0, highest).astype(dtype)
    return as_item(pixels) if isinstance(picture, Image.Image) else pixels
