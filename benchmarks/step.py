"""The engine's step against a textbook's, and against its own convolutions alone.

    python benchmarks/step.py [--long] [--device cuda] [--only image-128 ...] [--json]

ms: the engine's step, median. ratio: how many times as long the textbook's step takes, which is
float32 whatever the engine's precision. floor_ratio: how many times as long as its convolutions the
engine's step takes. All run in turn on ready batches. Run it on a quiet machine.
"""

import argparse
from collections.abc import Iterator, Sequence

from floor import Floor, record
from peaks import peak_mib
from tables import show
from textbook import Textbook
from timing import Work, medians
from trainers import Task, picture_task, ready_trainer

from cyclekit.engine.trainer import Trainer

TASKS = {
    "image-128": picture_task(pixels=128, blocks=9, batch=1),
    "image-64": picture_task(pixels=64, blocks=6, batch=8),
    "audio": Task("audio", "slt2rms", length=64),
    "music": Task("music", "chorale2game"),
    "image-256": picture_task(pixels=256, blocks=9, batch=1),
}
LONG = ("image-256",)
PRECISIONS = ("32-true", "bf16-mixed")
COLUMNS = ("name", "precision", "ms", "ratio", "floor_ratio", "peak_mib")


def rows(
    name: str, task: Task, precisions: Sequence[str], device: str, rounds: int
) -> Iterator[dict[str, object]]:
    """One row for each precision; everything takes its turn in each round."""
    peaks = [peak_mib(task, precision, device) for precision in precisions]
    trainers = [ready_trainer(task, precision, device) for precision in precisions]
    works: list[Work] = [textbook_work(trainers[0])]
    for trainer in trainers:
        engine = engine_work(trainer)
        works += [engine, Floor(record(engine)).run]
    textbook, *others = medians(works, device, rounds)
    for precision, peak, engine_ms, floor_ms in zip(
        precisions, peaks, others[::2], others[1::2], strict=True
    ):
        yield {
            "name": name,
            "precision": precision,
            "ms": round(engine_ms, 2),
            "ratio": round(textbook / engine_ms, 3),
            "floor_ratio": round(engine_ms / floor_ms, 3),
            "peak_mib": peak and round(peak),
        }


def engine_work(trainer: Trainer) -> Work:
    def work() -> None:
        trainer.train_step()
        trainer.step += 1

    return work


def textbook_work(trainer: Trainer) -> Work:
    """The textbook's steps, from the trainer's weights and on its batches."""
    textbook = Textbook(trainer.model.networks, trainer.model.recipe)
    steps = iter(range(10**9))

    def work() -> None:
        batch = trainer.batches.batch(next(steps), 0, trainer.fabric.device)
        textbook.step(batch["a"], batch["b"])

    return work


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=TASKS, metavar="NAME", help=", ".join(TASKS))
    parser.add_argument("--long", action="store_true", help=f"with {', '.join(LONG)}")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--precision", nargs="+", choices=PRECISIONS, default=PRECISIONS)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    names = asked.only or [name for name in TASKS if asked.long or name not in LONG]
    found = (
        row
        for name in names
        for row in rows(name, TASKS[name], asked.precision, asked.device, asked.rounds)
    )
    show(COLUMNS, found, asked.json)


if __name__ == "__main__":
    main()
