"""Folders for a while; those of processes that were killed are removed by the next one."""

import contextlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from cyclekit.locks import can_hold
from cyclekit.storage.handle import opened

PREFIX = "cyclekit_"  # 0.1 holds no locks, and has another
UNHELD = "cyclekit."  # of those that cannot show that they live: nobody else removes them


@contextlib.contextmanager
def temporary_folder() -> Iterator[Path]:
    """A private folder that is removed with all that is in it."""
    parent = Path(tempfile.gettempdir())
    _remove_abandoned(parent)
    made = Path(tempfile.mkdtemp(prefix=UNHELD))
    with opened(parent) as handle, handle.holding(made.name):
        if can_hold():  # only now may others ask whether it is held
            made = made.rename(made.with_name(made.name.replace(UNHELD, PREFIX, 1)))
        try:
            yield made
        finally:
            shutil.rmtree(made, ignore_errors=True)


def _remove_abandoned(parent: Path) -> None:
    """Remove one's own folders that no living process holds."""
    with contextlib.suppress(OSError), opened(parent) as handle:
        for name in handle.names():
            if not re.fullmatch(rf"{PREFIX}\w+", name):
                continue
            # Another may be removing it, or it is somebody else's.
            with contextlib.suppress(OSError), handle.holding(name) as free:
                if free and (parent / name).lstat().st_uid == os.getuid():
                    shutil.rmtree(parent / name)
