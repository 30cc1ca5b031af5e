"""Reading and encoding MIDI against reading alone, files a second on one core.

    python benchmarks/reading.py [FOLDER]

Without a folder of MIDI files it composes some. Needs symusic: pip install 'cyclekit[fast]'.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pretty_midi
from cyclekit_music.codec import MusicCodec, MusicOptions
from cyclekit_music.compose import draw_chart, set_jazz
from cyclekit_music.reading import read_bytes
from cyclekit_music.writing import write_piece

FILES, REPEATS = 40, 5


def seconds(work: Callable[[Path], Any], files: list[Path]) -> float:
    """Median over repetitions of the time for one file."""
    taken = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        for file in files:
            work(file)
        taken.append((time.perf_counter() - start) / len(files))
    return median(taken)


def composed(folder: Path) -> list[Path]:
    return [
        write_piece(set_jazz(draw_chart(np.random.default_rng(n))), folder / f"{n}.mid")
        for n in range(FILES)
    ]


def main() -> None:
    codec = MusicCodec(MusicOptions())
    with tempfile.TemporaryDirectory() as folder:
        files = sorted(Path(sys.argv[1]).glob("*.mid")) if sys.argv[1:] else composed(Path(folder))
        ways: dict[str, Callable[[Path], Any]] = {
            "pretty_midi reads": lambda file: pretty_midi.PrettyMIDI(str(file)),
            "without symusic": lambda file: read_bytes(file.read_bytes(), fast=False),
            "symusic reads": lambda file: read_bytes(file.read_bytes(), fast=True),
            "load, encode, cut windows": lambda file: codec.windows(
                codec.encode(codec.load(file), "a")
            ),
        }
        times = {name: seconds(work, files) for name, work in ways.items()}
    print(f"{'':28}{'files/s':>10}{'ratio to symusic':>18}")
    for name, taken in times.items():
        print(f"{name:28}{1 / taken:10.0f}{taken / times['symusic reads']:18.1f}")


if __name__ == "__main__":
    main()
