"""Pictures as items: PIL's where PIL can hold them, else arrays; and both as numbers in 0..1."""

from typing import Any, TypeAlias

import numpy as np
import torch
from PIL import Image
from torch import Tensor

Array: TypeAlias = np.ndarray[Any, Any]

Item: TypeAlias = Image.Image | Array
"""A picture: PIL's (8 bits; L, LA, RGB or RGBA), or an array ``(height, width, channels)`` of
uint8, uint16 or float32 (in 0..1)."""

MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}
"""What one to four channels mean; PIL's name for them in 8 bits."""

HIGHEST = {"uint8": 255, "uint16": 65535, "float32": 1}
"""The value of white, by the kind of number; black is 0."""


class Refusal(ValueError):  # noqa: N818 - named as the contract's BadSample is
    """Why a picture cannot be used: the end of a sentence that begins with its name."""


def as_pixels(item: Item) -> Array:
    """``(height, width, channels)`` as the item has them: uint8, uint16 or float32."""
    pixels = np.asarray(item)
    return pixels[..., None] if pixels.ndim == 2 else pixels


def as_item(pixels: Array) -> Item:
    """A picture for ``(height, width, channels)``: PIL's where that can hold it."""
    channels = pixels.shape[2]
    if pixels.dtype != np.uint8 or channels not in MODES:
        return pixels
    return Image.fromarray(pixels[..., 0] if channels == 1 else pixels)


def as_array(item: Item) -> Array:
    """``(height, width, channels)`` float32 in 0..1."""
    pixels = as_pixels(item)
    highest = HIGHEST[pixels.dtype.name]
    return pixels if highest == 1 else pixels.astype(np.float32) / np.float32(highest)


def as_tensor(item: Item) -> Tensor:
    """``(channels, height, width)`` float32 in 0..1."""
    pixels = as_pixels(item)
    planes = np.array(pixels.transpose(2, 0, 1), dtype=np.float32, order="C")
    return torch.from_numpy(planes) / HIGHEST[pixels.dtype.name]


def half_of(item: Item, side: int) -> Item | None:
    """The left (0) or right (1) one of two squares side by side; ``None`` if it is none such."""
    height, width = as_pixels(item).shape[:2]
    if width != 2 * height:
        return None
    start = side * height
    if isinstance(item, Image.Image):
        return item.crop((start, 0, start + height, height))
    return item[:, start : start + height]


def count_channels(item: Item) -> int:
    """How many channels a picture has."""
    if isinstance(item, Image.Image):
        return len(item.getbands())
    return item.shape[2] if item.ndim == 3 else 1


def upright(pixels: Array, orientation: int) -> Array:
    """Undo a camera's ``orientation``, as EXIF and TIFF number them: 1 to 8."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels[:, ::-1] if orientation in (2, 3, 6, 7) else pixels
