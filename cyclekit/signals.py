"""Which signals ask a training to stop."""

import signal

ECHO = 0.5  # seconds in which a repeated signal is the same one: to a whole group, and passed on
NAMES = ("SIGTERM", "SIGINT", "SIGHUP", "SIGUSR1")  # the last two: a lost connection, SLURM


def listened() -> list[signal.Signals]:
    """Those that the system has and that are not ignored, as SIGHUP is under nohup."""
    known = [getattr(signal, name) for name in NAMES if hasattr(signal, name)]
    return [number for number in known if signal.getsignal(number) is not signal.SIG_IGN]
