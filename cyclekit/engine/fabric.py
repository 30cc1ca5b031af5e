"""Devices, ranks and precision: all of it Lightning Fabric's work."""

import inspect
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, TypeVar, cast

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from cyclekit.describe import describe_exception
from cyclekit.engine.lightning import DDPStrategy, Fabric, Strategy, apply_to_collection
from cyclekit.errors import CyclekitError, UsageError
from cyclekit.waiting import watch_neighbours

Result = TypeVar("Result")


@dataclass(frozen=True)
class Hardware:
    """Where to run, in Fabric's words.

    Attributes:
        accelerator: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        devices: Processes on each machine, one for each device. torchrun's word counts before this.
        num_nodes: Machines, likewise.
        strategy: ``auto``, ``ddp``, ``fsdp`` or another that Fabric knows.
        index: Which of several devices a single process uses; ``None``: the first.
    """

    accelerator: str = "auto"
    devices: int = 1
    num_nodes: int = 1
    strategy: str = "auto"
    index: int | None = None

    def under_torchrun(self) -> "Hardware":
        """The same with the numbers of processes that torchrun started, if it did."""
        if "LOCAL_WORLD_SIZE" not in os.environ:
            return self
        devices, ranks = int(os.environ["LOCAL_WORLD_SIZE"]), int(os.environ["WORLD_SIZE"])
        return replace(self, devices=devices, num_nodes=ranks // devices)


def _require_device(accelerator: str) -> None:
    """Raise ``CyclekitError`` where torch sees no device of that kind."""
    lacking = {
        "cuda": not torch.cuda.is_available(),
        "mps": not torch.backends.mps.is_available(),
    }
    if lacking.get(accelerator):
        built = (
            "" if accelerator != "cuda" or torch.version.cuda else ", which was built without it"
        )
        raise CyclekitError(
            f"--accelerator {accelerator}: there is no such device that torch {torch.__version__} "
            f"can use{built}. `cyclekit --version` says what it sees; --accelerator cpu works "
            f"anywhere, and without the option the fastest device is taken."
        )


def start_fabric(hardware: Hardware, precision: str) -> Fabric:
    """Lightning Fabric for this hardware, with its other ranks started.

    Args:
        hardware: Where to run.
        precision: As Fabric names it; what ``auto`` means is chosen before.

    Raises:
        CyclekitError: If the hardware is not there.
    """
    hardware = hardware.under_torchrun()
    _require_device(hardware.accelerator)
    try:
        fabric = Fabric(
            accelerator=hardware.accelerator,
            devices=hardware.devices if hardware.index is None else [hardware.index],
            num_nodes=hardware.num_nodes,
            strategy=_strategy(hardware),
            precision=cast(Any, precision),
        )
        fabric.launch()
    except Exception as error:  # Fabric raises many kinds; each says what is missing
        raise CyclekitError(
            f"Cannot start on --accelerator {hardware.accelerator} --devices {hardware.devices} "
            f"--strategy {hardware.strategy} --precision {precision}: {describe_exception(error)} "
            f"`cyclekit --version` says which device torch sees; --accelerator cpu works anywhere."
        ) from error
    wanted = hardware.devices * hardware.num_nodes
    if fabric.world_size != wanted:
        raise CyclekitError(
            f"--devices {hardware.devices} --num-nodes {hardware.num_nodes} make {wanted} ranks, "
            f"but {fabric.world_size} were started. Under SLURM start them with srun, as many "
            f"--ntasks-per-node as --devices."
        )
    if fabric.device.type == "cpu":
        watch_neighbours()
    return fabric


def _strategy(hardware: Hardware) -> str | Strategy:
    """DDP as a GAN needs it; any other strategy as Fabric knows it."""
    several = hardware.devices * hardware.num_nodes > 1
    if hardware.strategy == "ddp" or (hardware.strategy == "auto" and several):
        # A network is called more than once before its gradient is taken, which broadcasting its
        # buffers in between would spoil. Parameters that it does not use: see AllParametersUsed.
        known = inspect.signature(DistributedDataParallel.__init__).parameters
        newer = "forward_sync_buffers"  # what torch 2.14 calls it
        buffers = newer if newer in known else "broadcast_buffers"
        return DDPStrategy(**{buffers: False})
    return hardware.strategy


def require_compiler(device: torch.device) -> None:
    """Refuse to compile networks for a CPU where nothing can.

    Raises:
        UsageError: If there is no C++ compiler.
    """
    names = [os.environ["CXX"]] if "CXX" in os.environ else ["g++", "clang++"]
    if device.type == "cpu" and not any(map(shutil.which, names)):
        raise UsageError(
            f"train.compile needs a C++ compiler on a CPU, and found no {' or '.join(names)}: "
            f"install one, name it in CXX, or leave train.compile out."
        )


class LocalNetwork(nn.Module):
    """A network in a phase that does not train it: Fabric's precision, no gradients exchanged.

    DDP counts on a backward pass through every parameter after each call; frozen ones have none.
    """

    def __init__(self, network: nn.Module, fabric: Fabric) -> None:
        super().__init__()
        self.network = network
        self._precision = fabric.strategy.precision

    def forward(self, *inputs: Any, **options: Any) -> Any:
        """Whatever the network takes and returns."""
        inputs, options = self._precision.convert_input((inputs, options))
        with self._precision.forward_context():
            out = self.network(*inputs, **options)
        return self._precision.convert_output(out)


class AllParametersUsed(nn.Module):
    """A network whose calls all reach all of its parameters.

    Not every one does: somebody's network may have parameters that it does not use, and calls may
    look at inner features alone. DDP counts on all of them after each call, or looks for those that
    are missing in every step's graph.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, *inputs: Any, **options: Any) -> Any:
        """Whatever the network takes and returns."""
        out = self.network(*inputs, **options)
        if not torch.is_grad_enabled():
            return out
        tensors: list[Tensor] = []
        apply_to_collection(out, Tensor, tensors.append)
        trained = [p for p in self.parameters() if p.requires_grad]
        reaching = iter(_Reach.apply(len(tensors), *tensors, *trained))
        return apply_to_collection(out, Tensor, lambda _: next(reaching))


class _Reach(torch.autograd.Function):
    """Tensors as they are, with others below them in the graph that get no gradient from them."""

    @staticmethod
    def forward(ctx: Any, count: int, *tensors: Tensor) -> tuple[Tensor, ...]:
        """See ``torch.autograd.Function``; the first ``count`` tensors come back."""
        ctx.below = len(tensors) - count
        ctx.set_materialize_grads(False)
        return tuple(x.view_as(x) for x in tensors[:count])

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        """Likewise."""
        return (None, *gradients, *(None,) * ctx.below)


def gather(fabric: Fabric, own: Any) -> list[Any]:
    """What each rank has, in their order; every rank must call it, and rank 0 gets all of them."""
    if fabric.world_size == 1:
        return [own]
    everybody = [None] * fabric.world_size if fabric.is_global_zero else None
    torch.distributed.gather_object(own, everybody)
    return everybody or [own]


def on_first(fabric: Fabric, work: Callable[[], Result]) -> Result:
    """Have rank 0 do something; every rank gets its result, or ends with what it raised.

    A rank that ended alone would leave the others waiting for it.
    """
    if fabric.world_size == 1:
        return work()
    result, failed = None, None
    try:
        if fabric.is_global_zero:
            result = work()
    except Exception as error:
        failed = error
    told = failed and (str(failed), getattr(failed, "exit_code", 1))
    result, told = fabric.broadcast((result, told))
    if failed:
        raise failed
    if told:
        message, code = told
        others = CyclekitError(message)
        others.exit_code = code
        raise others
    return cast(Result, result)


def end_together(fabric: Fabric) -> None:
    """Let the ranks end together; a rank that just goes leaves the others' threads hanging."""
    if fabric.world_size > 1 and torch.distributed.is_initialized():
        fabric.barrier()
        torch.distributed.destroy_process_group()


@contextmanager
def full_precision(precision: str) -> Iterator[None]:
    """Keep float64 between the networks too: Fabric returns their outputs in the default type."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64 if precision == "64-true" else before)
    try:
        yield
    finally:
        torch.set_default_dtype(before)
