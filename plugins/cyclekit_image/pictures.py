"""Read pictures of many kinds as items, and refuse what is none; write them without any loss."""

import ctypes
import logging
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError, _imaging

from cyclekit.api import BadSample
from cyclekit_image.arrays import MODES, Array, Item, Refusal, as_item, as_pixels, upright
from cyclekit_image.channels import in_srgb, plain_pil, require_range, with_channels
from cyclekit_image.deep import read_deep
from cyclekit_image.kinds import TIFF_MAGIC, is_heif, readable
from cyclekit_image.origin import (
    FRAMES,
    SHALLOWER,
    Origin,
    orientation_of,
    origin_of,
    with_origin,
)
from cyclekit_image.sizes import require_size
from cyclekit_image.writing import write_file

HEAD = 512  # bytes

# Sizes are checked here with an error of our own, and damaged files are named by us.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
warnings.filterwarnings("ignore", module=r"PIL\.")
logging.getLogger("PIL").setLevel(logging.CRITICAL)


def _silence_libtiff() -> None:
    """Have libtiff print nothing: Pillow raises what it says, and we name the file."""
    library = ctypes.CDLL(_imaging.__file__)
    for kind in ("Error", "Warning"):
        # Not exported where libtiff is linked into Pillow, as on Windows.
        handler = getattr(library, f"TIFFSet{kind}Handler", None)
        if handler is not None:
            handler.argtypes, handler.restype = [ctypes.c_void_p], ctypes.c_void_p
            handler(None)


_silence_libtiff()


def read_picture(
    path: Path, bounds: tuple[float, float], wanted: int | None = None, key: str = ""
) -> Item:
    """Read a picture, upright, in sRGB where it has a profile, in the depth it has.

    Args:
        path: A file of one of ``KINDS``.
        bounds: The values of a file of floating-point numbers or signed integers that stand for
            black and white.
        wanted: Channels to convert it to; without it, it keeps its own.
        key: The setting that says so.

    Raises:
        BadSample: If the file is missing, truncated, too large, no picture, or one that does not
            fit.
    """
    try:
        item, colours = _read(path, bounds)
        return item if wanted is None else with_channels(item, wanted, key, colours)
    except Refusal as error:
        raise BadSample(path, str(error)) from error
    except Image.DecompressionBombError as error:
        raise BadSample(path, "has too many pixels to be opened safely") from error
    except UnidentifiedImageError as error:
        raise BadSample(path, f"is no picture of a known kind ({', '.join(readable())})") from error
    except struct.error as error:
        raise BadSample(path, "cannot be read as a picture: it ends too early") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        if reason.startswith("decoder error"):  # and a number
            reason = "its data is damaged, or coded in a way that is not known here"
        raise BadSample(path, f"cannot be read as a picture: {reason}") from error


def write_picture(item: Item, path: Path, bounds: tuple[float, float] = (0.0, 1.0)) -> Path:
    """Write PNG where that can hold the picture, else TIFF; returns the file written.

    Args:
        item: The picture, as ``plain_item`` returns it.
        path: Where; the suffix is replaced.
        bounds: The values that 0 and 1 of a floating-point picture are written as.
    """
    pixels = as_pixels(item)
    deep = pixels.dtype.kind == "f" or pixels.shape[2] not in MODES
    return write_file(item, path, "TIFF" if deep else "PNG", bounds)


def _read(path: Path, bounds: tuple[float, float]) -> tuple[Item, bool]:
    """The picture, and whether its channels are grey or colours."""
    with path.open("rb") as file:
        head = file.read(HEAD)
    if is_heif(head) and "HEIF" not in readable():
        raise Refusal("is HEIF (HEIC), which takes another package: pip install pillow-heif")
    pages = 1
    if head[:4] in TIFF_MAGIC:
        from cyclekit_image.tiff import count_plain_pages

        pages = count_plain_pages(path)
        if not pages:
            return _read_by_tifffile(path, bounds)
    with _opened(path) as picture:
        item, origin = _read_by_pillow(path, picture, bounds)
    origin = origin.noticing(FRAMES) if pages > 1 else origin
    return with_origin(item, origin), True


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """A picture of a size that may be decoded; whatever comes of damage becomes ``ValueError``."""
    try:
        with Image.open(path, formats=readable()) as picture:
            require_size(*picture.size)
            yield picture
    except (ValueError, OSError, Image.DecompressionBombError, MemoryError):
        raise
    except Exception as error:  # Pillow's and libpng's own, and what damaged tags lead to
        raise ValueError(str(error) or type(error).__name__) from error


def _read_by_pillow(
    path: Path, picture: Image.Image, bounds: tuple[float, float]
) -> tuple[Item, Origin]:
    origin = origin_of(picture)
    deep = read_deep(path, picture)
    if deep is not None:
        orientation = orientation_of(picture) if "exif" in picture.info else 1  # else it is loaded
        return in_srgb(upright(deep, orientation), origin.turned(orientation))
    if picture.mode == "F":
        return _relative(np.asarray(picture)[..., None], bounds), origin
    if origin.kind == "HEIF" and picture.info.get("bit_depth", 8) > 8:
        origin = origin.noticing(SHALLOWER)
    item, origin = plain_pil(picture, origin)
    return item.copy() if item is picture else item, origin  # a copy is open no more


def _read_by_tifffile(path: Path, bounds: tuple[float, float]) -> tuple[Item, bool]:
    from cyclekit_image.tiff import read_tiff

    pixels, colours, origin = read_tiff(path)
    if pixels.dtype.kind == "i":
        if bounds == (0.0, 1.0):
            raise Refusal(
                f"holds {pixels.dtype} of {8 * pixels.itemsize} bits: set codec.range = [low, "
                f"high] to the least and the most that your files hold"
            )
        origin = replace(origin, integers=pixels.dtype.name)
        pixels = pixels.astype(np.float32)
    if pixels.dtype.kind == "f":
        if colours and pixels.shape[2] in (2, 4) and bounds != (0.0, 1.0):
            raise Refusal(
                "holds transparency beside floating-point numbers, which takes "
                "codec.range = [0, 1]; save it without, or in that range"
            )
        pixels = _relative(pixels, bounds)
    item = as_item(pixels)
    if colours:
        item, origin = in_srgb(item, origin)
    return with_origin(item, origin), colours


def _relative(values: Array, bounds: tuple[float, float]) -> Array:
    """A file's values as shares of the range."""
    remedy = "set codec.range = [low, high] to the least and the most that your files hold"
    require_range(values, bounds, f"{remedy}; it is [{bounds[0]:g}, {bounds[1]:g}]")
    if bounds == (0.0, 1.0):
        return values
    low, high = bounds
    shares = (values - np.float32(low)) / np.float32(high - low)
    return shares.clip(0, 1)
