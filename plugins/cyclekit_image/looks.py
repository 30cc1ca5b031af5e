"""What folders of pictures look like: sizes and channels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from PIL import Image

from cyclekit.api import BadSample, DataError
from cyclekit_image.arrays import as_pixels
from cyclekit_image.kinds import readable
from cyclekit_image.pictures import read_picture

GREY = frozenset(("1", "L", "LA", "La", "I", "F"))


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
    """

    short: int
    aspect: float
    channels: int
    channels_reason: str
    deep: bool = False


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
    return Looks(int(short), aspect, channels, why, deep)


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
    except Exception:  # whatever a damaged file leads to: training names it
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
