"""What is used of Lightning Fabric, loaded without a package that it only asks for its version."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast


@contextmanager
def _looked_over(package: str) -> Iterator[None]:
    """Let a package seem not to be installed, unless it was imported already."""
    modules = cast(dict[str, Any], sys.modules)
    if package in modules:
        yield
        return
    modules[package] = None
    try:
        yield
    finally:
        del modules[package]


# A quarter of all that importing Fabric takes, in every command and on every rank.
with _looked_over("torchmetrics"):
    from lightning_fabric import Fabric, is_wrapped
    from lightning_fabric.loggers import CSVLogger, TensorBoardLogger
    from lightning_fabric.strategies import DDPStrategy, SingleDeviceStrategy, Strategy
    from lightning_fabric.wrappers import _FabricOptimizer as FabricOptimizer
    from lightning_utilities.core.apply_func import apply_to_collection

__all__ = [
    "CSVLogger",
    "DDPStrategy",
    "Fabric",
    "FabricOptimizer",
    "SingleDeviceStrategy",
    "Strategy",
    "TensorBoardLogger",
    "apply_to_collection",
    "is_wrapped",
]
