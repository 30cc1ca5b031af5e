"""Everything that a plugin says about one kind of data."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cyclekit.contract.codec import Codec
from cyclekit.contract.metrics import Baseline, Metric
from cyclekit.contract.network import Network
from cyclekit.contract.options import Options
from cyclekit.contract.planning import Proposing
from cyclekit.engine.objective import Objective


@dataclass(frozen=True)
class Modality:
    """Everything that the engine needs to train on one kind of data.

    Attributes:
        name: The ``--plugin`` value; the same as the entry point's name.
        api: The contract version the plugin was written for; write the number itself.
        summary: One line for listings.
        codec: The codec class.
        generators: Architectures that ``generator.name`` may choose; the first is the default.
        discriminators: The same for ``discriminator.name``.
        metrics: Measures of translated items.
        baselines: Translations to compare with; ``identity`` is always there.
        objective: Name of the objective that recipes mean which name none.
        objectives: Objectives that ``objective.name`` may choose besides those that the hook
            ``cyclekit_objectives`` brings, cyclekit's own among them.
        datasets: Built-in data: name -> ``make(folder, seed)``, which fills
            ``trainA trainB testA testB`` and can do so again from the same seed.
        corruptions: Ways to spoil an item that training may learn to undo: name ->
            ``spoil(item, rng)``, all chance from ``rng``, a ``numpy.random.Generator``.
        metric_options: Settings of the metrics, for ``cyclekit evaluate --set metrics.KEY=VALUE``
            and nothing else: no recipe and no run holds them, so they may name files that run code.
        planner: ``planner(survey)`` proposes settings to a training that names no recipe, as
            ``Candidate`` objects, the largest first. Without one such a training takes defaults.
        added_by: Filled in by cyclekit: which extension brought what, by its kind and name.
    """

    name: str
    api: int
    summary: str
    codec: type[Codec[Any]]
    generators: Sequence[Network]
    discriminators: Sequence[Network]
    metrics: Sequence[Metric] = ()
    baselines: Sequence[Baseline] = ()
    objective: str = "cycle"
    objectives: Sequence[type[Objective]] = ()
    datasets: Mapping[str, Callable[[Path, int], None]] = field(default_factory=dict)
    corruptions: Mapping[str, Callable[[Any, Any], Any]] = field(default_factory=dict)
    metric_options: type[Options] = Options
    planner: Proposing | None = None
    added_by: Mapping[str, str] = field(default_factory=dict)

    def bringer(self, kind: str, name: str) -> str:
        """Who brought a thing, for messages: an extension, or this plugin itself.

        Args:
            kind: ``"generators"``, ``"discriminators"``, ``"metrics"`` or ``"objectives"``.
            name: The thing's.
        """
        return self.added_by.get(f"{kind}/{name}", f"Plugin {self.name!r}")
