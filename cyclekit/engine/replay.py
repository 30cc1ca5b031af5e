"""A phase's losses and gradients, recorded once as a CUDA graph and replayed from then on.

At small batches a GPU waits for the host, which launches thousands of operations in each step; a
replay is one launch. What is recorded reads and writes tensors that keep their places: a batch,
what earlier phases carried over, and draws are copied into them before each replay. Gradient norms,
clipping, the guard and the optimizer follow as they do without.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn.modules.dropout import _DropoutNd

from cyclekit.contract.declarations import Phase
from cyclekit.describe import describe_exception
from cyclekit.engine.draws import NotReplayable, StaticDraws
from cyclekit.engine.lightning import Fabric, SingleDeviceStrategy
from cyclekit.engine.model import Model
from cyclekit.engine.step import Batch, Step

REHEARSALS = 3  # steps of a kind before it is recorded, as torch asks for
MOST = 16  # kinds of steps that are told apart; all others are taken as they come

Micros = Sequence[tuple[Batch, Step]]
Differentiate = Callable[[Phase, Micros], dict[str, Tensor]]
Outcome = tuple[dict[str, Tensor], list[dict[str, Tensor]], list[Tensor | None]]
"""Mean losses; what each micro-batch carries over; gradients, in the order of the weights."""
Work = Callable[[], Outcome]


class Recorder(Protocol):
    """Does some work, or records it."""

    def rehearse(self, work: Work) -> Outcome:
        """Do it as it will be recorded."""

    def record(self, work: Work) -> Work:
        """What does the same again, with whatever lies in the same tensors then.

        Raises:
            RuntimeError: If it cannot be recorded.
        """


class CudaRecorder:
    """Records CUDA graphs, all in one pool of memory: whoever replays one has to take what it made
    before the next is replayed.

    Args:
        device: Where networks compute.
    """

    def __init__(self, device: torch.device) -> None:
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self._pool = torch.cuda.graph_pool_handle()

    def rehearse(self, work: Work) -> Outcome:
        """On a stream of its own, on which libraries then have what they need."""
        current = torch.cuda.current_stream(self._stream.device)
        self._stream.wait_stream(current)
        with torch.cuda.stream(self._stream):
            outcome = work()
        current.wait_stream(self._stream)
        return outcome

    def record(self, work: Work) -> Work:
        """One graph; nothing is computed before it is replayed."""
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self._pool, stream=self._stream):
            outcome = work()

        def replay() -> Outcome:
            graph.replay()
            return outcome

        return replay


class Replays:
    """Takes phases' losses and gradients, and replays them where steps differ in numbers alone.

    Attributes:
        count: Replays so far.

    Args:
        recorder: Records.
        model: Its objective must be ``replayable``.
        differentiate: Leaves a phase's gradients in its weights; returns the mean losses.
        warn: Told once if nothing is recorded any more, and why.
    """

    def __init__(
        self,
        recorder: Recorder,
        model: Model,
        differentiate: Differentiate,
        warn: Callable[[str], None],
    ) -> None:
        self._recorder: Recorder | None = recorder
        self._model, self._differentiate, self._warn = model, differentiate, warn
        self._kinds: dict[Any, _Kind] = {}
        self.count = 0

    def differentiate(self, phase: Phase, micros: Micros) -> dict[str, Tensor]:
        """Gradients of a phase's losses over all micro-batches; returns the mean losses."""
        recorder = self._recorder
        kind = self._kind(phase, micros) if recorder else None
        if recorder is None or kind is None:
            return self._differentiate(phase, micros)
        kind.load(micros)
        if kind.rehearsed == REHEARSALS and not kind.replay and not self._record(recorder, kind):
            return self._differentiate(phase, micros)
        self.count += bool(kind.replay)
        return kind.take_step(recorder, micros)

    def _kind(self, phase: Phase, micros: Micros) -> "_Kind | None":
        """Which steps this one is like; ``None``: it is taken as it comes."""
        buffers = [buffer for buffer in self._model.objective.history.values() if buffer.size]
        pools = [pool for buffer in buffers if (pool := buffer.together()) is not None]
        if len(pools) < len(buffers):
            return None
        key = (
            phase.name,
            tuple(pool.data_ptr() for pool in pools),
            *(self._form(phase, *micro) for micro in micros),
        )
        if key not in self._kinds and len(self._kinds) < MOST:
            weights = [p for name in phase.trains for p in self._model.trained(name)]
            work = partial(self._differentiate, phase)
            self._kinds[key] = _Kind(micros, work, weights, phase.name, pools)
        kind = self._kinds.get(key)
        return None if kind is None or kind.hopeless else kind

    def _form(self, phase: Phase, batch: Batch, step: Step) -> tuple[Any, ...]:
        """What a phase's work depends on besides numbers."""
        groups = self._model.objective.terms(phase.name, self._model.networks, batch, step)
        terms = tuple(tuple((term.name, term.weight) for term in g.terms) for g in groups)
        return terms, _shapes(batch), _shapes(step.carried)

    def _record(self, recorder: Recorder, kind: "_Kind") -> bool:
        """Whether it could be done."""
        try:
            kind.record(recorder)
        except NotReplayable:
            kind.hopeless = True
        except RuntimeError as error:
            self._recorder = None
            self._kinds.clear()
            self._warn(
                f"train.cuda_graphs is off from here on, since the {kind.phase} phase could not be "
                f"recorded: {describe_exception(error)}"
            )
        return kind.replay is not None


