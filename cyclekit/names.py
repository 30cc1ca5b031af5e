"""Names of files that are made from other names."""

import hashlib
import os

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
