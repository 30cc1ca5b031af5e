"""Processes that were started for another one, and have nothing to do without it."""

import os
import threading
from multiprocessing import connection, parent_process


def end_with_parent() -> None:
    """From now on this process ends when the one ends that started it, whatever becomes of that."""
    threading.Thread(target=_follow, name="cyclekit-orphan", daemon=True).start()


def _follow() -> None:
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)
