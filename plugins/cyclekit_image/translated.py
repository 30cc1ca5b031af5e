"""Write translations for people: as their sources were, or as was asked for."""

import warnings
from pathlib import Path

import numpy as np

from cyclekit_image.arrays import HIGHEST, MODES, Item, as_array, as_item, as_pixels
from cyclekit_image.channels import with_channels
from cyclekit_image.kinds import KINDS
from cyclekit_image.origin import NOTICED, origin_of, with_origin
from cyclekit_image.writing import lost, write_file

FORMATS = {"same": "", "png": "PNG", "jpeg": "JPEG", "tiff": "TIFF"}
"""What can be asked for, by Pillow's names. ``same``: the source's kind where that loses nothing,
else PNG."""


def write_translation(item: Item, path: Path, asked: str, bounds: tuple[float, float]) -> Path:
    """Write a picture in one of ``FORMATS``; what was not or could not be kept is warned of.

    Args:
        item: The picture, as ``plain_item`` returns it.
        path: Where; the suffix is replaced.
        asked: Which of ``FORMATS``.
        bounds: The values that 0 and 1 of a floating-point picture are written as.
    """
    for what in origin_of(item).noticed:
        _say(f"some pictures {NOTICED[what]}")
    kind = _choose(item, asked)
    if kind == "JPEG":
        item = _for_jpeg(item)
    for what in lost(item, kind):
        _say(f"{kind} cannot hold a picture's {what}, which is lost: --format tiff keeps it")
    return write_file(item, path, kind, bounds)


def _choose(item: Item, asked: str) -> str:
    """The kind of file, a key of ``KINDS``."""
    pixels, came = as_pixels(item), origin_of(item).kind
    wanted = FORMATS[asked] or came or "PNG"
    if pixels.dtype.kind == "f" or pixels.shape[2] not in MODES:
        if wanted != "TIFF" and (FORMATS[asked] or came):
            what = "floating-point numbers" if pixels.dtype.kind == "f" else "so many channels"
            _say(f"{wanted} cannot hold {what}: some pictures are written as TIFF")
        return "TIFF"
    if FORMATS[asked]:
        return wanted
    exact = KINDS[wanted].exact if wanted in KINDS else frozenset()
    if pixels.itemsize > 1:
        exact = exact if wanted in ("PNG", "TIFF") else frozenset()
    if MODES[pixels.shape[2]] in exact:
        return wanted
    more = "; --format jpeg writes JPEG" if wanted == "JPEG" else ""
    _say(f"{wanted} cannot hold some pictures without loss: they are written as PNG{more}")
    return "PNG"


def _for_jpeg(item: Item) -> Item:
    """Eight bits without transparency, which is laid on white."""
    origin, pixels = origin_of(item), as_pixels(item)
    if pixels.itemsize > 1:
        _say("JPEG holds 8 bits, the rest is lost: --format png and tiff keep it")
        pixels = (as_array(pixels) * HIGHEST["uint8"]).round().astype(np.uint8)
    shown = as_item(pixels)
    if pixels.shape[2] in (2, 4):
        _say("JPEG holds no transparency, which is laid on white: --format png keeps it")
        shown = with_channels(shown, pixels.shape[2] - 1, "")
    return with_origin(shown, origin)


def _say(text: str) -> None:
    warnings.warn(text, stacklevel=4)
