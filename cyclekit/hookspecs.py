"""The hooks a plugin may implement.

Hooks that offer something yield frozen dataclasses, of objectives classes, so that the host can
check them all and name the plugin at fault. Hooks that observe a run are called on rank 0 and
cannot stop it: what they raise is reported once and the run goes on.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from cyclekit.contract.metrics import Metric
    from cyclekit.contract.modality import Modality
    from cyclekit.contract.network import Network
    from cyclekit.engine.objective import Objective
    from cyclekit.importing.family import Family, Published

PROJECT = "cyclekit"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def cyclekit_modality() -> "Iterable[Modality]":  # type: ignore[empty-body]
    """Yield the modality that this plugin brings; its name is the entry point's name."""


@hookspec
def cyclekit_generators(modality: str) -> "Iterable[Network]":  # type: ignore[empty-body]
    """Yield generators to add to ``modality``, somebody else's or your own."""


@hookspec
def cyclekit_discriminators(modality: str) -> "Iterable[Network]":  # type: ignore[empty-body]
    """Yield discriminators to add to ``modality``."""


@hookspec
def cyclekit_objectives(modality: str) -> "Iterable[type[Objective]]":  # type: ignore[empty-body]
    """Yield objectives, the classes themselves, that recipes of ``modality`` may name."""


@hookspec
def cyclekit_metrics(modality: str) -> "Iterable[Metric]":  # type: ignore[empty-body]
    """Yield metrics to add to ``modality``."""


@hookspec
def cyclekit_families(modality: str) -> "Iterable[Family]":  # type: ignore[empty-body]
    """Yield families of other people's networks that `cyclekit import` reads into ``modality``."""


@hookspec
def cyclekit_published(modality: str) -> "Iterable[Published]":  # type: ignore[empty-body]
    """Yield files of such networks that their authors published: `cyclekit import zoo:NAME`."""


@hookspec
def cyclekit_run_started(run: Path, recipe: Mapping[str, Any]) -> None:
    """Observe that training starts or goes on in the folder ``run``, with the resolved recipe."""


@hookspec
def cyclekit_step_logged(run: Path, record: Mapping[str, Any]) -> None:
    """Observe one line of ``metrics.jsonl``, on the logging cadence."""


@hookspec
def cyclekit_checkpoint_saved(run: Path, checkpoint: Path) -> None:
    """Observe a complete checkpoint folder."""


@hookspec
def cyclekit_run_finished(run: Path) -> None:
    """Observe that the last step is done and saved."""
