"""What is remembered from one command to the next, outside of all runs and data."""

import contextlib
import json
import os
from pathlib import Path
from typing import Any

from cyclekit.storage.folder import Storage
from cyclekit.storage.handle import Refused, read_text


class Remembered:
    """A table in ``$XDG_STATE_HOME/cyclekit``, or ``~/.local/state/cyclekit``.

    Where there is no home, or its disk is full or read-only, nothing is kept.

    Args:
        file: The table's name, ending in ``.json``.
    """

    def __init__(self, file: str) -> None:
        self._file = file

    def read(self) -> dict[str, Any]:
        """All of it; empty where nothing was kept, or what is there is none."""
        folder = _folder()
        try:
            told = json.loads(read_text(folder / self._file)) if folder else {}
        except (OSError, ValueError, RecursionError):
            return {}
        return told if isinstance(told, dict) else {}

    def keep(self, key: str, value: Any) -> None:
        """Add or replace one entry."""
        folder = _folder()
        held = self.read()
        if folder is None or held.get(key) == value:
            return
        with contextlib.suppress(OSError, Refused):
            text = json.dumps(held | {key: value}, indent=2)
            Storage(folder).write_text(self._file, text + "\n")


def _folder() -> Path | None:
    state = os.environ.get("XDG_STATE_HOME")
    try:
        return Path(state or Path.home() / ".local" / "state") / "cyclekit"
    except RuntimeError:
        return None
