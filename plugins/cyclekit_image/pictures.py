"""Read pictures of many kinds as items, write them, and refuse what is none."""

import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from cyclekit.api import BadSample
from cyclekit_image.arrays import MODES, Array, Item, Refusal, as_item, as_pixels, upright
from cyclekit_image.channels import plain_item, require_range, with_channels
from cyclekit_image.sizes import require_size

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF")
TIFF_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

# Checked here with an error of our own; Pillow's warning would come first.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
warnings.filterwarnings("ignore", module="PIL.TiffImagePlugin")  # a damaged file is named by us


def read_picture(
    path: Path, bounds: tuple[float, float], wanted: int | None = None, key: str = ""
) -> Item:
    """Read a picture, upright, in the depth it has.

    Args:
        path: A PNG, JPEG, WebP, BMP or TIFF file.
        bounds: The values of a floating-point file that stand for black and white.
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
        raise BadSample(path, f"is no picture of a known kind ({', '.join(FORMATS)})") from error
    except struct.error as error:
        raise BadSample(path, "cannot be read as a picture: it ends too early") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise BadSample(path, f"cannot be read as a picture: {reason}") from error


def write_picture(item: Item, path: Path, bounds: tuple[float, float] = (0.0, 1.0)) -> Path:
    """Write PNG where that can hold the picture, else TIFF; returns the file written.

    Args:
        item: The picture.
        path: Where; the suffix is replaced.
        bounds: The values that 0 and 1 of a floating-point picture are written as.
    """
    pixels = as_pixels(item)
    if pixels.dtype.kind == "f" or pixels.shape[2] not in MODES:
        from cyclekit_image.tiff import write_tiff

        path = path.with_suffix(".tif")
        is_float = pixels.dtype.kind == "f"
        # Beyond 0..1 nobody could tell an alpha channel's range from the others'.
        alpha = not is_float or bounds == (0.0, 1.0)
        write_tiff(_absolute(pixels, bounds) if is_float else pixels, path, alpha)
        return path
    path = path.with_suffix(".png")
    if pixels.itemsize == 2:
        import imagecodecs

        plane = pixels if pixels.shape[2] > 1 else pixels[..., 0]
        path.write_bytes(imagecodecs.png_encode(np.ascontiguousarray(plane)))
    else:
        picture = as_item(pixels) if isinstance(item, np.ndarray) else item
        assert isinstance(picture, Image.Image)
        picture.save(path)
    return path


def _read(path: Path, bounds: tuple[float, float]) -> tuple[Item, bool]:
    """The picture, and whether its channels are grey or colours."""
    with path.open("rb") as file:
        head = file.read(26)
    if head[:4] in TIFF_MAGIC:
        from cyclekit_image.tiff import is_plain, read_tiff

        if not is_plain(path):
            pixels, colours = read_tiff(path)
            if pixels.dtype.kind == "f":
                if colours and pixels.shape[2] in (2, 4) and bounds != (0.0, 1.0):
                    raise Refusal(
                        "holds transparency beside floating-point numbers, which takes "
                        "codec.range = [0, 1]; save it without, or in that range"
                    )
                pixels = _relative(pixels, bounds)
            return as_item(pixels), colours
    if head[:4] == b"\x89PNG" and head[24:25] == b"\x10":
        return _read_deep_png(path), True
    return _read_by_pillow(path), True


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """A picture of a size that may be decoded; whatever comes of damage becomes ``ValueError``."""
    try:
        with Image.open(path, formats=FORMATS) as picture:
            require_size(*picture.size)
            yield picture
    except (ValueError, OSError, Image.DecompressionBombError):
        raise
    except Exception as error:  # Pillow's and libpng's own, and what damaged tags lead to
        raise ValueError(str(error) or type(error).__name__) from error


def _read_by_pillow(path: Path) -> Item:
    with _opened(path) as picture:
        picture.load()
        return plain_item(picture)


def _read_deep_png(path: Path) -> Array:
    """16 bits, of which Pillow would drop eight."""
    import imagecodecs

    with _opened(path) as picture:
        exif = Image.Exif()
        exif.load(picture.info.get("exif", b""))
        orientation = int(exif.get(ExifTags.Base.Orientation, 1))
        pixels = imagecodecs.png_decode(path.read_bytes())
    return upright(pixels if pixels.ndim == 3 else pixels[..., None], orientation)


def _relative(values: Array, bounds: tuple[float, float]) -> Array:
    """A file's values as shares of the range."""
    remedy = "set codec.range = [low, high] to the least and the most that your files hold"
    require_range(values, bounds, f"{remedy}; it is [{bounds[0]:g}, {bounds[1]:g}]")
    if bounds == (0.0, 1.0):
        return values
    low, high = bounds
    shares = (values - np.float32(low)) / np.float32(high - low)
    return shares.clip(0, 1)


def _absolute(shares: Array, bounds: tuple[float, float]) -> Array:
    """The inverse of ``_relative``, for shares that lie in 0..1."""
    if bounds == (0.0, 1.0):
        return shares
    low, high = (np.float32(bound) for bound in bounds)
    return (shares * np.float32(bounds[1] - bounds[0]) + low).clip(low, high)
