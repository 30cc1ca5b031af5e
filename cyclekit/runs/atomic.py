"""Files that are there as a whole or not at all, whatever happens while they are written."""

import contextlib
import os
from pathlib import Path

ASIDE = ".incoming-"  # begins the name of what is being written; nothing complete is called so


def replace_text(path: Path, text: str) -> None:
    """Write a text file in place of the one that may be there."""
    aside = path.with_name(f"{ASIDE}{path.name}")
    aside.write_text(text, encoding="utf-8")
    flush(aside)
    aside.replace(path)


def flush(path: Path) -> None:
    """Wait until a file, or a folder's list of names, has reached the disk."""
    if path.is_dir():
        # Windows opens no folder, and some network disks cannot flush one: nothing to wait for.
        with contextlib.suppress(OSError):
            _flush(path, os.O_RDONLY)
        return
    _flush(path, os.O_RDWR)  # Windows flushes only what may be written


def _flush(path: Path, how: int) -> None:
    descriptor = os.open(path, how)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
