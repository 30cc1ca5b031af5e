"""Replays on a CPU: phases recorded operation by operation, and batches without data."""

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.fx.experimental.proxy_tensor import make_fx
from trainers import Task, build

from cyclekit.engine.fabric import Hardware, start_fabric
from cyclekit.engine.model import Model
from cyclekit.engine.replay import Outcome, Replays, Work
from cyclekit.engine.trainer import Trainer

NOTHING = torch.zeros(())  # an argument, which tracing wants


class TracedRecorder:
    """Records the tensor operations of some work, gradients included, and does exactly these again:
    as with CUDA graphs, whatever the host has decided meanwhile is frozen."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self.fails = False

    def rehearse(self, work: Work) -> Outcome:
        return work()

    def record(self, work: Work) -> Work:
        before = [(tensor, tensor.clone()) for tensor in self._written()]
        traced = make_fx(lambda _: work())(NOTHING)
        for tensor, value in before:
            tensor.copy_(value)  # on a GPU nothing is computed before the first replay
        if self.fails:
            raise RuntimeError("this machine records nothing")
        return lambda: traced(NOTHING)  # type: ignore[no-any-return]

    def _written(self) -> Iterator[Tensor]:
        for network in self._model.networks.values():
            yield from network.buffers()
        for buffer in self._model.objective.history.values():
            if (pool := buffer.together()) is not None:
                yield pool


class DrawnBatches:
    """Random batches that follow from the step, with labels.

    Attributes:
        count: Samples in a batch, by step; of all others the recipe says it.
        poisoned: The step whose batch is not finite.
    """

    def __init__(self, model: Model, length: int) -> None:
        self._model, self._length = model, length
        self.count: dict[int, int] = {}
        self.poisoned = -1

    def positions(self, micro: int) -> range:
        size = self._model.recipe.train.batch_size
        return range(micro * size, (micro + 1) * size)

    def batch(self, step: int, micro: int, device: torch.device) -> dict[str, Tensor]:
        rng = torch.Generator().manual_seed(1000 * step + micro)
        count = self.count.get(step, self._model.recipe.train.batch_size)
        batch = {}
        for name, stream in self._model.objective.streams.items():
            spec = self._model.codec.spec(stream.domains[0])
            sizes = (size or self._length for size in spec.sizes)
            x = torch.rand(count, spec.channels, *sizes, generator=rng) * 2 - 1
            batch[name] = x if step != self.poisoned else x * torch.nan
            for label in filter(None, (stream.label, stream.target)):
                domains = len(stream.domains)
                drawn = torch.randint(domains, (count,), generator=rng)
                batch[label] = torch.eye(domains)[drawn]
        return batch


def drawn_trainer(task: Task, recorded: bool) -> tuple[Trainer, list[str]]:
    """A trainer that records its phases, or does not; and what it warns of."""
    model = build(task)
    said: list[str] = []
    fabric = start_fabric(Hardware(accelerator="cpu"), "32-true")
    batches = DrawnBatches(model, task.length)
    trainer = Trainer(fabric, model, batches, warn=said.append)  # type: ignore[arg-type]
    if recorded:
        trainer.replays = Replays(TracedRecorder(model), model, trainer.differentiate, said.append)
    return trainer, said


def train(trainer: Trainer, until: int) -> list[dict[str, float]]:
    """The losses of each step."""
    losses = []
    while trainer.step < until:
        trainer.train_step()
        trainer.step += 1
        losses.append(trainer.read_losses())
    return losses


def everything(trainer: Trainer) -> dict[str, Tensor]:
    """Weights and buffers, moments, and stored fakes."""
    found = {
        f"{name}.{key}": tensor
        for name, network in trainer.model.networks.items()
        for key, tensor in network.state_dict().items()
    }
    for name, buffer in trainer.model.objective.history.items():
        found |= {f"{name}.{i}": x for i, x in enumerate(buffer.state_dict()["stored"])}
        found[f"{name}.chance"] = buffer.state_dict()["generator"]
    for name, optimizer in trainer._optimizers.items():
        for index, state in optimizer.state_dict()["state"].items():
            found |= {f"{name}.{index}.{key}": value for key, value in state.items()}
    return found


def assert_same(one: Trainer, other: Trainer) -> None:
    """Whether all that training goes on with is equal to the bit."""
    theirs = everything(other)
    mine = everything(one)
    assert mine.keys() == theirs.keys()
    different = [name for name, tensor in mine.items() if not tensor.equal(theirs[name])]
    assert not different
