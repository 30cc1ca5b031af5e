"""Names for what lies elsewhere, also where there are no symbolic links."""

import os
import shutil
from pathlib import Path


def point(name: Path, target: Path, aside: Path) -> None:
    """Make ``name`` stand for its neighbour ``target``, at once or not at all.

    A link, or where those cannot be made a text file that holds the target's name.

    Args:
        name: What to write.
        target: A file or folder beside it.
        aside: Where to write it first.
    """
    aside.unlink(missing_ok=True)
    try:
        aside.symlink_to(target.name)
    except (OSError, NotImplementedError):  # Windows without the right to, some network disks
        aside.write_text(target.name, encoding="utf-8")
    aside.replace(name)


def pointed_at(name: Path) -> Path | None:
    """What ``point`` made ``name`` stand for, links resolved; ``None`` where it is not there."""
    if name.is_file() and not name.is_symlink():
        told = name.read_text(encoding="utf-8", errors="replace").strip()
        name = name.with_name(Path(told).name)
    return name.resolve() if name.is_dir() else None


def borrow(place: Path, file: Path) -> None:
    """Let ``file`` be found at ``place``, too: a link, or a copy where those cannot be made."""
    for way in (os.symlink, os.link):
        try:
            way(file.resolve(), place)
        except (OSError, NotImplementedError):
            continue
        return
    shutil.copyfile(file, place)
