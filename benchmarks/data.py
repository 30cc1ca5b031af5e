"""Where data spends time: encoding a file once, and drawing a batch in each step.

    python benchmarks/data.py [--json]

Milliseconds on one core for data that the plugins make themselves. read: the file with the library
alone, for comparison. memory, disk: a batch drawn, augmented and collated from windows kept there.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pretty_midi
import soundfile
import torch
from made import make
from PIL import Image
from tables import show

from cyclekit.contract.codec import Codec
from cyclekit.data.cache import Cache
from cyclekit.data.encoded import Memory, encode_domain, encode_file
from cyclekit.data.sampling import Batches
from cyclekit.plugins.discovery import find_plugin
from cyclekit.plugins.host import load_plugin
from cyclekit.recipe.finding import find_recipe
from cyclekit.recipe.layers import read_layers
from cyclekit.recipe.resolve import resolve

COLUMNS = ("name", "files", "read_ms", "encode_ms", "memory_ms", "disk_ms")
READ: dict[str, Callable[[Path], object]] = {
    "image": lambda file: Image.open(file).load(),
    "audio": lambda file: soundfile.read(file),
    "music": lambda file: pretty_midi.PrettyMIDI(str(file)),
}
BATCHES = 60


def milliseconds(works: Iterator[Callable[[], object]]) -> float:
    """Median of all."""
    taken = []
    for work in works:
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return round(1000 * statistics.median(taken), 2)


def row(plugin: str, folder: Path) -> dict[str, object]:
    info, host = find_plugin(plugin), load_plugin(plugin)
    recipe = resolve(read_layers(find_recipe("demo", info), info, []), host.modality)
    codec: Codec[Any] = host.modality.codec(recipe.codec)
    files = sorted((make(host.modality, codec, folder) / "trainA").iterdir())
    drawn = {
        where: milliseconds(draws(codec, files, memory, folder, recipe.train.batch_size))
        for where, memory in (("memory", 2**40), ("disk", 0))
    }
    return {
        "name": plugin,
        "files": len(files),
        "read_ms": milliseconds((lambda file=file: READ[plugin](file)) for file in files),
        "encode_ms": milliseconds(
            (lambda file=file: codec.windows(encode_file(codec, file, "a"))) for file in files
        ),
        **{f"{where}_ms": taken for where, taken in drawn.items()},
    }


def draws(
    codec: Codec[Any], files: list[Path], memory: int, folder: Path, batch: int
) -> Iterator[Callable[[], object]]:
    """Steps' batches of two domains."""
    cache = Cache(folder / "cache", [])
    domain = encode_domain(codec, files, "a", Memory(memory), cache, lambda things, _: things)
    assert domain.on_disk == (memory == 0)
    codec.fit("a", [window.sample for window in domain.windows])
    streams = {"a": domain.windows, "b": domain.windows}
    batches = Batches(codec, streams, seed=0, batch_size=batch)
    for step in range(BATCHES):
        yield lambda step=step: batches.batch(step, 0, torch.device("cpu"))


def rows() -> Iterator[dict[str, object]]:
    for plugin in READ:
        with tempfile.TemporaryDirectory() as folder:
            yield row(plugin, Path(folder))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    show(COLUMNS, rows(), asked.json)


if __name__ == "__main__":
    main()
