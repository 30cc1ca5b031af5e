"""Looks now and then whether training goes wrong, says so once, and keeps what it saw."""

from collections.abc import Callable

from cyclekit.describe import describe_exception
from cyclekit.engine.trainer import Trainer
from cyclekit.engine.translator import Translator
from cyclekit.errors import CyclekitError
from cyclekit.judging import symptoms
from cyclekit.judging.checkup import Checkup
from cyclekit.preparing.preparation import Prepared
from cyclekit.runs.directory import RunDirectory
from cyclekit.runs.looks import read_looks
from cyclekit.runs.records import lines_by_step
from cyclekit.training.held_out import HeldOut

EARLIEST = 0.2  # share of the steps: before, nothing has gone wrong yet
FEWEST = 100  # steps, likewise

Figures = dict[str, dict[str, float]]


class Watch:
    """Takes the figures of ``judging.symptoms`` and says what they show; rank 0 alone has one.

    What two looks in a row show, or the last one, is said, once in a run. Every look is a line of
    ``checkups.jsonl``.

    Args:
        run: The run.
        trainer: Trains.
        prepared: Its model and data.
        warn: Told what is found.
    """

    def __init__(
        self, run: RunDirectory, trainer: Trainer, prepared: Prepared, warn: Callable[[str], None]
    ) -> None:
        self._run = run
        self._trainer = trainer
        self._prepared = prepared
        self._warn = warn
        self._checkup: Checkup | None = None
        self._held_out: HeldOut | None = None
        self._works = True

    def look(self, translator: Translator) -> None:
        """Take figures after the step that was just done. A failure is warned of, and ends this."""
        if not self._works or self._trainer.step < self._early:
            return
        try:
            figures = self._figures(translator)
        except Exception as error:  # what only looks must not end a training
            told = str(error) if isinstance(error, CyclekitError) else describe_exception(error)
            self._warn(f"nobody looks any more whether training goes wrong: {told}")
            self._works = False
            return
        self._tell(figures)

    @property
    def _early(self) -> float:
        return max(EARLIEST * self._trainer.steps, FEWEST)

    def _figures(self, translator: Translator) -> Figures:
        if self._checkup is None:  # what it needs is read when it is needed
            self._checkup = Checkup(self._trainer.model, self._prepared.encoded)
            self._held_out = HeldOut.of(self._trainer, self._prepared)
        figures = self._checkup.measure(translator)
        excess = self._held_out.excess() if self._held_out else {}
        for figure, of in ((symptoms.UNDECIDED, self._levels()), (symptoms.HELD_OUT, excess)):
            for name, value in of.items():
                figures.setdefault(name, {})[figure] = value
        return figures

    def _levels(self) -> dict[str, float]:
        """Each discriminator's mean loss since the last look, in units of one that guesses."""
        since = max((look.step for look in read_looks(self._run)), default=self._early - 1)
        logged = [r for _, r in lines_by_step(self._run.metrics_file) if r["step"] > since]
        found = {}
        for name, unit in self._trainer.model.objective.undecided.items():
            losses = [record[name] for record in logged if name in record]
            if losses:
                found[name] = sum(losses) / len(losses) / unit
        return found

    def _tell(self, figures: Figures) -> None:
        looks = read_looks(self._run)
        before = {pair for look in looks[-1:] for pair in look.found}
        said = {pair for look in looks for pair in look.said}
        found = {(symptom.name, where): symptom for symptom, where in symptoms.found(figures)}
        lasting = found if self._trainer.is_done else found.keys() & before
        told = [pair for pair in found if pair in lasting and pair not in said]
        for name, where in told:
            symptom = found[name, where]
            self._warn(f"{name}: {symptom.says.format(where=where)}. Try: {symptom.helps}")
        lists = {"found": list(map(list, found)), "said": list(map(list, told))}
        self._run.log_checkup({"step": self._trainer.step, "figures": figures, **lists})
