"""Whether trainings end when their minutes are over, on machines of several speeds.

    python benchmarks/budget.py [--minutes 5 15] [--plugins NAME ...] [--only NAME ...] [--json]

Whole commands, from their start to their end, with all that they write. "beside another" has a
process that computes without end from a third of the time on, so that it must be planned anew.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tables import show

RECIPES = {"image": "demo", "audio": "demo", "music": "demo"}
MACHINES = {"one core": 1, "two cores": 2, "beside another": 2}
COLUMNS = ("name", "minutes", "took", "off_percent", "steps", "plans")
BUSY = "while True: pass"


def main() -> None:
    """Train for each number of minutes on each kind of machine."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, nargs="*", default=[5.0])
    parser.add_argument("--plugins", nargs="*", default=["image"], choices=RECIPES)
    parser.add_argument("--only", nargs="*", choices=MACHINES, default=list(MACHINES))
    parser.add_argument("--json", action="store_true", help="lines for a machine")
    arguments = parser.parse_args()
    rows = (
        measure(plugin, machine, minutes)
        for plugin in arguments.plugins
        for minutes in arguments.minutes
        for machine in arguments.only
    )
    show(COLUMNS, rows, arguments.json)


def measure(plugin: str, machine: str, minutes: float) -> dict[str, object]:
    """How long one command took."""
    threads = MACHINES[machine]
    environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder, "run")
        command = [sys.executable, "-m", "cyclekit", "train", f"--plugin={plugin}"]
        command += [f"--recipe={RECIPES[plugin]}", f"--minutes={minutes}", f"--run-dir={run}"]
        begun = time.monotonic()
        with neighbour(20 * minutes if machine == "beside another" else None):
            subprocess.run(
                pinned(command, threads), env=environment, check=True, capture_output=True
            )
        took = (time.monotonic() - begun) / 60
        plans = [json.loads(line) for line in (run / "plans.jsonl").read_text().splitlines()]
    return {
        "name": f"{plugin}, {machine}",
        "minutes": minutes,
        "took": round(took, 2),
        "off_percent": round(100 * (took / minutes - 1), 1),
        "steps": plans[-1]["steps"],
        "plans": len(plans) - 1,
    }


def pinned(command: list[str], cores: int) -> list[str]:
    """The command on so many cores alone, where the system has ``taskset``."""
    return ["taskset", "-c", ",".join(map(str, range(cores))), *command]


@contextmanager
def neighbour(after: float | None) -> Iterator[None]:
    """A process that wants a core, from so many seconds on."""
    started: list[subprocess.Popen[bytes]] = []
    timer = threading.Timer(
        after or 0, lambda: started.append(subprocess.Popen([sys.executable, "-c", BUSY]))
    )
    if after is not None:
        timer.start()
    try:
        yield
    finally:
        timer.cancel()
        for process in started:
            process.kill()
            process.wait()


if __name__ == "__main__":
    main()
