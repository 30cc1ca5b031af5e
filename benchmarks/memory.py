"""Peak memory of a step of the paper's networks (9 blocks, batch 1): all at once, or in parts.

    python benchmarks/memory.py [--long] [--device cuda] [--only 256-low ...] [--json]

Without a GPU it is the process's resident memory. --long goes on to 512 and 1024 px.
"""

import argparse
from collections.abc import Iterator

from peaks import peak_mib
from tables import show
from trainers import picture_task

SHORT = [f"{pixels}-{memory}" for pixels in (128, 256) for memory in ("normal", "low")]
LONG = ["512-normal", "512-low", "1024-low"]


def rows(names: list[str], precision: str, device: str) -> Iterator[dict[str, object]]:
    for name in names:
        pixels, memory = name.split("-")
        task = picture_task(int(pixels), blocks=9, batch=1, train__memory=memory)
        peak = peak_mib(task, precision, device)
        yield {"name": name, "precision": precision, "peak_mib": peak and round(peak)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=SHORT + LONG, metavar="NAME")
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--precision", default="32-true")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    names = asked.only or (SHORT + LONG if asked.long else SHORT)
    found = rows(names, asked.precision, asked.device)
    show(("name", "precision", "peak_mib"), found, asked.json)


if __name__ == "__main__":
    main()
