"""The training loop. It knows phases, optimizers and cadences; never a loss, never a modality."""

import copy
import warnings
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from cyclekit.contract.declarations import Phase
from cyclekit.data.sampling import Batches
from cyclekit.engine.account import Account
from cyclekit.engine.ema import MovingAverage
from cyclekit.engine.fabric import AllParametersUsed, LocalNetwork, gather, require_compiler
from cyclekit.engine.guard import FiniteGuard, NotFinite
from cyclekit.engine.lightning import DDPStrategy, Fabric, FabricOptimizer
from cyclekit.engine.meter import Meter
from cyclekit.engine.model import Model
from cyclekit.engine.network_builder import Networks
from cyclekit.engine.objective import complete_loss
from cyclekit.engine.passes import evaluating
from cyclekit.engine.replay import CudaRecorder, Replays, obstacles
from cyclekit.engine.schedule import rate_factor
from cyclekit.engine.step import Batch, Step
from cyclekit.engine.terms import Losses, PartialLoss
from cyclekit.engine.timeline import Timeline
from cyclekit.engine.training_state import TrainingState, require_moments
from cyclekit.errors import CyclekitError
from cyclekit.nets.fused import lay_channels_last
from cyclekit.nets.spectral import spectral_norms
from cyclekit.randomness import derive_seed

MOST_SKIPPED = 100  # steps in a row

State = dict[str, Any]


