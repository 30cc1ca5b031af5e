"""What a picture's file says besides its pixels, on its way into the file of its translation."""

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, TypeVar

import numpy as np
from PIL import ExifTags, Image

from cyclekit_image.arrays import Item

Thing = TypeVar("Thing")

INCH = 2
X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT = 282, 283, 296
GEOGRAPHY = {33550: "d", 33922: "d", 34264: "d", 34735: "H", 34736: "d", 34737: "s", 42113: "s"}
"""GeoTIFF's tags and GDAL's for missing values, with the type of their values."""
MOST_VALUES = 2**16  # of such a tag

MOVING = ("GIF", "WEBP", "PNG", "AVIF")
"""Kinds in which further pictures are frames, and not thumbnails, depths or other eyes."""

CONVERTED, UNUSABLE, FRAMES = "profile_converted", "profile_unusable", "first_frame"
SHALLOWER, TURNED = "bits_dropped", "place_dropped"
NOTICED = {
    CONVERTED: "have a colour profile and are converted to sRGB",
    UNUSABLE: "have a colour profile that cannot be used and are taken as sRGB",
    FRAMES: "hold several frames, of which the first is used",
    SHALLOWER: "have more than 8 bits in a file of which 8 can be read",
    TURNED: "are stored turned, so that their place on a map is not kept",
}
"""What may be noticed about a file, and how that is said of several."""


@dataclass(frozen=True)
class Origin:
    """What a file says besides its pixels.

    Attributes:
        kind: Pillow's name of its format; empty for what never was a file.
        resolution: Pixels per unit to the right and down, and the unit as TIFF numbers them
            (1: none, 2: inch, 3: cm).
        profile: Its ICC profile, which ``pixels`` agree with.
        geography: Tags of ``GEOGRAPHY`` with their values.
        integers: The kind of number in it, where that was read within a range.
        noticed: Which of ``NOTICED`` hold.
    """

    kind: str = ""
    resolution: tuple[float, float, int] | None = None
    profile: bytes = field(default=b"", repr=False)
    geography: tuple[tuple[int, tuple[float, ...] | str], ...] = ()
    integers: str = ""
    noticed: tuple[str, ...] = ()

    def noticing(self, what: str) -> "Origin":
        """The same with one thing more."""
        return replace(self, noticed=(*self.noticed, what)) if what not in self.noticed else self

    def turned(self, orientation: int) -> "Origin":
        """What it says of the picture made upright."""
        made = self
        if self.geography and orientation != 1:
            made = replace(made, geography=()).noticing(TURNED)
        if self.resolution and orientation in (5, 6, 7, 8):
            x, y, unit = self.resolution
            made = replace(made, resolution=(y, x, unit))
        return made

    @property
    def dpi(self) -> tuple[float, float] | None:
        """Pixels per inch, if it says how large they are."""
        if self.resolution is None or self.resolution[2] == 1:
            return None
        x, y, unit = self.resolution
        scale = 1.0 if unit == INCH else 2.54
        return x * scale, y * scale

    def as_meta(self) -> dict[str, Any]:
        """Plain values; ``from_meta`` is the inverse."""
        said = {name: value for name, value in asdict(self).items() if value}
        if self.profile:
            said["profile"] = np.frombuffer(self.profile, dtype=np.uint8)
        for name in ("resolution", "noticed"):
            if name in said:
                said[name] = list(said[name])
        if self.geography:
            said["geography"] = [
                [tag, value if isinstance(value, str) else list(value)]
                for tag, value in self.geography
            ]
        return said

    @classmethod
    def from_meta(cls, said: Mapping[str, Any]) -> "Origin":
        """What ``as_meta`` returned."""
        x, y, unit = said.get("resolution") or (0, 0, 0)
        return cls(
            kind=said.get("kind", ""),
            resolution=(x, y, unit) if unit else None,
            profile=bytes(said["profile"]) if "profile" in said else b"",
            geography=tuple(
                (tag, value if isinstance(value, str) else tuple(value))
                for tag, value in said.get("geography", ())
            ),
            integers=said.get("integers", ""),
            noticed=tuple(said.get("noticed", ())),
        )


NOWHERE = Origin()
KEY = "cyclekit"  # in a picture's ``info``