class _Kind:
    """Steps of a phase that differ in numbers alone, and the tensors in which these lie.

    Attributes:
        phase: Its name.
        rehearsed: How many were taken.
        replay: What takes one, once it was recorded.
        hopeless: Whether it never will be.
    """

    def __init__(
        self,
        micros: Micros,
        work: Callable[[Micros], dict[str, Tensor]],
        weights: Sequence[nn.Parameter],
        phase: str,
        pools: Sequence[Tensor],
    ) -> None:
        self.phase = phase
        self.rehearsed, self.hopeless = 0, False
        self.replay: Work | None = None
        self._work, self._weights = work, weights
        self._draws = StaticDraws()
        self._pools = pools  # no other tensor comes to lie where recorded work writes
        self._batches = [_copied(batch) for batch, _ in micros]
        self._carried = [_copied(step.carried) for _, step in micros]
        self._steps = [Step(step.index, step.seed, step.positions) for _, step in micros]

    def load(self, micros: Micros) -> None:
        """Put a step's numbers where recorded work finds them."""
        for own, at, carried, (batch, step) in zip(
            self._steps, self._batches, self._carried, micros, strict=True
        ):
            own.index, own.positions = step.index, step.positions
            for kept, given in ((at, batch), (carried, step.carried)):
                for name, tensor in kept.items():
                    tensor.copy_(given[name], non_blocking=True)

    def take_step(self, recorder: Recorder, micros: Micros) -> dict[str, Tensor]:
        """The step that was loaded. What a replay made is copied: others write over it."""
        if self.replay:
            self._draws.renew()
            losses, carried, gradients = self.replay()
        else:
            with self._draws.listing():
                losses, carried, gradients = recorder.rehearse(self._run)
            self.rehearsed += 1
        for weight, gradient in zip(self._weights, gradients, strict=True):
            weight.grad = gradient
        for (_, step), made in zip(micros, carried, strict=True):
            step.carried |= _copied(made)
        return _copied(losses)

    def record(self, recorder: Recorder) -> None:
        """Record what was rehearsed; leaves nothing behind where that fails."""
        try:
            with self._draws.held():
                replay = recorder.record(self._run)
            self.replay = replay
        finally:
            for weight in self._weights:
                weight.grad = None

    def _run(self) -> Outcome:
        for weight in self._weights:
            weight.grad = None  # so that each replay writes gradients, and adds none
        for step, carried in zip(self._steps, self._carried, strict=True):
            step.carried = dict(carried)
        losses = self._work(list(zip(self._batches, self._steps, strict=True)))
        made = [
            {name: x for name, x in step.carried.items() if x is not carried.get(name)}
            for step, carried in zip(self._steps, self._carried, strict=True)
        ]
        return losses, made, [weight.grad for weight in self._weights]


def obstacles(fabric: Fabric, model: Model) -> Iterator[str]:
    """What keeps a run's phases from being CUDA graphs."""
    objective, settings = model.objective, model.recipe.train
    if fabric.device.type != "cuda":
        yield "it is for CUDA devices"
    if not isinstance(fabric.strategy, SingleDeviceStrategy):
        yield "ranks exchange gradients meanwhile"
    if settings.compile:
        yield "train.compile makes graphs of its own"
    if settings.memory == "low":
        yield 'train.memory = "low" computes parts of them twice'
    if getattr(fabric.strategy.precision, "scaler", None) is not None:
        yield "fp16 has a loss scale; bf16-mixed has none"
    # Declared in the class itself: what is derived from it may decide something on the host.
    if not vars(type(objective)).get("replayable", False):
        yield f"objective {objective.name!r} does not state that it is replayable"
    for name, network in model.networks.items():
        if any(isinstance(module, _DropoutNd) and module.p for module in network.modules()):
            # torch's generator can be recorded; left in the midst of it, it draws no more.
            yield f"{name} has dropout"


def _copied(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in tensors.items()}


def _shapes(tensors: Mapping[str, Tensor]) -> tuple[Any, ...]:
    return tuple((name, x.shape, x.dtype, x.stride()) for name, x in tensors.items())