class Trainer:
    """Trains a model's networks, step by step.

    Attributes:
        step: Steps done.
        timeline: How many there are in all, which may be planned anew.
        skipped: Those of them that were left out since they were not finite.
        guard: Knows whether training has left the finite numbers.
        account: Knows where the time of steps goes.
        replays: Replays phases, where they are recorded as CUDA graphs.

    Args:
        fabric: Devices, precision, ranks.
        model: Networks and objective; the networks are moved to the device.
        batches: Where samples come from.
        timeline: How many steps there are; default: what the recipe says.
        warn: Told what a person should know who asked for CUDA graphs.
    """

    def __init__(
        self,
        fabric: Fabric,
        model: Model,
        batches: Batches,
        timeline: Timeline | None = None,
        warn: Callable[[str], None] = warnings.warn,
    ) -> None:
        self.fabric = fabric
        self.model = model
        self.batches = batches
        self.settings = model.recipe.train
        self.timeline = timeline or Timeline(self.settings.steps)
        first = {"steps": self.timeline.steps(0)}
        self._scheduled = self.settings.model_copy(update=first)
        self.step = 0
        self._ended = False
        self.skipped = 0
        self._skipped_in_a_row = 0
        self.meter = Meter()
        self.guard = FiniteGuard(fabric)
        self.account = Account(fabric.device, counts=not self.settings.compile)
        self.replays = self._replays(warn) if self.settings.cuda_graphs else None
        self._scaled = getattr(fabric.strategy.precision, "scaler", None) is not None
        if self.settings.compile:
            require_compiler(fabric.device)
        if self.settings.channels_last:
            for network in model.networks.values():
                lay_channels_last(network)
        # Compiled for training alone: translation meets samples of any size.
        called: dict[str, Any] = {
            name: torch.compile(network) if self.settings.compile else network
            for name, network in model.networks.items()
        }
        self._exchanges = isinstance(fabric.strategy, DDPStrategy)
        self._wrapped = {
            name: fabric.setup_module(AllParametersUsed(network) if self._exchanges else network)
            for name, network in called.items()
        }
        self._local = {name: LocalNetwork(network, fabric) for name, network in called.items()}
        # Asked for several times in each step, and long in coming.
        self._parameters = {name: model.trained(name) for name in model.networks}
        self._spectra = [pair for net in model.networks.values() for pair in spectral_norms(net)]
        self._optimizers = {p.name: self._optimizer(p) for p in model.objective.phases}
        # Frozen only now: DDP refuses a module without trainable parameters.
        self._require_gradients(model.networks, False)
        self.average = (
            MovingAverage(model.translators, self.settings.ema, self.settings.ema_share)
            if self.settings.ema
            else None
        )

    def fit(self, after_step: Callable[[], None]) -> None:
        """Train on to the last step; ``after_step`` logs, shows, measures and saves."""
        while not self.is_done:
            self.train_step()
            self.step += 1
            if self.average:
                self.average.update(self.step)
            after_step()

    @property
    def is_done(self) -> bool:
        """Whether the last step was taken."""
        return self.step >= self.steps or self._ended

    @property
    def steps(self) -> int:
        """Steps in all, as they are planned now."""
        return self.timeline.steps(self.step)

    def end_here(self) -> None:
        """Take no further step; every rank has to say so after the same one."""
        self._ended = True

    def train_step(self) -> None:
        """One optimizer step of every phase that is due, on one global batch."""
        seed, rank = self.settings.seed, self.fabric.global_rank
        torch.manual_seed(derive_seed(seed, "step", self.step, rank))  # dropout and the like
        with self.account.waiting():
            micros = self._micro_batches()
        buffers = self._buffers() if self.settings.nonfinite == "skip" else None
        for norm, weight in self._spectra:
            norm.advance(weight)
        for phase in self.model.objective.phases:
            if not phase.is_due(self.step):
                continue
            if self._waits(phase):
                self.meter.add(self._look(phase, micros))
                continue
            optimizer = self._optimizers[phase.name]
            self._set_learning_rate(optimizer, phase)
            with self._only(phase), self.account.phase(phase.name):
                values = (self.replays or self).differentiate(phase, micros)
                self._watch(phase, optimizer, values)
                optimizer.step()
                optimizer.zero_grad(set_to_none=True)
            if buffers is not None and self.guard.read():
                self._skip(buffers)
                return
            self.meter.add(values)
        self._skipped_in_a_row = 0

    def _waits(self, phase: Phase) -> bool:
        """Whether new discriminators learn before whatever this phase trains."""
        alone = self.settings.init_discriminator_steps if self.settings.init else 0
        return self.step < alone and phase.rate != "discriminator"

    def learning_rate(self, phase: Phase, step: int) -> float:
        """The rate of a phase in the step that follows ``step`` others."""
        peak = self.settings.learning_rate
        if phase.rate == "discriminator" and self.settings.discriminator_learning_rate is not None:
            peak = self.settings.discriminator_learning_rate
        return peak * rate_factor(self.timeline.place(step), self._scheduled)

    def require_finite(self) -> None:
        """Wait for the device and see whether every step so far could be taken.

        Raises:
            NotFinite: If a loss or gradient was no finite number; the weights are from before it.
        """
        if found := self.guard.read():
            raise NotFinite(found)

    @property
    def is_finite(self) -> bool:
        """Whether all that the next step begins with is finite: weights, buffers, moments.

        A step whose loss and gradient are finite may still lead beyond the largest number.
        """
        networks = self.model.networks.values()
        held = [tensor for network in networks for tensor in network.state_dict().values()]
        for optimizer in self._optimizers.values():
            held += [value for state in optimizer.state.values() for value in state.values()]
        return bool(torch.stack([tensor.isfinite().all().cpu() for tensor in held]).all())

    def read_losses(self) -> dict[str, float]:
        """Mean losses since the last call, of the steps that were taken; empty if none was."""
        return self.meter.means(self.fabric)

    def losses_of(self, batch: Batch) -> dict[str, float]:
        """The terms of all phases for a batch, of which nothing is learned; of this rank alone."""
        objective = copy.deepcopy(self.model.objective)  # its buffers must not see the samples
        positions = range(len(next(iter(batch.values()))))
        step = Step(self.step, self.settings.seed, positions)
        terms: dict[str, Tensor] = {}
        networks: Networks = dict(self._local)
        with ExitStack() as stack:
            for network in self.model.networks.values():
                stack.enter_context(evaluating(network))
            stack.enter_context(torch.autocast(self.fabric.device.type, enabled=False))
            for phase in objective.phases:
                terms |= objective.losses(phase.name, networks, batch, step).terms
        return {name: float(value) for name, value in terms.items()}

    @property
    def translating_networks(self) -> dict[str, nn.Module]:
        """The networks to translate with: their moving average where there is one."""
        return dict(self.average.networks) if self.average else self.model.translators

    def state_dict(self) -> State:
        """Everything besides the networks' weights that the next step depends on.

        Every rank must call it; rank 0's is complete.
        """
        return {
            "step": self.step,
            "skipped": (self.skipped, self._skipped_in_a_row),
            "optimizers": {name: opt.state_dict() for name, opt in self._optimizers.items()},
            "codec": self.model.codec.state_dict(),
            "precision": self.fabric.strategy.precision.state_dict(),  # fp16's loss scale
            "ranks": gather(
                self.fabric,
                {"objective": self.model.objective.state_dict(), "meter": self.meter.state_dict()},
            ),
        }

    def load_state(self, state: TrainingState) -> None:
        """Take back what ``state_dict`` returned, from whatever number of ranks.

        Raises:
            ValueError: If it is not about this objective's networks.
        """
        ranks, rank = self.fabric.world_size, self.fabric.global_rank
        self.step = state.step
        self.skipped, self._skipped_in_a_row = state.skipped
        if state.optimizers.keys() != self._optimizers.keys():
            raise ValueError(f"its optimizers are {', '.join(state.optimizers)[:100]}")
        for phase in self.model.objective.phases:
            saved, optimizer = state.optimizers[phase.name], self._optimizers[phase.name]
            require_moments(phase.name, saved, list(self._trained_in(phase)))
            # All else of Adam follows from the recipe and the precision, which may be others now.
            groups = optimizer.state_dict()["param_groups"]
            optimizer.load_state_dict({"state": saved.state, "param_groups": groups})
            _match_layouts(optimizer)
        if state.precision:  # nothing, where the run had no loss scale so far
            self.fabric.strategy.precision.load_state_dict(state.precision)
        objectives = [own.objective for own in state.ranks]
        meters = [own.meter.model_dump() for own in state.ranks]
        if len(objectives) == ranks:
            objective, meter = objectives[rank], meters[rank]
        else:
            objective = self.model.objective.redistribute(objectives, ranks, rank)
            meter = self.meter.joined(meters)
        self.model.objective.load_state_dict(objective, self.fabric.device)
        self.meter.load_state_dict(meter, self.fabric.device)

    def _optimizer(self, phase: Phase) -> FabricOptimizer:
        parameters = list(self._trained_in(phase))
        # The fused one can be told on the device not to take a step; fp16's scaler does that.
        adam = torch.optim.Adam(
            parameters,
            lr=self.settings.learning_rate,
            betas=self.settings.betas,
            fused=not self._scaled,
        )
        prepared: FabricOptimizer = self.fabric.setup_optimizers(adam)
        return prepared

    def _set_learning_rate(self, optimizer: FabricOptimizer, phase: Phase) -> None:
        for group in optimizer.param_groups:
            group["lr"] = self.learning_rate(phase, self.step)

    def _networks_in(self, phase: Phase) -> dict[str, nn.Module]:
        """The networks as a phase calls them: those that it trains exchange gradients under DDP."""
        if not self._exchanges:
            return dict(self._wrapped)
        return self._local | {name: self._wrapped[name] for name in phase.trains}

    @contextmanager
    def _only(self, phase: Phase) -> Iterator[None]:
        """Unfreeze the networks that a phase trains."""
        self._require_gradients(phase.trains, True)
        try:
            yield
        finally:
            self._require_gradients(phase.trains, False)

    def _require_gradients(self, names: Iterable[str], required: bool) -> None:
        for name in names:
            for parameter in self._parameters[name]:
                parameter.requires_grad_(required)

    @contextmanager
    def _synchronised(self, phase: Phase, complete: Container[str]) -> Iterator[None]:
        """Let ranks exchange gradients of those networks only that get no more after this."""
        with ExitStack() as stack:
            for name in phase.trains:
                stack.enter_context(
                    self.fabric.no_backward_sync(self._wrapped[name], enabled=name not in complete)
                )
            yield

    def _micro_batches(self) -> list[tuple[Batch, Step]]:
        """The step's micro-batches on this rank."""
        return [
            (
                self.batches.batch(self.step, micro, self.fabric.device),
                Step(self.step, self.settings.seed, self.batches.positions(micro)),
            )
            for micro in range(self.settings.accumulate)
        ]

    def _partial_losses(
        self, phase: Phase, networks: Networks, batch: Batch, step: Step
    ) -> Sequence[PartialLoss]:
        """A phase's losses: at once, or in parts where memory is short."""
        objective = self.model.objective
        if self.settings.memory == "low":
            return objective.partial_losses(phase, networks, batch, step)
        return [complete_loss(objective, phase, networks, batch, step)]

    def _replays(self, warn: Callable[[str], None]) -> Replays | None:
        if found := list(obstacles(self.fabric, self.model)):
            warn(f"train.cuda_graphs changes nothing here: {'; '.join(found)}.")
            return None
        recorder = CudaRecorder(self.fabric.device)
        return Replays(recorder, self.model, self.differentiate, warn)

    def differentiate(
        self, phase: Phase, micros: Sequence[tuple[Batch, Step]]
    ) -> dict[str, Tensor]:
        """Gradients of a phase's losses over all micro-batches; returns the mean losses."""
        networks, share = self._networks_in(phase), 1 / len(micros)
        parts = [part for micro in micros for part in self._partial_losses(phase, networks, *micro)]
        means: dict[str, Tensor] = {}
        for done, part in enumerate(parts, 1):
            awaited = {name for later in parts[done:] for name in later.trains}
            with self._synchronised(phase, set(part.trains) - awaited):
                # What autocast rounded is kept until the outermost context ends: weights are
                # rounded once for all of a network's calls. Losses are in full precision.
                with torch.autocast(self.fabric.device.type, enabled=False):
                    losses = part.losses()
                self.fabric.backward(losses.total * share)
            _add(means, phase, losses, share)
        return means

    @torch.no_grad()
    def _look(self, phase: Phase, micros: Sequence[tuple[Batch, Step]]) -> dict[str, Tensor]:
        """Mean losses of a phase that does not learn yet; discriminators get what it made."""
        networks: Networks = dict(self._local if self._exchanges else self._wrapped)
        means: dict[str, Tensor] = {}
        for micro in micros:
            for part in self._partial_losses(phase, networks, *micro):
                _add(means, phase, part.losses(), 1 / len(micros))
        return means

    def _watch(self, phase: Phase, optimizer: FabricOptimizer, values: dict[str, Tensor]) -> None:
        """Clip the gradient, and have the optimizer's step left out where something is not finite.

        That is decided on the device. Under fp16 gradients overflow now and then by design; the
        loss scaler looks for that, and for NaN, and leaves the step out itself.
        """
        if self._scaled:
            withheld = self.guard.watch(self.step, phase.name, values)
            self._poison(phase, withheld)
            if self.settings.clip:
                self._clip(phase, optimizer)
            return
        norm = self._clip(phase, optimizer) if self.settings.clip else self._norm(phase)
        withheld = self.guard.watch(self.step, phase.name, values | {"gradient": norm})
        optimizer.optimizer.found_inf = withheld

    def _clip(self, phase: Phase, optimizer: FabricOptimizer) -> Tensor:
        """Clip a phase's gradient; returns its norm before that."""
        networks = nn.ModuleList(self.model.networks[name] for name in phase.trains)
        norm: Tensor = self.fabric.clip_gradients(
            networks, optimizer, max_norm=self.settings.clip, error_if_nonfinite=False
        )
        return norm

    def _norm(self, phase: Phase) -> Tensor:
        gradients = [p.grad for p in self._trained_in(phase) if p.grad is not None]
        return torch.nn.utils.get_total_norm(gradients)

    def _poison(self, phase: Phase, withheld: Tensor) -> None:
        """Make a gradient NaN if ``withheld`` is 1."""
        for parameter in self._trained_in(phase):
            if parameter.grad is not None:
                parameter.grad.masked_fill_(withheld > 0, torch.nan)
                return

    def _trained_in(self, phase: Phase) -> Iterator[nn.Parameter]:
        for name in phase.trains:
            yield from self._parameters[name]

    def _buffers(self) -> list[tuple[Tensor, Tensor]]:
        """Every network's buffers and what they hold, such as running means."""
        networks = self.model.networks.values()
        return [(buffer, buffer.clone()) for network in networks for buffer in network.buffers()]

    def _skip(self, buffers: list[tuple[Tensor, Tensor]]) -> None:
        """Leave the rest of a step out, and what its forward passes left in buffers."""
        for buffer, before in buffers:
            buffer.copy_(before)
        self.guard.forget()
        self.skipped += 1
        self._skipped_in_a_row += 1
        if self._skipped_in_a_row == MOST_SKIPPED:
            raise CyclekitError(
                f"Training came apart: the last {MOST_SKIPPED} steps up to {self.step + 1} were "
                f"not finite and were skipped. Lower train.learning_rate or set train.clip."
            )


def _add(means: dict[str, Tensor], phase: Phase, losses: Losses, share: float) -> None:
    """Add a share of a phase's losses to its means."""
    for name, term in {phase.name: losses.total.detach(), **losses.terms}.items():
        means[name] = means[name] + term * share if name in means else term * share


def _match_layouts(optimizer: FabricOptimizer) -> None:
    """Give restored moments their parameters' memory format, which fused steps take for granted."""
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            for name, value in optimizer.state.get(parameter, {}).items():
                if value.shape == parameter.shape and value.stride() != parameter.stride():
                    fitting = torch.empty_like(parameter, dtype=value.dtype)
                    optimizer.state[parameter][name] = fitting.copy_(value)
