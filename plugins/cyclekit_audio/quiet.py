"""Keeps a native library's own lines from the terminal."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

ERRORS = 2  # the descriptor of standard error

_lock = threading.Lock()
_inside = 0
_kept = -1


@contextmanager
def quiet_natives() -> Iterator[None]:
    """Nothing that is written to standard error arrives, whichever thread writes it.

    libmpg123 reports every damaged frame there, and libsndfile cannot be told to stop it. So it is
    for the moment of reading alone, of files that may be MPEG.
    """
    _enter()
    try:
        yield
    finally:
        _leave()


def _enter() -> None:
    global _inside, _kept
    with _lock:
        _inside += 1
        if _inside > 1:
            return
        try:
            _kept = os.dup(ERRORS)
        except OSError:  # there is no standard error
            _kept = -1
            return
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, ERRORS)
        os.close(nothing)


def _leave() -> None:
    global _inside, _kept
    with _lock:
        _inside -= 1
        if _inside or _kept < 0:
            return
        os.dup2(_kept, ERRORS)
        os.close(_kept)
        _kept = -1
