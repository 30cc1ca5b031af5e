"""Names for what lies elsewhere, also where there are no symbolic links."""

import os
import shutil
from pathlib import Path

from cyclekit.storage.handle import read_text


def pointed_at(name: Path) -> Path | None:
    """What ``Storage.point`` made ``name`` stand for; ``None`` where it is not there."""
    if name.is_symlink():
        told = str(name.readlink())
    elif name.is_file():
        told = read_text(name, 1000).strip()
    else:
        return name if name.is_dir() else None  # links were followed when the folder was copied
    if Path(told).name != told or told in ("", ".."):
        return None  # damaged, or meant to lead elsewhere
    target = name.with_name(told)
    return target if target.is_dir() and not target.is_symlink() else None


def borrow(place: Path, file: Path) -> None:
    """Let ``file`` be found at ``place``, too: a link, or a copy where those cannot be made."""
    for way in (os.symlink, os.link):
        try:
            way(file.resolve(), place)
        except (OSError, NotImplementedError):
            continue
        return
    shutil.copyfile(file, place)
