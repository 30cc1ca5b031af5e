"""Devices, ranks and precision: all of it Lightning Fabric's work."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import torch
from lightning_fabric import Fabric

from cyclekit.errors import CyclekitError
from cyclekit.plugins import describe_exception


@dataclass(frozen=True)
class Hardware:
    """Where to run; passed on to Fabric as it is."""

    accelerator: str = "auto"
    devices: int = 1
    num_nodes: int = 1
    strategy: str = "auto"


def start_fabric(hardware: Hardware, precision: str) -> Fabric:
    """Lightning Fabric for this hardware, with its other ranks started.

    Raises:
        CyclekitError: If the hardware is not there.
    """
    try:
        fabric = Fabric(
            accelerator=hardware.accelerator,
            devices=hardware.devices,
            num_nodes=hardware.num_nodes,
            strategy=hardware.strategy,
            precision=cast(Any, precision),
        )
        fabric.launch()
    except Exception as error:  # Fabric raises many kinds; each says what is missing
        raise CyclekitError(
            f"Cannot start on --accelerator {hardware.accelerator} --devices {hardware.devices} "
            f"--strategy {hardware.strategy} --precision {precision}: {describe_exception(error)}"
        ) from error
    return fabric


@contextmanager
def full_precision(precision: str) -> Iterator[None]:
    """Keep float64 between the networks too: Fabric returns their outputs in the default type."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64 if precision == "64-true" else before)
    try:
        yield
    finally:
        torch.set_default_dtype(before)
