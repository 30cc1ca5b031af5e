"""Files of more than 8 bits beside TIFF, of which Pillow would drop the rest without a word."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from cyclekit_image.arrays import HIGHEST, Array

# JPEG 2000: the beginning of a codestream, and where in it the samples' depth stands.
CODESTREAM, SAMPLE_DEPTH = b"\xff\x4f\xff\x51", 42


def read_deep(path: Path, picture: Image.Image) -> Array | None:
    """The pixels of a picture whose size was asked for, where Pillow would not give them all.

    Args:
        path: The file.
        picture: The same as Pillow has opened it.

    Returns:
        ``(height, width, channels)`` uint16 over their whole range, not turned yet; ``None`` where
        Pillow reads all there is.

    Raises:
        ValueError: If it is damaged; or ``RuntimeError``, a decoder's.
    """
    reader = READERS.get(picture.format or "")
    return reader(path, picture) if reader else None


def _read_png(path: Path, picture: Image.Image) -> Array | None:
    import imagecodecs

    with path.open("rb") as file:
        if file.read(25)[24:] != b"\x10":
            return None
    return _whole(imagecodecs.png_decode(path.read_bytes()), 16, picture)


def _read_ppm(path: Path, picture: Image.Image) -> Array | None:
    codec, _, offset, arguments = picture.tile[0]  # type: ignore[attr-defined]
    highest = arguments[-1] if isinstance(arguments, tuple) else 0
    if codec != "ppm" or picture.mode != "RGB" or not 255 < highest <= HIGHEST["uint16"]:
        return None
    count = 3 * picture.width * picture.height
    values = np.frombuffer(path.read_bytes(), ">u2", count, offset)
    pixels = values.reshape(picture.height, picture.width, 3).astype(np.float32)
    return _rounded(pixels * np.float32(HIGHEST["uint16"] / highest))


def _read_jpeg2000(path: Path, picture: Image.Image) -> Array | None:
    import imagecodecs

    data = path.read_bytes()
    place = data.find(CODESTREAM)
    # Only what was looked at is decoded, so that it is as large as it says.
    stream = data[place:] if 0 <= place < len(data) - SAMPLE_DEPTH else bytes(SAMPLE_DEPTH + 1)
    bits = stream[SAMPLE_DEPTH] + 1  # more than 128 if signed
    width, height, left, top = (
        int.from_bytes(stream[at : at + 4], "big") for at in (8, 12, 16, 20)
    )
    fits = (width - left, height - top) == picture.size
    if picture.mode not in ("RGB", "RGBA", "LA") or not 8 < bits <= 16 or not fits:
        return None
    return _whole(imagecodecs.jpeg2k_decode(stream), bits, picture)


def _read_avif(path: Path, picture: Image.Image) -> Array | None:
    import imagecodecs

    data = path.read_bytes()
    place = data.find(b"av1C")
    flags = data[place + 6] if 0 <= place < len(data) - 6 else 0
    if not flags & 0x40:
        return None
    pixels = imagecodecs.avif_decode(data, index=0)
    return _whole(pixels, 12 if flags & 0x20 else 10, picture)


READERS: dict[str, Callable[[Path, Image.Image], Array | None]] = {
    "PNG": _read_png,
    "PPM": _read_ppm,
    "JPEG2000": _read_jpeg2000,
    "AVIF": _read_avif,
}


def _whole(decoded: Any, bits: int, picture: Image.Image) -> Array:
    """A decoder's pixels over the whole range of 16 bits."""
    pixels = decoded if decoded.ndim == 3 else decoded[..., None]
    if pixels.shape[:2] != (picture.height, picture.width) or pixels.dtype != np.uint16:
        raise ValueError("it is not what its header says")
    if bits == 16:
        return np.asarray(pixels)
    scale = np.float32(HIGHEST["uint16"] / (2**bits - 1))
    return _rounded(pixels.astype(np.float32) * scale)


def _rounded(values: Array) -> Array:
    return values.round().clip(0, HIGHEST["uint16"]).astype(np.uint16)
