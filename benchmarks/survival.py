"""What surviving costs: the guard and the records between steps, and coming back from a checkpoint.

Run on a quiet machine: `make bench`, or `python benchmarks/survival.py`. The bare step computes the
same losses and takes the same optimizer steps, but looks at nothing; both run in turn.
"""

import json
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from safetensors.torch import load_file
from trainers import SIZES, make_trainer

from cyclekit.engine.trainer import Trainer
from cyclekit.plugins.discovery import find_plugin
from cyclekit.runs.checkpoint import describe_writer
from cyclekit.runs.checkpoints import Checkpoints
from cyclekit.storage.folder import Storage
from cyclekit.training.stopping import listening

ROUNDS = 5


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def bare_step(trainer: Trainer) -> None:
    micros = trainer._micro_batches()
    for phase in trainer.model.objective.phases:
        optimizer = trainer._optimizers[phase.name]
        trainer._set_learning_rate(optimizer, phase)
        with trainer._only(phase):
            trainer.differentiate(phase, micros)
            optimizer.optimizer.found_inf = None
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
    trainer.step += 1


def guarded_step(trainer: Trainer, asked: Callable[[int], int]) -> None:
    trainer.train_step()
    trainer.step += 1
    asked(trainer.step)


def write(trainer: Trainer, folder: Path) -> Path:
    about = {**describe_writer(find_plugin("image")), "ranks": 1, "global_batch": 1}
    return Checkpoints(Storage(folder)).write(
        trainer.step, trainer.model.networks, {}, trainer.state_dict(), about, ""
    )


def restore(trainer: Trainer, folder: Path) -> None:
    checkpoint = Checkpoints(Storage(folder.parent)).open("latest")
    for name, network in trainer.model.networks.items():
        checkpoint.read_weights(network, name, averaged=False)
    trainer.load_state(checkpoint.read_state())


def load(folder: Path) -> None:
    for file in folder.glob("*.safetensors"):
        load_file(file)
    json.loads((folder / "state.json").read_text())


def main() -> None:
    headings = ("bare s", "step s", "load s", "back s")
    print(f"{'size':<24}" + "{:>10}{:>10}   ratio{:>10}{:>10}   ratio".format(*headings))
    for size in SIZES:
        trainer = make_trainer(**size)
        with listening(trainer.fabric, print) as stop, tempfile.TemporaryDirectory() as folder:
            ways = (partial(bare_step, trainer), partial(guarded_step, trainer, stop.agreed))
            for way in ways:
                way()
            times = [[seconds(way) for way in ways] for _ in range(ROUNDS)]
            checkpoint = write(trainer, Path(folder))
            coming = (partial(load, checkpoint), partial(restore, trainer, checkpoint))
            back = [[seconds(way) for way in coming] for _ in range(5)]
        row = "".join(_cells(pairs) for pairs in (times, back))
        print(f"{size['pixels']} px, batch {size['batch']:<12}{row}")


def _cells(pairs: list[list[float]]) -> str:
    one, other = (statistics.median(column) for column in zip(*pairs, strict=True))
    ratio = statistics.median(y / x for x, y in pairs)
    return f"{one:>10.3f}{other:>10.3f}{ratio:>8.3f}"


if __name__ == "__main__":
    main()
