"""What each measure is worth alone: a step without it, or with one that is off by default.

    python benchmarks/measures.py [--only NAME ...] [--compile] [--device cuda] [--json]

ratio: how many times as long the step takes as one that is as the engine has it, in float32; the
two take turns.
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from step import TASKS, engine_work
from tables import show
from textbook import as_it_comes
from timing import Work, medians
from torch import Tensor, nn
from torch.nn.functional import group_norm
from torch.nn.modules.instancenorm import _InstanceNorm
from trainers import Task, ready_trainer

from cyclekit.engine.trainer import Trainer

NAMES = ("image-128", "image-64", "audio", "music")
COLUMNS = ("name", "measure", "ms", "ratio")


def plain_adam(trainer: Trainer) -> None:
    trainer._watch = lambda *_: None  # only the fused one can be told on the device
    for optimizer in trainer._optimizers.values():
        for group in optimizer.param_groups:
            group.update(fused=False)


def in_place(trainer: Trainer) -> None:
    for network in trainer.model.networks.values():
        for module in network.modules():
            if isinstance(module, nn.ReLU | nn.LeakyReLU):
                module.inplace = True


def torch_layers(trainer: Trainer) -> None:
    for network in trainer.model.networks.values():
        as_it_comes(network)


def norms_as_groups(trainer: Trainer) -> None:
    for network in trainer.model.networks.values():
        for norm in network.modules():
            if isinstance(norm, _InstanceNorm):
                options = norm.num_features, norm.weight, norm.bias, norm.eps
                norm.forward = partial(grouped, options=options)


def grouped(x: Tensor, options: tuple[Any, ...]) -> Tensor:
    return group_norm(x, *options)


def compiled(trainer: Trainer) -> None:
    for network in trainer.model.networks.values():
        network.compile()


@dataclass(frozen=True)
class Measure:
    """A way to compute a step: settings, precision, and what is done to a trainer beforehand."""

    settings: dict[str, object] = field(default_factory=dict)
    precision: str = "32-true"
    change: Callable[[Trainer], None] = lambda trainer: None


MEASURES = {
    "bf16-mixed": Measure(precision="bf16-mixed"),
    "networks called one by one": Measure({"objective.batch_calls": False}),
    "Adam not fused, nothing watched": Measure(change=plain_adam),
    "activations in place": Measure(change=in_place),
    "channels last": Measure({"train.channels_last": True}),
    "channels last, bf16-mixed": Measure({"train.channels_last": True}, "bf16-mixed"),
    "norms and padding as torch has them": Measure(change=torch_layers),
    "norms as groups on any device": Measure(change=norms_as_groups),
    "no history buffer": Measure({"objective.history_size": 0}),
    "memory = low": Measure({"train.memory": "low"}),
    "compiled": Measure(change=compiled),
    "compiled, bf16-mixed": Measure(precision="bf16-mixed", change=compiled),
}


def work(task: Task, measure: Measure, device: str) -> Work:
    settings = {**task.settings, **measure.settings}
    trainer = ready_trainer(replace(task, settings=settings), measure.precision, device)
    measure.change(trainer)
    return engine_work(trainer)


def rows(
    names: Sequence[str], measures: Sequence[str], device: str, rounds: int
) -> Iterator[dict[str, object]]:
    for name in names:
        usual = work(TASKS[name], Measure(), device)
        for measure in measures:
            # Two at a time: among many, what ran before decides what is still in a cache.
            own = work(TASKS[name], MEASURES[measure], device)
            before, ms = medians([usual, own], device, rounds)
            yield {
                "name": name,
                "measure": measure,
                "ms": round(ms, 1),
                "ratio": round(ms / before, 3),
            }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=NAMES, default=["image-128"], metavar="NAME")
    parser.add_argument("--compile", action="store_true", help="too: minutes of compiling")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    measures = [name for name in MEASURES if asked.compile or "compiled" not in name]
    show(COLUMNS, rows(asked.only, measures, asked.device, asked.rounds), asked.json)


if __name__ == "__main__":
    main()
