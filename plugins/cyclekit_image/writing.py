"""Write pictures in one kind of file or another, with what their own files said."""

import io
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, PngImagePlugin

from cyclekit_image.arrays import MODES, Array, Item, as_item, as_pixels, count_channels
from cyclekit_image.kinds import KINDS, PLACE, PROFILE, RESOLUTION
from cyclekit_image.origin import Origin, origin_of

PNG_HEADER = 33  # bytes up to the end of its first chunk
INCH = 0.0254  # metres

SPACES = {1: b"GRAY", 2: b"GRAY", 3: b"RGB ", 4: b"RGB "}
"""The colour space of a profile that goes with so many channels."""


def write_file(item: Item, path: Path, kind: str, bounds: tuple[float, float]) -> Path:
    """Write a picture with the resolution, profile and place on a map that it came with.

    Args:
        item: A picture that ``kind`` can hold.
        path: Where; the suffix is replaced unless it is one of the kind's.
        kind: A key of ``KINDS``.
        bounds: The values that 0 and 1 of a floating-point picture are written as.
    """
    path = _named(path, kind, count_channels(item))
    pixels, origin = as_pixels(item), origin_of(item)
    if kind == "TIFF":
        from cyclekit_image.tiff import write_tiff

        is_float = pixels.dtype.kind == "f"
        # Beyond 0..1 nobody could tell an alpha channel's range from the others'.
        alpha = not is_float or bounds == (0.0, 1.0)
        values = _absolute(pixels, bounds, origin) if is_float else pixels
        write_tiff(values, path, origin, profile_for(item), alpha)
    elif pixels.itemsize == 2:
        path.write_bytes(_deep_png(pixels, origin, profile_for(item)))
    else:
        picture = item if isinstance(item, Image.Image) else as_item(pixels)
        assert isinstance(picture, Image.Image)
        said: dict[str, Any] = {"icc_profile": profile_for(item)}
        if origin.dpi:
            said["dpi"] = origin.dpi
        picture.save(path, format=kind, **KINDS[kind].options, **said)
    return path


def profile_for(item: Item) -> bytes:
    """The item's profile, if it goes with as many channels; else nothing."""
    profile, channels = origin_of(item).profile, count_channels(item)
    fits = channels not in MODES or profile[16:20] == SPACES[channels]
    return profile if fits else b""


def lost(item: Item, kind: str) -> list[str]:
    """What the item came with that a kind of file cannot hold."""
    origin = origin_of(item)
    there = {
        RESOLUTION: origin.dpi is not None,
        PROFILE: bool(profile_for(item)),
        PLACE: bool(origin.geography),
    }
    return [what for what, said in there.items() if said and what not in KINDS[kind].holds]


def _named(path: Path, kind: str, channels: int) -> Path:
    suffixes = KINDS[kind].suffixes
    if kind == "PPM":
        suffixes = (".pgm" if channels == 1 else ".ppm", ".pnm")
    return path if path.suffix.lower() in suffixes else path.with_suffix(suffixes[0])


def _deep_png(pixels: Array, origin: Origin, profile: bytes) -> bytes:
    """16 bits, of which Pillow writes grey alone."""
    import imagecodecs

    plane = pixels if pixels.shape[2] > 1 else pixels[..., 0]
    data = imagecodecs.png_encode(np.ascontiguousarray(plane))
    made = io.BytesIO()
    made.write(data[:PNG_HEADER])
    if profile:
        PngImagePlugin.putchunk(made, b"iCCP", b"ICC Profile\0\0", zlib.compress(profile))
    if origin.dpi:
        x, y = (round(length / INCH).to_bytes(4, "big") for length in origin.dpi)
        PngImagePlugin.putchunk(made, b"pHYs", x, y, b"\x01")
    made.write(data[PNG_HEADER:])
    return made.getvalue()


def _absolute(shares: Array, bounds: tuple[float, float], origin: Origin) -> Array:
    """Shares of the range, which lie in 0..1, as values of a file like the source's."""
    if bounds == (0.0, 1.0):
        return shares
    low, high = (np.float32(bound) for bound in bounds)
    values = (shares * np.float32(bounds[1] - bounds[0]) + low).clip(low, high)
    if not origin.integers:
        return values
    kind = np.iinfo(origin.integers)
    return values.round().clip(kind.min, kind.max).astype(kind.dtype)
