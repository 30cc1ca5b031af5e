"""Names: of files that are made from other names, of domains as people read them."""

import hashlib
import os
from collections.abc import Mapping

EXTRA = "extra"
"""Files of no domain, from ``data.extra``: a stream may draw from them beside domains."""

DIRECTION = "{}2{}"
"""What a direction is called by its source and target."""

DIRECTION_APART = "{} to {}"
"""The same where names of domains hold the digit."""

SETTING = "{}={:d}"
"""What a direction is called that gives samples an attribute, or takes it from them."""


MOST_BYTES = 120  # a name of 255 has to hold more than this


def fitting(name: str, most: int = MOST_BYTES) -> str:
    """A name cut to so many bytes, where it has more; what was cut is told from others cut alike.

    Args:
        name: Of a file or folder; its suffix stays.
        most: Bytes.
    """
    raw = os.fsencode(name)
    if len(raw) <= most:
        return name
    stem, suffix = os.path.splitext(name)  # noqa: PTH122 - a name, no path
    suffix = suffix if len(os.fsencode(suffix)) <= most // 4 else ""
    digest = hashlib.sha256(raw).hexdigest()[:8]
    room = most - len(os.fsencode(suffix)) - len(digest) - 1
    return f"{os.fsencode(stem)[:room].decode(errors='ignore')}-{digest}{suffix}"


def heading(domain: str) -> str:
    """A domain's name as messages and headings show it: a letter is a capital one."""
    return domain.upper() if len(domain) == 1 else domain


def without(attribute: str) -> str:
    """The domain of what has not an attribute; that of what has it is called like the attribute."""
    return f"no {attribute}"


def setting_of(direction: str) -> tuple[str, str] | None:
    """Attribute and value, ``=0`` or ``=1``, of a direction that is called by them."""
    attribute, value = direction[:-2], direction[-2:]
    return (attribute, value) if attribute and value in ("=0", "=1") else None


def samples(count: int) -> str:
    """So many samples, in words."""
    return counted(count, "sample")


def counted(count: int, thing: str) -> str:
    """So many of a thing, in words; more of them end in s."""
    return f"1 {thing}" if count == 1 else f"{count:,} {thing}s"


def counted_items(counts: Mapping[str, int]) -> str:
    """How many items of each domain there are, in words."""
    numbers = set(counts.values())
    if len(counts) > 2 and len(numbers) == 1:
        return f"{numbers.pop():,} of each of {len(counts)} domains"
    *most, last = [f"{count:,} of {heading(name)}" for name, count in counts.items()] or [""]
    return f"{', '.join(most)} and {last}" if most else last
