"""TIFF beyond Pillow's: more than 8 bits, floating-point numbers, any number of channels."""

import logging
import math
import struct
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from cyclekit_image.arrays import HIGHEST, Array, Refusal, upright
from cyclekit_image.channels import unpremultiplied
from cyclekit_image.sizes import MOST_VALUES, require_size

MOST_PAGES = 256
MOST_TAGS = 4096

# Tags, and values that they have.
SUBFILE, BITS, ORIENTATION, SAMPLES = 254, 258, 274, 277
EXTRA_SAMPLES, SAMPLE_FORMAT = 338, 339
WHITE_IS_ZERO, BLACK_IS_ZERO, RGB = 0, 1, 2
PREMULTIPLIED, ALPHA = 1, 2
UNSIGNED = 1
SHORT = 3

# Lossless ones that tifffile decodes into no more memory than the picture takes: none, LZW, deflate
# (two numbers), PackBits, LZMA, Zstandard.
COMPRESSIONS = {1, 5, 8, 32946, 32773, 34925, 50000}

BASES = {"1": 1, "L": 1, "LA": 1, "P": 1, "PA": 1, "RGB": 3, "RGBA": 3, "CMYK": 4, "YCbCr": 3}
"""Samples that are not extra, by Pillow's mode."""


def is_plain(path: Path) -> bool:
    """Whether Pillow reads all that the file holds: one page, 8 bits, known colours.

    Raises:
        Refusal: If there are far too many pages.
        ValueError: If it is damaged; or ``struct.error``.
    """
    with path.open("rb") as file:
        if _count_pages(file) != 1:
            return False
    try:
        with Image.open(path, formats=("TIFF",)) as picture:
            return _is_known(picture.mode, picture.tag_v2)  # type: ignore[attr-defined]
    except Exception:  # of a damaged file anything may come; the other reader says what is wrong
        return False


def read_tiff(path: Path) -> tuple[Array, bool]:
    """Pages, planes or samples as channels.

    Returns:
        ``(height, width, channels)`` uint8, uint16 or float32, upright; and whether the channels
        are grey or colours, with or without transparency.

    Raises:
        Refusal: If it holds what is no picture here.
        ValueError: If it is damaged.
    """
    import tifffile

    logging.getLogger("tifffile").setLevel(logging.CRITICAL)  # a damaged file is named by us
    try:
        # Vendors' formats are read as the TIFF that they are; nothing but this file is opened.
        with tifffile.TiffFile(
            path, _multifile=False, is_lsm=False, is_scanimage=False, is_ndpi=False
        ) as file:
            every: list[Any] = list(file.pages)
            pages = [page for page in every if not (page.is_reduced or page.is_mask)]
            _require_known(pages)
            pixels = _read_pages(pages)
            return _finished(pixels, pages[0])
    except (OSError, ValueError):
        raise
    except RuntimeError as error:  # a decoder's
        raise ValueError(str(error)) from error
    except Exception as error:  # of a damaged file anything may come
        raise ValueError("its tags make no sense") from error


def write_tiff(pixels: Array, path: Path, alpha: bool = True) -> None:
    """Write ``(height, width, channels)`` of any number of channels, deflated.

    Args:
        pixels: The picture.
        path: Where.
        alpha: Whether the last of two or four channels is transparency.
    """
    import tifffile

    channels = pixels.shape[2]
    extra = "unassalpha" if alpha else "unspecified"
    tifffile.imwrite(
        path,
        pixels if channels > 1 else pixels[..., 0],
        photometric="rgb" if channels in (3, 4) else "minisblack",
        planarconfig="contig" if channels > 1 else None,
        extrasamples={2: [extra], 4: [extra]}.get(channels),
        compression="zlib",
        metadata=None,
        software=False,
    )


def _count_pages(file: BinaryIO) -> int:
    """How many pages there are, thumbnails left out."""
    head = file.read(16)
    order = "<" if head[:2] == b"II" else ">"
    big = 43 in head[2:4]
    number, entry, link = ("Q", 20, "Q") if big else ("H", 12, "I")
    (offset,) = struct.unpack_from(order + link, head, 8 if big else 4)
    seen: set[int] = set()
    count = 0
    while offset:
        if offset in seen:
            raise ValueError("its pages follow each other in a circle")
        seen.add(offset)
        if len(seen) > MOST_PAGES:
            raise Refusal(f"has more than {MOST_PAGES} pages")
        file.seek(offset)
        (tags,) = struct.unpack(order + number, file.read(struct.calcsize(number)))
        table = file.read(min(tags, MOST_TAGS) * entry)
        count += not _is_thumbnail(table, entry, order)
        (offset,) = struct.unpack(order + link, file.read(struct.calcsize(link)))
    return count


