"""Names for what lies elsewhere, also where there are no symbolic links."""

import os
import shutil
from pathlib import Path


def point(name: Path, target: Path, aside: Path) -> None:
    """Make ``name`` stand for its neighbour ``target``, at once or not at all.

    A link, or a text file that holds the target's name where links cannot be made, or cannot be
    replaced at once (Windows' links to folders).

    Args:
        name: What to write.
        target: A file or folder beside it.
        aside: Where to write it first.
    """
    aside.unlink(missing_ok=True)
    if os.name == "nt" or not _linked(target.name, aside):
        with aside.open("w", encoding="utf-8") as file:
            file.write(target.name)
            file.flush()
            os.fsync(file.fileno())
    aside.replace(name)


def pointed_at(name: Path) -> Path | None:
    """What ``point`` made ``name`` stand for, links resolved; ``None`` where it is not there."""
    if name.is_file() and not name.is_symlink():
        told = name.read_text(encoding="utf-8", errors="replace").strip()
        if Path(told).name != told or told in ("", ".."):
            return None  # damaged, or meant to lead elsewhere
        name = name.with_name(told)
    return name.resolve() if name.is_dir() else None


def _linked(target: str, place: Path) -> bool:
    try:
        place.symlink_to(target)
    except (OSError, NotImplementedError):  # no right to, some network disks
        return False
    return True


def borrow(place: Path, file: Path) -> None:
    """Let ``file`` be found at ``place``, too: a link, or a copy where those cannot be made."""
    for way in (os.symlink, os.link):
        try:
            way(file.resolve(), place)
        except (OSError, NotImplementedError):
            continue
        return
    shutil.copyfile(file, place)
