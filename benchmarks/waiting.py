"""What it costs, and saves, how torch's threads wait for one another.

    python benchmarks/waiting.py [--only NAME ...] [--rounds 5] [--json]

Each way of waiting is a process of its own, all of them the same steps; they take turns. quiet:
with nothing else running. disturbed: with another process busy on one core. Both are ratios to
spinning threads on the quiet machine. Under another OpenMP than GNU's most ways are the same.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator

from tables import show

COLUMNS = ("name", "measure", "ms", "quiet", "disturbed")
WAYS: dict[str, dict[str, str]] = {
    "spinning": {"GOMP_SPINCOUNT": "300000"},  # what it is by default; named, it is left alone
    "passive": {"OMP_WAIT_POLICY": "PASSIVE"},
    "1,000 turns, then sleep": {"GOMP_SPINCOUNT": "1000"},
    "4,000 turns, then sleep": {"GOMP_SPINCOUNT": "4000"},
    "one thread": {"OMP_NUM_THREADS": "1"},
    "as cyclekit does": {},
}
TASKS = {
    "image 64 px, batch 2": "picture_task(64, 3, 2, generator__channels=16)",
    "image 128 px, batch 1": "picture_task(128, 6, 1, generator__channels=32)",
}
STEPS = 8
TIMED = """
import json, sys, time
from trainers import picture_task, ready_trainer
trainer = ready_trainer(eval(sys.argv[1]))
taken, began = [], time.perf_counter()
while len(taken) < int(sys.argv[2]):
    start = time.perf_counter()
    trainer.train_step()
    if start > began + 3:  # whoever looks around has done so
        taken.append(time.perf_counter() - start)
print(json.dumps(taken))
"""


def seconds(task: str, way: dict[str, str]) -> float:
    """Median step of a process that waits in some way."""
    environment = {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME"}
    clean = {name: value for name, value in os.environ.items() if name not in environment}
    clean["PYTHONPATH"] = os.pathsep.join([*sys.path[:1], clean.get("PYTHONPATH", "")])
    command = [sys.executable, "-c", TIMED, task, str(STEPS)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=clean | way)
    return statistics.median(json.loads(done.stdout.splitlines()[-1]))


def rows(names: list[str], rounds: int) -> Iterator[dict[str, object]]:
    for name in names:
        task = TASKS[name]
        quiet = [[seconds(task, way) for way in WAYS.values()] for _ in range(rounds)]
        busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
        try:
            disturbed = [[seconds(task, way) for way in WAYS.values()] for _ in range(rounds)]
        finally:
            busy.kill()
            busy.wait()
        medians = [list(map(statistics.median, zip(*taken, strict=True)))
                   for taken in (quiet, disturbed)]  # fmt: skip
        for way, alone, beside in zip(WAYS, *medians, strict=True):
            yield {
                "name": name,
                "measure": way,
                "ms": round(1000 * alone, 1),
                "quiet": round(alone / medians[0][0], 3),
                "disturbed": round(beside / medians[0][0], 2),
            }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=TASKS, default=list(TASKS), metavar="NAME")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    show(COLUMNS, rows(asked.only, asked.rounds), asked.json)


if __name__ == "__main__":
    main()
