"""The step at 256 px on a GPU, batch 1 and 16: as it is, channels last, compiled, as CUDA graphs.

    python benchmarks/gpu.py [--device cuda] [--pixels 256] [--batches 1 16] [--json]

pairs: pairs of pictures a second. share: of the card's dense bf16 peak, by the operations that
torch counts in the convolutions of a step; empty for a card whose peak is not in this file.
"""

import argparse
from collections.abc import Iterator, Sequence
from functools import cache

import torch
from measures import norms_as_groups
from step import engine_work
from tables import show
from timing import medians
from torch.utils.flop_counter import FlopCounterMode
from trainers import picture_task, ready_trainer

COLUMNS = ("name", "precision", "measure", "ms", "pairs", "peak_mib", "tflop", "share")
# Dense bf16 TFLOP/s, as their maker publishes them.
PEAKS = {"H200": 989, "H100": 989, "A100": 312, "L40S": 362, "L4": 121, "V100": 125}
MEASURES = (
    *("as it is", "channels last", "norms as groups", "compiled", "graphs"),
    *("channels last, norms as groups", "compiled, channels last", "graphs, channels last"),
)


def row(
    measure: str, precision: str, pixels: int, blocks: int, batch: int, device: str, rounds: int
) -> dict[str, object]:
    tflop = counted(pixels, blocks, batch, device)
    ms, peak = measured(measure, precision, pixels, blocks, batch, device, rounds)
    return {
        "name": f"{pixels} px, batch {batch}",
        "precision": precision,
        "measure": measure,
        "ms": round(ms, 2),
        "pairs": round(1000 * batch / ms, 1),
        "peak_mib": round(peak / 2**20) if peak else None,
        "tflop": round(tflop, 3),
        "share": share(tflop, ms, precision, device),
    }


def measured(
    measure: str, precision: str, pixels: int, blocks: int, batch: int, device: str, rounds: int
) -> tuple[float, int]:
    """Milliseconds of a step, and the bytes that a GPU had to hold at once."""
    settings = {
        "train__compile": "compiled" in measure,
        "train__channels_last": "channels last" in measure,
        "train__cuda_graphs": "graphs" in measure,
    }
    trainer = ready_trainer(picture_task(pixels, blocks, batch, **settings), precision, device)
    if "norms as groups" in measure:
        norms_as_groups(trainer)
    work = engine_work(trainer)
    work()  # compiles
    for _ in range(50 // batch + 10 if trainer.replays else 0):
        work()  # until the history is full, and both phases are recorded
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    (ms,) = medians([work], device, rounds)
    return ms, torch.cuda.max_memory_allocated() if device == "cuda" else 0


@cache
def counted(pixels: int, blocks: int, batch: int, device: str) -> float:
    """10^12 floating-point operations of a step; a multiplication and its addition are two.

    Counted with one sample, so that it fits wherever the step does.
    """
    trainer = ready_trainer(picture_task(pixels, blocks, 1), "32-true", device)
    with FlopCounterMode(display=False) as counter:
        trainer.train_step()
    return batch * counter.get_total_flops() / 1e12


def share(tflop: float, ms: float, precision: str, device: str) -> float | None:
    if device != "cuda" or precision != "bf16-mixed":
        return None
    named = torch.cuda.get_device_name()
    peak = next((peak for card, peak in PEAKS.items() if card in named), None)
    return peak and round(1000 * tflop / ms / peak, 3)


def rows(
    measures: Sequence[str], precisions: Sequence[str], batches: Sequence[int],
    pixels: int, blocks: int, device: str, rounds: int,
) -> Iterator[dict[str, object]]:  # fmt: skip
    for batch in batches:
        for precision in precisions:
            for measure in measures:
                yield row(measure, precision, pixels, blocks, batch, device, rounds)
                torch.compiler.reset()
                if device == "cuda":
                    torch.cuda.empty_cache()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cuda")
    parser.add_argument("--pixels", type=int, default=256)
    parser.add_argument("--blocks", type=int, default=9)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 16])
    parser.add_argument("--precisions", nargs="+", default=["bf16-mixed", "32-true"])
    parser.add_argument("--measures", nargs="+", default=list(MEASURES[:5]), choices=MEASURES)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    found = rows(
        asked.measures, asked.precisions, asked.batches,
        asked.pixels, asked.blocks, asked.device, asked.rounds,
    )  # fmt: skip
    show(COLUMNS, found, asked.json)


if __name__ == "__main__":
    main()
