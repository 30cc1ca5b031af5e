"""A rank that a supervisor started: ends with its parent, shows that it lives, says why it ends."""

import contextlib
import os
import threading
import time
from pathlib import Path

BEAT_EVERY = 5.0  # seconds between signs of life
ALIVE = ".alive"  # ends the name of the file that a rank touches
LAST_WORDS = "CYCLEKIT_LAST_WORDS"  # where a supervised rank writes the error it ends with
STARTED_BY_OTHERS = ("LOCAL_RANK", "SLURM_PROCID")  # torchrun and srun start the ranks themselves

_last_words_file: Path | None = None  # of this process, if it is a supervised rank


def must_supervise(devices: int) -> bool:
    """Whether the ranks of ``--devices`` are still to be started."""
    return devices > 1 and not any(name in os.environ for name in STARTED_BY_OTHERS)


def obey_supervisor() -> None:
    """End with the parent, whatever becomes of it; called by every rank that has one."""
    global _last_words_file
    file = os.environ.pop(LAST_WORDS, None)  # not for commands that this rank may start
    if file is not None:
        _last_words_file = Path(file)
        threading.Thread(target=_follow, daemon=True).start()
        threading.Thread(target=_beat, args=(Path(file + ALIVE),), daemon=True).start()


def leave_last_words(message: str) -> bool:
    """Tell the parent, if there is one, why this rank ends: it chooses what to print."""
    if _last_words_file is None:
        return False
    try:
        _last_words_file.write_text(message, encoding="utf-8")
    except OSError:  # a full disk: then everybody says it for themselves
        return False
    return True


def _follow() -> None:
    os.read(0, 1)  # standard input: the parent holds the other end and never writes
    os._exit(1)


def _beat(file: Path) -> None:
    """Give a sign of life now and then; a process that is stopped gives none."""
    while True:
        with contextlib.suppress(OSError):  # a full disk passes; if the folder is gone, so are we
            file.touch()
        time.sleep(BEAT_EVERY)
