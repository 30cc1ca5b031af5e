"""Read pictures of many kinds into 8-bit RGB or grey, and refuse what is none."""

import struct
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from cyclekit.api import BadSample

FORMATS = ("PNG", "JPEG", "WEBP", "BMP")
MOST_PIXELS = 89_478_485  # 256 MiB of RGB; a small file that claims more is a decompression bomb

# Checked here with an error of our own; Pillow's warning would come first.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


def read_picture(path: Path, mode: str) -> Image.Image:
    """Read a picture upright and opaque.

    The EXIF orientation is applied, transparency is laid on white, 16-bit values are scaled to 8.

    Args:
        path: A PNG, JPEG, WebP or BMP file.
        mode: ``"RGB"`` or ``"L"``.

    Raises:
        BadSample: If the file is missing, truncated, too large, or no picture.
    """
    try:
        with Image.open(path, formats=FORMATS) as picture:
            width, height = picture.size
            if width * height > MOST_PIXELS:
                raise BadSample(path, f"{width} x {height} pixels are too many to be opened safely")
            picture.load()
            return plain_picture(picture, mode)
    except Image.DecompressionBombError as error:
        raise BadSample(path, "has too many pixels to be opened safely") from error
    except UnidentifiedImageError as error:
        raise BadSample(path, f"is no picture of a known kind ({', '.join(FORMATS)})") from error
    except (OSError, ValueError, SyntaxError, struct.error, EOFError, IndexError) as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise BadSample(path, f"cannot be read as a picture: {reason}") from error


def plain_picture(picture: Image.Image, mode: str) -> Image.Image:
    """The picture upright, opaque, in 8 bits and in ``mode``; unchanged if it is so already."""
    return _opaque(_eight_bit(ImageOps.exif_transpose(picture))).convert(mode)


def write_picture(picture: Image.Image, path: Path) -> Path:
    """Write PNG, whatever suffix ``path`` has; returns the file written."""
    path = path.with_suffix(".png")
    picture.save(path)
    return path


def _eight_bit(picture: Image.Image) -> Image.Image:
    """Scale 16-bit grey down; converting it directly would clip."""
    if picture.mode == "I" or picture.mode.startswith("I;16"):
        values = np.asarray(picture).astype(np.float64)
        return Image.fromarray((values / 257).round().clip(0, 255).astype(np.uint8))
    return picture


def _opaque(picture: Image.Image) -> Image.Image:
    if "A" not in picture.getbands() and "transparency" not in picture.info:
        return picture
    picture = picture.convert("RGBA")
    white = Image.new("RGBA", picture.size, "white")
    return Image.alpha_composite(white, picture)
