"""TIFF beyond Pillow's: more than 8 bits, floating-point numbers, any number of channels."""

import io
import logging
import math
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from cyclekit_image.arrays import HIGHEST, Array, Refusal, upright
from cyclekit_image.channels import unpremultiplied
from cyclekit_image.origin import (
    FRAMES,
    GEOGRAPHY,
    INCH,
    NOWHERE,
    RESOLUTION_UNIT,
    X_RESOLUTION,
    Y_RESOLUTION,
    Origin,
    geography_of,
    if_readable,
    profile_of,
    resolution_of,
)
from cyclekit_image.sizes import MOST_VALUES, require_size

MOST_PAGES = 256
MOST_TAGS = 4096

# Tags, and values that they have.
SUBFILE, BITS, COMPRESSION, ORIENTATION, SAMPLES = 254, 258, 259, 274, 277
EXTRA_SAMPLES, SAMPLE_FORMAT, ICC_PROFILE = 338, 339, 34675
WHITE_IS_ZERO, BLACK_IS_ZERO, RGB = 0, 1, 2
PREMULTIPLIED, ALPHA = 1, 2
UNSIGNED = 1
SHORT = 3

# Lossless ones that tifffile decodes into no more memory than the picture takes: none, LZW, deflate
# (two numbers), PackBits, LZMA, Zstandard.
COMPRESSIONS = {1, 5, 8, 32946, 32773, 34925, 50000}

# Those whose parts say themselves how large they become, by Pillow's names.
TELLING = {50001: "WEBP", 34712: "JPEG2000", 33005: "JPEG2000", 34933: "PNG"}

# Those of single pages that Pillow's libtiff knows: fax, old and new JPEG besides.
PILLOWS = COMPRESSIONS | {2, 3, 4, 6, 7}

BASES = dict.fromkeys(("1", "L", "LA", "P", "PA"), 1) | {"CMYK": 4}
BASES |= dict.fromkeys(("RGB", "RGBA", "YCbCr", "LAB"), 3)
"""Samples that are not extra, by Pillow's mode."""


def count_plain_pages(path: Path) -> int:
    """How many pages there are, if Pillow reads all that the first holds: 8 bits, known colours.

    Returns:
        0 if the other reader has to read it: other pages of a grey one are channels.

    Raises:
        Refusal: If there are far too many pages.
        ValueError: If it is damaged; or ``struct.error``.
    """
    with path.open("rb") as file:
        pages = _count_pages(file)
    try:
        with Image.open(path, formats=("TIFF",)) as picture:
            known = _is_known(picture.mode, picture.tag_v2)  # type: ignore[attr-defined]
            return pages if known and (pages == 1 or picture.mode not in ("L", "LA")) else 0
    except Exception:  # of a damaged file anything may come; the other reader says what is wrong
        return 0


def read_tiff(path: Path) -> tuple[Array, bool, Origin]:
    """Pages, planes or samples as channels; of several pages in colour the first.

    Returns:
        ``(height, width, channels)`` uint8, uint16, float32 or signed integers of at most 16 bits,
        upright; whether the channels are grey or colours, with or without transparency; and what
        the file says besides.

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
            origin = Origin("TIFF")
            if len(pages) > 1 and all(page.photometric == RGB for page in pages):
                origin = origin.noticing(FRAMES)
                pages = pages[:1]
            _require_known(pages)
            origin = _described(pages[0], origin)
            pixels, colours, orientation = _finished(_read_pages(pages), pages[0])
            return upright(pixels, orientation), colours, origin.turned(orientation)
    except (OSError, ValueError):
        raise
    except RuntimeError as error:  # a decoder's
        raise ValueError(str(error)) from error
    except Exception as error:  # of a damaged file anything may come
        raise ValueError("its tags make no sense") from error


def write_tiff(
    pixels: Array, path: Path, origin: Origin = NOWHERE, profile: bytes = b"", alpha: bool = True
) -> None:
    """Write ``(height, width, channels)`` of any number of channels, deflated.

    Args:
        pixels: The picture.
        path: Where.
        origin: Says its resolution and its place on a map.
        profile: Its ICC profile.
        alpha: Whether the last of two or four channels is transparency.
    """
    import tifffile

    channels = pixels.shape[2]
    extra = "unassalpha" if alpha else "unspecified"
    x, y, unit = origin.resolution or (1, 1, 1)
    tifffile.imwrite(
        path,
        pixels if channels > 1 else pixels[..., 0],
        photometric="rgb" if channels in (3, 4) else "minisblack",
        planarconfig="contig" if channels > 1 else None,
        extrasamples={2: [extra], 4: [extra]}.get(channels),
        compression="zlib",
        metadata=None,
        software=False,
        resolution=(x, y) if origin.resolution else None,
        resolutionunit=unit if origin.resolution else None,
        iccprofile=profile or None,
        extratags=[
            (tag, GEOGRAPHY[tag], len(value), value, True) for tag, value in origin.geography
        ],
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
        and tags.get(COMPRESSION, 1) in PILLOWS
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
    if kind is None or kind.kind not in "uif" or (kind.kind in "ui" and not 8 <= bits <= 16):
        raise Refusal(
            f"holds {kind or 'unknown values'} of {bits} bits: save it as unsigned numbers of 8 or "
            f"16 bits, or as floating-point numbers and set codec.range"
        )
    if first.photometric not in (WHITE_IS_ZERO, BLACK_IS_ZERO, RGB):
        raise Refusal(f"holds {_name(first.photometric)} of {bits} bits: save it as grey or RGB")
    if first.compression in TELLING:
        for page in pages:
            _require_parts(page, TELLING[first.compression])
    elif first.compression not in COMPRESSIONS:
        known = first.compression in PILLOWS
        limits = "which is read for one page of 8 bits alone" if known else "which cannot be read"
        raise Refusal(
            f"is compressed with {_name(first.compression)}, {limits}: save it with deflate"
        )


def _require_parts(page: Any, kind: str) -> None:
    """Refuse strips or tiles that would become larger than the page says that they are."""
    places = zip(page.dataoffsets, page.databytecounts, strict=True)
    for place, length in places:
        page.parent.filehandle.seek(place)
        part = io.BytesIO(page.parent.filehandle.read(length))
        with Image.open(part, formats=(kind,)) as picture:
            if picture.width * picture.height > math.prod(page.chunks):
                raise ValueError("a part of it is larger than it should be")


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


def _finished(pixels: Array, page: Any) -> tuple[Array, bool, int]:
    """Black at 0, in a type that items have; whether channels are colours; the orientation."""
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
    orientation = _value(page, ORIENTATION)
    return pixels, colours, orientation if isinstance(orientation, int) else 1


def _described(page: Any, origin: Origin) -> Origin:
    """With what a page says besides its pixels."""

    def length(tag: int) -> Any:
        above, below = _value(page, tag) or (0, 1)
        return above / below

    return replace(
        origin,
        resolution=resolution_of(
            if_readable(lambda: length(X_RESOLUTION), 0),
            if_readable(lambda: length(Y_RESOLUTION), 0),
            if_readable(lambda: int(_value(page, RESOLUTION_UNIT)), INCH),
        ),
        profile=profile_of(_value(page, ICC_PROFILE)),
        geography=geography_of({tag: _value(page, tag) for tag in GEOGRAPHY}),
    )


def _value(page: Any, tag: int) -> Any:
    """What a tag says; ``None`` if it is not there, or damaged."""
    return if_readable(lambda: page.tags[tag].value, None)


def _name(value: Any) -> str:
    return str(getattr(value, "name", value))
