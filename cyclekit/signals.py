"""Which signals ask a training to stop."""

import signal

ECHO = 0.5  # seconds in which a repeated signal is the same one: to a whole group, and passed on
NAMES = ("SIGTERM", "SIGINT", "SIGHUP", "SIGUSR1")  # the last two: a lost connection, SLURM


def listened() -> list[signal.Signals]:
    """Those that the system has; not SIGHUP where it is ignored, as nohup has it."""
    known = [getattr(signal, name) for name in NAMES if hasattr(signal, name)]
    hung_up = getattr(signal, "SIGHUP", None)
    if hung_up is not None and signal.getsignal(hung_up) is signal.SIG_IGN:
        known.remove(hung_up)
    return known