class Raster(np.ndarray[Any, Any]):
    """An array that remembers what its file said."""

    origin: Origin = NOWHERE

    def __array_finalize__(self, made_from: Any) -> None:
        self.origin = getattr(made_from, "origin", NOWHERE)


def origin_of(item: Item) -> Origin:
    """What is known of an item's file; of PIL's pictures also what Pillow has read of it."""
    if not isinstance(item, Image.Image):
        return getattr(item, "origin", NOWHERE)
    known = item.info.get(KEY)
    return known if isinstance(known, Origin) else _as_pillow_says(item)


def with_origin(item: Item, origin: Origin) -> Item:
    """The item, which is nobody else's, with ``origin`` instead of what it knew."""
    if isinstance(item, Image.Image):
        standard = {"dpi": origin.dpi, "icc_profile": origin.profile}
        item.info = {name: value for name, value in standard.items() if value}
        if origin != NOWHERE:
            item.info[KEY] = origin
        return item
    if origin == NOWHERE:
        return item
    made = item.view(Raster)
    made.origin = origin
    return made


def orientation_of(picture: Image.Image) -> int:
    """How the camera was held, 1 to 8; 1 where that cannot be read."""
    found: Any = if_readable(lambda: picture.getexif().get(ExifTags.Base.Orientation), None)
    return found if isinstance(found, int) and 1 <= found <= 8 else 1


def if_readable(read: Callable[[], Thing], otherwise: Thing) -> Thing:
    """What ``read`` returns; ``otherwise`` where the part of a file that it reads is damaged.

    Only for what a picture can be shown without.
    """
    try:
        return read()
    except Exception:  # of damaged metadata anything may come
        return otherwise


def profile_of(said: Any) -> bytes:
    """An ICC profile, if it is one."""
    return said if isinstance(said, bytes) else b""


def resolution_of(x: Any, y: Any, unit: Any) -> tuple[float, float, int] | None:
    """A resolution, if it is one."""
    x, y = (if_readable(lambda v=v: float(v), 0.0) for v in (x, y))  # type: ignore[misc]
    sound = all(math.isfinite(value) and 0 < value < 1e9 for value in (x, y))
    filler = (x, y) == (1, 1)  # what writers put there who know none
    return (x, y, unit) if sound and unit in (1, 2, 3) and not filler else None


def geography_of(tags: Mapping[int, Any]) -> tuple[tuple[int, tuple[float, ...] | str], ...]:
    """The tags of ``GEOGRAPHY`` among a TIFF's, those that make sense."""
    found: list[tuple[int, tuple[float, ...] | str]] = []
    for tag, kind in GEOGRAPHY.items():
        value = if_readable(lambda tag=tag: tags.get(tag), None)  # type: ignore[misc]
        if kind == "s":
            if isinstance(value, str) and value.isascii() and len(value) <= MOST_VALUES:
                found.append((tag, value))
            continue
        values = value if isinstance(value, tuple) else (value,)
        sound = len(values) <= MOST_VALUES and all(isinstance(n, (int, float)) for n in values)
        if sound and (kind == "d" or all(0 <= n <= 65535 for n in values)):
            found.append((tag, tuple(float(n) if kind == "d" else int(n) for n in values)))
    return tuple(found)


def _as_pillow_says(picture: Image.Image) -> Origin:
    said = picture.info
    x, y = if_readable(lambda: said["dpi"], (0, 0))
    origin = Origin(
        kind={"MPO": "JPEG"}.get(picture.format or "", picture.format or ""),
        resolution=resolution_of(x, y, INCH),
        profile=profile_of(said.get("icc_profile")),
    )
    tags = getattr(picture, "tag_v2", None) if origin.kind == "TIFF" else None
    if tags is not None:
        read = [
            if_readable(lambda tag=tag: tags.get(tag), None)  # type: ignore[misc]
            for tag in (X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT)
        ]
        resolution = resolution_of(read[0], read[1], read[2] or INCH)
        origin = replace(origin, resolution=resolution, geography=geography_of(tags))
    if origin.kind in MOVING and if_readable(lambda: bool(picture.is_animated), False):  # type: ignore[attr-defined]
        origin = origin.noticing(FRAMES)
    return origin
