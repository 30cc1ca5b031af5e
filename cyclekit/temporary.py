"""Folders for a while; those of processes that were killed are removed by the next one."""

import contextlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

PREFIX = "cyclekit-"


@contextlib.contextmanager
def temporary_folder() -> Iterator[Path]:
    """A private folder that is removed with all that is in it."""
    _remove_abandoned(Path(tempfile.gettempdir()))
    with tempfile.TemporaryDirectory(prefix=f"{PREFIX}{os.getpid()}-") as name:
        yield Path(name)


def _remove_abandoned(parent: Path) -> None:
    """Remove one's own folders whose process is no more."""
    for folder in parent.glob(f"{PREFIX}*-*"):
        named = re.fullmatch(rf"{PREFIX}(\d+)-\w+", folder.name)
        if named is None or _lives(int(named[1])):
            continue
        with contextlib.suppress(OSError):  # another is removing it, or it is somebody else's
            if not folder.is_symlink() and folder.stat().st_uid == os.getuid():
                shutil.rmtree(folder)


def _lives(process: int) -> bool:
    if not hasattr(os, "getuid"):
        return True  # Windows: os.kill ends processes
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True
