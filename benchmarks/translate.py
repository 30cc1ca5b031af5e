"""Translating against a plain loop that calls the bare generator on one sample at a time.

    python benchmarks/translate.py [--only NAME ...] [--device cuda] [--json]

ms: of the engine for one sample of the size that is trained on. ratio: how many times as many it
translates in the same time as the plain loop, which is in float32.
"""

import argparse
import itertools
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from made import make
from step import TASKS
from tables import show
from timing import Work, medians
from trainers import Task, build

from cyclekit.contract.tensors import Sample
from cyclekit.data.encoded import encode_file
from cyclekit.engine.fabric import Hardware, start_fabric
from cyclekit.engine.model import Model
from cyclekit.engine.translator import Translator

NAMES = ("image-64", "image-128", "audio", "music")
COLUMNS = ("name", "precision", "batch", "ms", "ratio")
SAMPLES = 16
WAYS = [(precision, batch) for precision in ("32-true", "bf16-mixed") for batch in (1, 4, 16)]


def samples_of(model: Model, length: int) -> list[Sample]:
    """As many training windows, cut to a length where any will do."""
    codec = model.codec
    with tempfile.TemporaryDirectory() as folder:
        files = sorted((make(model.modality, codec, Path(folder)) / "trainA").iterdir())
        windows = (
            window for file in files for window in codec.windows(encode_file(codec, file, "a"))
        )
        found = list(itertools.islice(windows, SAMPLES))
    if length:
        found = [Sample(window.tensor[..., :length]) for window in found]
    codec.fit("a", found)
    codec.fit("b", found)
    return found


def plain_loop(model: Model, samples: Sequence[Sample], device: str) -> Work:
    network = model.networks["generator_a2b"].to(device)
    inputs = [model.codec.to_network(sample.tensor[None], "a") for sample in samples]

    def work() -> None:
        network.eval()
        with torch.no_grad():
            for x in inputs:
                network(x.to(device)).cpu()

    return work


def engine(
    model: Model, samples: Sequence[Sample], device: str, precision: str, batch: int
) -> Work:
    fabric = start_fabric(Hardware(accelerator=device), precision)
    translator = Translator(model, model.networks, fabric, batch)
    return lambda: translator.samples(samples, model.directions["a2b"])


def rows(name: str, task: Task, device: str, rounds: int) -> Iterator[dict[str, object]]:
    model = build(task)
    samples = samples_of(model, task.length)
    works = [plain_loop(model, samples, device)]
    works += [engine(model, samples, device, *way) for way in WAYS]
    plain, *others = medians(works, device, rounds)
    for (precision, batch), ms in zip(WAYS, others, strict=True):
        yield {
            "name": name,
            "precision": precision,
            "batch": batch,
            "ms": round(ms / len(samples), 2),
            "ratio": round(plain / ms, 2),
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=NAMES, default=NAMES, metavar="NAME")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    found = (
        row for name in asked.only for row in rows(name, TASKS[name], asked.device, asked.rounds)
    )
    show(COLUMNS, found, asked.json)


if __name__ == "__main__":
    main()
