"""What it costs to start: `cyclekit --help` and the listings against importing click alone."""

import statistics
import subprocess
import sys
import time
from pathlib import Path

COMMAND = str(Path(sys.executable).with_name("cyclekit"))
BASELINE = [sys.executable, "-c", "import click"]
STARTS = (["--help"], ["train", "--help"], ["plugins", "list"], ["recipes", "list"])
ROUNDS = 15


def seconds(command: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> None:
    print(f"{'command':<24}{'seconds':>10}{'times click':>14}")
    for arguments in STARTS:
        pairs = [(seconds(BASELINE), seconds([COMMAND, *arguments])) for _ in range(ROUNDS)]
        base, own = (statistics.median(column) for column in zip(*pairs, strict=True))
        print(f"{'cyclekit ' + ' '.join(arguments):<24}{own:>10.3f}{own / base:>14.2f}")


if __name__ == "__main__":
    main()