def _is_thumbnail(table: bytes, entry: int, order: str) -> bool:
    for start in range(0, len(table), entry):
        tag, kind = struct.unpack_from(order + "HH", table, start)
        if tag == SUBFILE:
            place = start + (12 if entry == 20 else 8)
            (value,) = struct.unpack_from(order + ("H" if kind == SHORT else "I"), table, place)
            return bool(value & 1)
    return False


def _is_known(mode: str, tags: Any) -> bool:
    extra = tuple(tags.get(EXTRA_SAMPLES, ()))
    return (
        mode in BASES
        and max(tags.get(BITS, (1,))) <= 8
        and set(tags.get(SAMPLE_FORMAT, (UNSIGNED,))) == {UNSIGNED}
        and tags.get(SAMPLES, 1) == BASES[mode] + len(extra)
        and extra in ((), (PREMULTIPLIED,), (ALPHA,))
    )


def _require_known(pages: Any) -> None:
    """Refuse what is too large or cannot be shown, before anything of it is decoded."""
    if not pages:
        raise Refusal("holds no picture")
    first = pages[0]
    if any((page.shaped, page.dtype) != (first.shaped, first.dtype) for page in pages):
        raise Refusal("holds several pictures of different sizes or kinds")
    if not all(isinstance(length, int) for length in (*first.shaped, *first.chunks)):
        raise ValueError("its tags make no sense")
    if any(not _has_all_parts(page) for page in pages):
        raise ValueError("a part of it is missing")
    planes, depth, height, width, samples = first.shaped
    axes = [length for length in (len(pages), planes, depth, samples) if length > 1]
    if len(axes) > 1:
        raise Refusal(
            f"has {len(axes) + 2} axes ({' x '.join(map(str, (*axes, height, width)))}); height, "
            f"width and one of channels are wanted"
        )
    require_size(width, height, math.prod(axes))
    if math.prod(first.chunks) > MOST_VALUES:
        raise Refusal(f"has tiles of {first.chunks}, which are too large to be opened safely")
    kind, bits = first.dtype, first.bitspersample
    if kind is None or kind.kind not in "uf" or kind == np.uint32 or kind == np.uint64 or bits < 8:
        raise Refusal(
            f"holds {kind or 'unknown values'} of {bits} bits: save it as unsigned numbers of 8 or "
            f"16 bits, or as floating-point numbers and set codec.range"
        )
    if first.photometric not in (WHITE_IS_ZERO, BLACK_IS_ZERO, RGB):
        raise Refusal(f"holds {_name(first.photometric)} of {bits} bits: save it as grey or RGB")
    if first.compression not in COMPRESSIONS:
        raise Refusal(
            f"is compressed with {_name(first.compression)}, which is read for one page of 8 bits "
            f"alone: save it with deflate"
        )


def _has_all_parts(page: Any) -> bool:
    """Whether it names as many strips or tiles as it has by its size."""
    return bool(page.is_contiguous) or math.prod(page.chunked) <= len(page.dataoffsets)


def _read_pages(pages: Any) -> Array:
    """``(height, width, channels)`` as the file has them."""
    planes, depth, height, width, samples = pages[0].shaped
    channels = planes * depth * samples
    pixels = np.empty((height, width, channels * len(pages)), dtype=pages[0].dtype)
    for index, page in enumerate(pages):
        values = page.asarray(squeeze=False, maxworkers=1)  # the engine reads on all cores
        values = values.transpose(2, 3, 0, 1, 4).reshape(height, width, channels)
        pixels[..., index * channels : (index + 1) * channels] = values
    return pixels


def _finished(pixels: Array, page: Any) -> tuple[Array, bool]:
    """Upright, black at 0, in a type that items have; and whether channels are colours."""
    extra = tuple(page.extrasamples)
    alpha = len(extra) == 1 and extra[0] in (PREMULTIPLIED, ALPHA)
    colours = pixels.shape[2] == (3 if page.photometric == RGB else 1) + alpha
    if pixels.dtype.kind == "f":
        with np.errstate(over="ignore"):  # becomes infinite, which is refused
            pixels = pixels.astype(np.float32)
    elif 8 < page.bitspersample < 16:
        scale = np.float32(HIGHEST["uint16"] / (2**page.bitspersample - 1))
        pixels = (pixels * scale).round().clip(0, HIGHEST["uint16"]).astype(np.uint16)
    if page.photometric == WHITE_IS_ZERO and pixels.dtype.kind == "u":
        pixels = HIGHEST[pixels.dtype.name] - pixels
    if colours and alpha and extra[0] == PREMULTIPLIED:
        pixels = unpremultiplied(pixels)
    orientation = page.tags.get(ORIENTATION)
    return upright(pixels, int(orientation.value) if orientation else 1), colours


def _name(value: Any) -> str:
    return str(getattr(value, "name", value))
