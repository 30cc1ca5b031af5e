"""cyclekit: learn the mapping between two unpaired collections, whatever they hold.

Names are looked up on first use, so that ``cyclekit --help`` and ``cyclekit plugins list``
never pay for importing torch.
"""

from typing import TYPE_CHECKING, Any

from cyclekit.waiting import choose_waiting

if TYPE_CHECKING:
    from cyclekit.errors import CyclekitError
    from cyclekit.python_api import (
        Hardware,
        TrainedModel,
        TrainResult,
        evaluate,
        load,
        report,
        resume,
        train,
    )

API_VERSION = 2
"""The plugin contract this host speaks; compared with ``Modality.api``."""

choose_waiting()  # before anything loads torch

__all__ = [
    "API_VERSION", "CyclekitError", "Hardware", "TrainResult", "TrainedModel", "evaluate", "load",
    "report", "resume", "train",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("cyclekit")
    if name in __all__:
        from cyclekit import python_api

        return getattr(python_api, name)
    raise AttributeError(f"module 'cyclekit' has no attribute {name!r}")
