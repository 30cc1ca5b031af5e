"""What two folders of pictures look like: sizes, channels, and how alike they are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
from PIL import Image

from cyclekit.api import BadSample, DataError
from cyclekit_image.arrays import Array, as_pixels
from cyclekit_image.kinds import readable
from cyclekit_image.pictures import read_picture

GREY = frozenset(("1", "L", "LA", "La", "I", "F"))
COMPARED = 40  # pictures of each domain
SIDE = 16  # px of what is compared
NEAR = 1.5  # times as far as the nearest of one's own kind is still alike
LARGEST_COMPARED = 16_000_000  # pixels


@dataclass(frozen=True)
class Header:
    """What a file says of its picture: pixels a side, and what they are made of."""

    width: int
    height: int
    channels: int
    deep: bool


@dataclass(frozen=True)
class Looks:
    """What the pictures of all domains are like.

    Attributes:
        short: Pixels of the shorter side, the median of the domain where it is smallest.
        aspect: The longer side in shorter ones, the median of all.
        channels: That windows should have.
        channels_reason: Why.
        deep: Whether most pictures have 16 bits.
        likeness: How far the nearest picture of another domain is, in distances to the nearest of
            one's own; 0: not known.
    """

    short: int
    aspect: float
    channels: int
    channels_reason: str
    deep: bool = False
    likeness: float = 0.0

    @property
    def alike(self) -> bool:
        """Whether the domains differ by little."""
        return self.likeness <= NEAR

    @property
    def told_likeness(self) -> str:
        """The same in words."""
        if not self.likeness:
            return "too few to be compared"
        return f"the nearest of the others is {self.likeness:.2g} times as far as of their own"


def look(files: Mapping[str, Sequence[Path]]) -> Looks:
    """Look at some pictures of each domain.

    Raises:
        DataError: If none of a domain's can be opened.
    """
    headers = {domain: _headers(domain, some) for domain, some in files.items()}
    every = [header for some in headers.values() for header in some]
    short = min(median(min(h.width, h.height) for h in some) for some in headers.values())
    aspect = median(max(h.width, h.height) / min(h.width, h.height) for h in every)
    channels, why = _channels({domain: [h.channels for h in of] for domain, of in headers.items()})
    deep = sum(header.deep for header in every) > len(every) / 2
    return Looks(int(short), aspect, channels, why, deep, likeness(list(files.values())))


def likeness(domains: Sequence[Sequence[Path]]) -> float:
    """How far the nearest picture of another domain is, in distances to the nearest of its own.

    Seen as thumbnails, the median of the pictures. 0 where fewer than two of a domain can be read.
    """
    seen = [_thumbnails(files) for files in domains]
    if len(seen) < 2 or min(map(len, seen)) < 2:
        return 0.0
    ratios = []
    for place, mine in enumerate(seen):
        others = np.concatenate([theirs for n, theirs in enumerate(seen) if n != place])
        for number, one in enumerate(mine):
            own = _nearest(one, np.delete(mine, number, axis=0))
            ratios.append(_nearest(one, others) / max(own, 1e-3))
    return float(max(np.median(ratios), 1e-3))


def _nearest(one: Array, others: Array) -> float:
    return float(np.abs(others - one).mean(axis=1).min())


def _thumbnails(files: Sequence[Path]) -> Array:
    """Each picture in few pixels, ``(pictures, values)`` in 0..1, but for unreadable ones."""
    made = []
    for file in files[:: max(len(files) // COMPARED, 1)][:COMPARED]:
        try:
            with Image.open(file, formats=readable()) as picture:
                if picture.width * picture.height > LARGEST_COMPARED:
                    picture.draft("RGB", (8 * SIDE, 8 * SIDE))
                small = picture.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BOX)
        except Exception:  # whatever a damaged file leads to: training names it
            continue
        made.append(np.asarray(small, np.float32).ravel() / 255)
    return np.stack(made) if made else np.empty((0, 3 * SIDE * SIDE), np.float32)


def _headers(domain: str, files: Sequence[Path]) -> list[Header]:
    found = [header for file in files if (header := _header(file))]
    if not found:  # kinds that Pillow does not know take their time
        found = [header for file in files[:3] if (header := _decoded(file))]
    if not found:
        raise DataError(
            f"None of the {len(files)} pictures of domain {domain.upper()} that were looked at can "
            f"be opened, such as {files[0]}. `cyclekit data check` says what is wrong with each."
        )
    return found


def _header(file: Path) -> Header | None:
    """What a file says before its pixels are decoded."""
    try:
        with Image.open(file, formats=readable()) as picture:
            mode, (width, height) = picture.mode, picture.size
    except Exception:  # as above
        return None
    deep = mode.startswith("I")
    return Header(width, height, 1 if deep or mode in GREY else 3, deep)


def _decoded(file: Path) -> Header | None:
    try:
        pixels = as_pixels(read_picture(file, (0.0, 1.0)))
    except (BadSample, OSError):
        return None
    height, width, channels = pixels.shape
    channels = {2: 1, 4: 3}.get(channels, channels)
    return Header(width, height, channels, pixels.dtype.itemsize == 2)


def _channels(found: Mapping[str, Sequence[int]]) -> tuple[int, str]:
    """The channels that windows should have, and why."""
    kinds = {channels for some in found.values() for channels in some}
    if kinds == {1}:
        return 1, "all pictures are grey"
    if len(kinds) == 1:
        (channels,) = kinds
        return channels, "all pictures have colours" if channels == 3 else "all pictures have them"
    grey = [sum(n == 1 for n in some) / len(some) for some in found.values()]
    listed = ", ".join(
        f"{share:.0%} of {domain.upper()}" for domain, share in zip(found, grey, strict=True)
    )
    return 3, f"grey beside colours ({listed} grey): grey ones are seen in colours, too"
