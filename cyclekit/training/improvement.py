"""Which step is the best so far, and whether it is still worth going on."""

from collections.abc import Mapping, Sequence

from cyclekit.contract.metrics import Metric
from cyclekit.engine.training_state import BestState
from cyclekit.judging.figures import Figures, best_figure
from cyclekit.recipe.settings import TrainSettings
from cyclekit.runs.directory import RunDirectory


class Improvement:
    """The best evaluation of a training, on the rank that measures.

    Attributes:
        best: Its figure and step; ``None`` before the first one.
        patience: Evaluations without a new best, after which training ends; 0: it does not.
    """

    def __init__(self, settings: TrainSettings) -> None:
        self._settings = settings
        self.patience = settings.stop.patience
        self.best: BestState | None = None

    def is_best(self, report: Mapping[str, Figures], metrics: Sequence[Metric], step: int) -> bool:
        """Take note of an evaluation; whether none was better before."""
        found = best_figure(report, self._settings.best, metrics)
        if found is None:
            return False
        name, value, higher = found
        held = self.best
        if held and (value <= held.value if higher else value >= held.value):
            return False
        self.best = BestState(metric=name, value=value, step=step)
        return True

    def is_vain(self, step: int) -> bool:
        """Whether so many evaluations in a row brought no new best."""
        best = self.best.step if self.best else step
        return (step - best) // self._settings.evaluate_every >= self.patience

    def why_ended(self, step: int, steps: int, run: RunDirectory) -> str:
        """Why a training that ended after ``step`` did not do all its steps; empty if it did."""
        if self.best is None or step >= steps:
            return ""
        return (
            f"stopped after step {step} of {steps}: no better {self.best.metric} in "
            f"{self.patience} evaluations since step {self.best.step}. Go on with: cyclekit resume "
            f"{run} --set train.stop.patience={2 * self.patience}"
        )
