"""cyclekit: learn the mapping between two unpaired collections, whatever they hold.

Names are looked up on first use, so that ``cyclekit --help`` and ``cyclekit plugins list``
never pay for importing torch.
"""

from typing import TYPE_CHECKING, Any

from cyclekit.version import API_VERSION, package_version
from cyclekit.waiting import choose_waiting

if TYPE_CHECKING:
    from cyclekit.errors import CyclekitError
    from cyclekit.python_api import (
        Hardware,
        TrainedModel,
        TrainResult,
        compare,
        evaluate,
        load,
        report,
        resume,
        train,
    )

choose_waiting()  # before anything loads torch

__all__ = [
    "API_VERSION", "CyclekitError", "Hardware", "TrainResult", "TrainedModel", "compare",
    "evaluate", "load", "report", "resume", "train",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return package_version()
    if name in __all__:
        from cyclekit import python_api

        return getattr(python_api, name)
    raise AttributeError(f"module 'cyclekit' has no attribute {name!r}")
