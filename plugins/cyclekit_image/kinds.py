"""The kinds of files that pictures come in: one table of their suffixes and of what they hold."""

import re
from dataclasses import dataclass, field
from functools import cache
from typing import Any

RESOLUTION, PROFILE, PLACE = "resolution", "colour profile", "place on a map"
"""What a file may say besides its pixels."""


@dataclass(frozen=True)
class Kind:
    """One kind of file.

    Attributes:
        suffixes: Under which it is written, the usual one first.
        read: Further ones under which it is read.
        exact: Modes of 8-bit pictures that it can be written in without any loss.
        options: What Pillow has to be told to write it.
        holds: What it can say besides the pixels.
    """

    suffixes: tuple[str, ...]
    read: tuple[str, ...] = ()
    exact: frozenset[str] = frozenset()
    options: dict[str, Any] = field(default_factory=dict)
    holds: frozenset[str] = frozenset()


ALL = frozenset(("L", "LA", "RGB", "RGBA"))

KINDS = {
    "PNG": Kind((".png",), (".apng",), exact=ALL, holds=frozenset((RESOLUTION, PROFILE))),
    "JPEG": Kind(
        (".jpg", ".jpeg"),
        (".jpe", ".jfif", ".mpo"),
        options={"quality": 95, "subsampling": "4:4:4"},
        holds=frozenset((RESOLUTION, PROFILE)),
    ),
    "WEBP": Kind(
        (".webp",),
        exact=frozenset(("RGB", "RGBA")),
        options={"lossless": True, "exact": True},
        holds=frozenset((PROFILE,)),
    ),
    "BMP": Kind((".bmp",), exact=frozenset(("L", "RGB")), holds=frozenset((RESOLUTION,))),
    "TIFF": Kind(
        (".tif", ".tiff"),
        (".btf", ".svs", ".lsm"),
        exact=ALL,
        holds=frozenset((RESOLUTION, PROFILE, PLACE)),
    ),
    "GIF": Kind((".gif",)),
    "PPM": Kind((".ppm", ".pgm", ".pnm"), (".pbm", ".pfm"), exact=frozenset(("L", "RGB"))),
    "JPEG2000": Kind((".jp2",), (".j2k", ".jpf", ".jpx", ".j2c", ".jpc"), exact=ALL),
    "AVIF": Kind((".avif",), (".avifs",)),
    "HEIF": Kind((".heic",), (".heif", ".hif")),
}
"""By Pillow's names."""

SUFFIXES = frozenset(suffix for kind in KINDS.values() for suffix in (*kind.suffixes, *kind.read))

TIFF_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
# Those that nothing else begins with; TIFF is left out, since raw photographs are that as well.
_TELLING = re.compile(
    rb"\x89PNG\r\n|\xff\xd8\xff|RIFF....WEBP|GIF8[79]a|\0\0\0\x0cjP  |\xff\x4f\xff\x51", re.DOTALL
)
# ISO's base media by what they are first of all (raw photographs of Canon, say, are films second),
# QuickTime without a word about that; AVI; Matroska and WebM; FLV; MPEG's programs, and its
# transport in packets of 188 or 192 bytes.
_FILM = re.compile(
    rb"....ftyp(?:iso|mp4|avc1|qt  |M4V|3gp|3g2|dash|MSNV|XAVC|f4v )|....(?:moov|mdat|wide|free)"
    rb"|RIFF....AVI |\x1aE\xdf\xa3|FLV\x01|\0\0\x01\xba|G.{187}G.{187}G|.{4}G.{191}G.{191}G?",
    re.DOTALL,
)
_AVIF = (b"avif", b"avis")
_HEIF = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")


def is_telling(head: bytes) -> bool:
    """Whether a file that begins like this is a picture, whatever its name."""
    return bool(_TELLING.match(head)) or is_heif(head) or bool(_brands(head) & set(_AVIF))


def is_film(head: bytes) -> bool:
    """Whether a file that begins like this is a film of a kind that is read, whatever its name.

    Ogg and ASF are left out, since sound alone begins so, too.
    """
    return bool(_FILM.match(head))


def is_heif(head: bytes) -> bool:
    """Whether a file that begins like this is HEIF (HEIC), and not AVIF."""
    brands = _brands(head)
    return bool(brands & set(_HEIF)) and not brands & set(_AVIF)


@cache
def readable() -> tuple[str, ...]:
    """Pillow's names of the kinds that can be read here: HEIF takes the package pillow-heif."""
    try:
        import pillow_heif
    except ImportError:
        return tuple(name for name in KINDS if name != "HEIF")
    pillow_heif.register_heif_opener()
    return tuple(KINDS)


def _brands(head: bytes) -> set[bytes]:
    """What a file of ISO's base media format says that it is."""
    if head[4:8] != b"ftyp":
        return set()
    end = min(int.from_bytes(head[:4], "big"), len(head))
    return {head[8:12], *(head[place : place + 4] for place in range(16, end, 4))}
