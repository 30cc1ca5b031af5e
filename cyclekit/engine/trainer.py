"""The training loop. It knows phases, optimizers and cadences; never a loss, never a modality."""

import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from lightning_fabric import Fabric
from lightning_fabric.strategies import DDPStrategy
from lightning_fabric.wrappers import _FabricOptimizer
from torch import nn

from cyclekit.data.sampling import UnpairedBatches
from cyclekit.engine.ema import MovingAverage
from cyclekit.engine.hardware import LocalNetwork
from cyclekit.engine.meter import Meter
from cyclekit.engine.model import Model
from cyclekit.engine.objective import Phase, Step
from cyclekit.engine.schedule import linear_decay
from cyclekit.errors import CyclekitError
from cyclekit.randomness import derive_seed

State = dict[str, Any]


class Trainer:
    """Trains a model's networks, step by step.

    Args:
        fabric: Devices, precision, ranks.
        model: Networks and objective; the networks are moved to the device.
        batches: Where samples come from.
    """

    def __init__(self, fabric: Fabric, model: Model, batches: UnpairedBatches) -> None:
        self.fabric = fabric
        self.model = model
        self.batches = batches
        self.settings = model.recipe.train
        self.step = 0
        self.meter = Meter()
        self._wrapped = {name: fabric.setup_module(net) for name, net in model.networks.items()}
        self._local = {name: LocalNetwork(net, fabric) for name, net in model.networks.items()}
        self._optimizers = {p.name: self._optimizer(p) for p in model.objective.phases}
        # Frozen only now: DDP refuses a module without trainable parameters.
        for network in model.networks.values():
            network.requires_grad_(False)
        self.average = (
            MovingAverage(model.translators, self.settings.ema) if self.settings.ema else None
        )

    def fit(self, after_step: Callable[[], None]) -> None:
        """Train on to the last step; ``after_step`` logs, shows, measures and saves."""
        while self.step < self.settings.steps:
            self.train_step()
            self.step += 1
            if self.average:
                self.average.update(self.step)
            after_step()

    def train_step(self) -> None:
        """One optimizer step of every phase, on one global batch."""
        seed, rank = self.settings.seed, self.fabric.global_rank
        torch.manual_seed(derive_seed(seed, "step", self.step, rank))  # dropout and the like
        accumulate = self.settings.accumulate
        parts = [
            (
                self.batches.batch(self.step, micro, self.fabric.device),
                Step(self.step, seed, self.batches.positions(micro)),
            )
            for micro in range(accumulate)
        ]
        for phase in self.model.objective.phases:
            optimizer = self._optimizers[phase.name]
            self._set_learning_rate(optimizer, phase)
            networks = self._networks_in(phase)
            with self._only(phase):
                for micro, (batch, step) in enumerate(parts):
                    with self._synchronised(phase, last=micro == accumulate - 1):
                        losses = self.model.objective.losses(phase.name, networks, batch, step)
                        self.fabric.backward(losses.total / accumulate)
                    self.meter.add({phase.name: losses.total, **losses.terms})
                self._clip(phase, optimizer)
                optimizer.step()
                optimizer.zero_grad(set_to_none=True)

    def learning_rate(self, phase: Phase, step: int) -> float:
        """The rate of a phase in the step that follows ``step`` others."""
        peak = self.settings.learning_rate
        if phase.judges and self.settings.discriminator_learning_rate is not None:
            peak = self.settings.discriminator_learning_rate
        return peak * linear_decay(step, self.settings.steps, self.settings.decay_from)

    def read_losses(self) -> dict[str, float]:
        """Mean losses since the last call.

        Raises:
            CyclekitError: If one of them is not a finite number.
        """
        means = self.meter.means(self.fabric)
        for name, value in means.items():
            if not math.isfinite(value):
                raise CyclekitError(
                    f"Training came apart: {name} is {value} by step {self.step}. Train anew with "
                    f"a lower train.learning_rate, train.clip or 32-true precision; or change them "
                    f"in the run's recipe.toml and resume from its last checkpoint."
                )
        return means

    @property
    def translating_networks(self) -> dict[str, nn.Module]:
        """The networks to translate with: their moving average where there is one."""
        return dict(self.average.networks) if self.average else self.model.translators

    def state_dict(self) -> State:
        """Everything besides the networks' weights that the next step depends on."""
        return {
            "step": self.step,
            "optimizers": {name: opt.state_dict() for name, opt in self._optimizers.items()},
            "objective": self.model.objective.state_dict(),
            "codec": self.model.codec.state_dict(),
            "meter": self.meter.state_dict(),
            "precision": self.fabric.strategy.precision.state_dict(),  # fp16's loss scale
        }

    def load_state_dict(self, state: State) -> None:
        """Take back what ``state_dict`` returned."""
        device = self.fabric.device
        self.step = state["step"]
        for name, optimizer in self._optimizers.items():
            optimizer.load_state_dict(state["optimizers"][name])
        self.model.objective.load_state_dict(state["objective"], device)
        self.model.codec.load_state_dict(state["codec"])
        self.meter.load_state_dict(state["meter"], device)
        self.fabric.strategy.precision.load_state_dict(state["precision"])

    def _optimizer(self, phase: Phase) -> _FabricOptimizer:
        parameters = [p for name in phase.trains for p in self.model.networks[name].parameters()]
        adam = torch.optim.Adam(
            parameters, lr=self.settings.learning_rate, betas=self.settings.betas
        )
        prepared: _FabricOptimizer = self.fabric.setup_optimizers(adam)
        return prepared

    def _set_learning_rate(self, optimizer: _FabricOptimizer, phase: Phase) -> None:
        for group in optimizer.param_groups:
            group["lr"] = self.learning_rate(phase, self.step)

    def _networks_in(self, phase: Phase) -> dict[str, nn.Module]:
        """The networks as a phase calls them: those that it trains exchange gradients under DDP."""
        if not isinstance(self.fabric.strategy, DDPStrategy):
            return dict(self._wrapped)
        return self._local | {name: self._wrapped[name] for name in phase.trains}

    @contextmanager
    def _only(self, phase: Phase) -> Iterator[None]:
        """Unfreeze the networks that a phase trains."""
        for name in phase.trains:
            self.model.networks[name].requires_grad_(True)
        try:
            yield
        finally:
            for name in phase.trains:
                self.model.networks[name].requires_grad_(False)

    @contextmanager
    def _synchronised(self, phase: Phase, last: bool) -> Iterator[None]:
        """Let ranks exchange gradients in the last micro-batch only."""
        with ExitStack() as stack:
            for name in phase.trains:
                stack.enter_context(
                    self.fabric.no_backward_sync(self._wrapped[name], enabled=not last)
                )
            yield

    def _clip(self, phase: Phase, optimizer: _FabricOptimizer) -> None:
        if self.settings.clip:
            networks = nn.ModuleList(self.model.networks[name] for name in phase.trains)
            self.fabric.clip_gradients(
                networks, optimizer, max_norm=self.settings.clip, error_if_nonfinite=False
            )
