"""What happens between steps: log, measure, show and save, each on its cadence."""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from cyclekit.console import Console, StepProgress
from cyclekit.data.folders import Collections
from cyclekit.engine.fabric import on_first
from cyclekit.engine.trainer import Trainer
from cyclekit.engine.translator import Translator
from cyclekit.errors import CheckpointError, CyclekitError
from cyclekit.judging.figures import Figures, Scores, figures_of
from cyclekit.judging.judge import Judge
from cyclekit.plugins.host import PluginHost
from cyclekit.preparing.budget import CHECKPOINT, EVALUATION, PREVIEW, Budget, Costs
from cyclekit.recipe.resolve import to_toml
from cyclekit.runs.checkpoint import Checkpoint, describe_writer
from cyclekit.runs.checkpoints import BEST
from cyclekit.runs.directory import RunDirectory
from cyclekit.runs.records import PER_SECOND
from cyclekit.training.board import Board
from cyclekit.training.improvement import Improvement
from cyclekit.training.nonfinite import advice
from cyclekit.training.preview import Previewer
from cyclekit.training.timing import Timing, described
from cyclekit.training.watching import Watch

TOLD_AT = 2  # the line of the log: much of what comes before the first one never comes again


class Recorder:
    """Keeps a run's records. Every rank calls it; only rank 0 writes.

    Attributes:
        report: Figures of the last evaluation by direction; empty before the first.
        files: The training files, where these are still to be written beside a checkpoint.
        judge: Measures translations and baselines on the test set.
        watch: Looks whether training goes wrong, where that is wanted.
        costs: How long things took that are no steps.
        budget: The time that there is, where it was said.
    """

    def __init__(
        self,
        host: PluginHost,
        run: RunDirectory,
        trainer: Trainer,
        collections: Collections,
        console: Console,
    ) -> None:
        self._host = host
        self._run = run
        self._trainer = trainer
        self._console = console
        self._settings = trainer.settings
        self._writes = trainer.fabric.is_global_zero
        self._board: Board | None = None
        self._has_tests = collections.has_tests
        self._previewer = (
            Previewer(trainer.model, collections, self._settings.preview_items, run)
            if self._writes and self._settings.preview_every
            else None
        )
        self._timing = Timing(trainer)
        self._logged = 0
        self._improvement = Improvement(self._settings)
        self.report: dict[str, Figures] = {}
        self.scores: dict[str, Scores] = {}
        self._unmeasured = False
        self.once_saved: Callable[[], None] | None = None
        self.watch: Watch | None = None
        self.costs = Costs()
        self.budget: Budget | None = None
        self.judge = Judge(
            trainer.model,
            collections,
            console.warn,
            run.metrics,
            limit=self._settings.evaluate_items,
            track=console.track,
        )

    def restore(self, checkpoint: Checkpoint) -> None:
        """Put the trainer and these records back to where a checkpoint was written."""
        checkpoint.require_plugin(self._host.info)
        trainer = self._trainer
        untrained = [n for n in trainer.model.networks if not checkpoint.has_weights(n)]
        if untrained:
            raise CheckpointError(
                f"{checkpoint.folder} has no weights of {' and '.join(untrained)}, which the "
                f"recipe asks for now. Leave it as it was, or train anew."
            )
        for name, network in trainer.model.networks.items():
            checkpoint.read_weights(network, name, averaged=False)
        if trainer.average:
            for name, network in trainer.average.networks.items():
                checkpoint.read_weights(network, name, averaged=True)
        checkpoint.restore_codec(trainer.model.codec)
        state = checkpoint.read_state()
        with checkpoint.restoring("The training state"):
            trainer.load_state(state)
        self._improvement.best = state.best
        self._unmeasured = checkpoint.manifest.unmeasured
        self._end_if_vain(say=False)
        if trainer.is_done:
            self.report = checkpoint.manifest.evaluation
            self.scores = {name: Scores(figures) for name, figures in self.report.items()}
            if unknown := self.report.keys() - trainer.model.directions.keys():
                raise CheckpointError(
                    f"{checkpoint.folder} is damaged: it was evaluated in {unknown.pop()!r:.50}, "
                    f"which is no direction. {checkpoint.advice()}"
                )
            self.judge.protocol.update(checkpoint.manifest.protocol)

    def start(self) -> None:
        """Forget what a killed run wrote after its checkpoint; show the untrained networks.

        Nothing in the run is changed before this: a resumption that is refused leaves it as it was.
        """
        if self._writes:
            self._run.clean()
            recipe = self._trainer.model.recipe
            told = to_toml(recipe)
            self._run.storage.write_text(self._run.recipe_file.name, told)
            self._run.forget_after(self._trainer.step)
            best = self._improvement.best
            self._run.checkpoints.settle(
                best.step if best else None, self._settings.keep_checkpoints
            )
            if self._previewer:
                self._previewer.remember()
            self._board = Board(self._run, self._trainer.step, recipe, self._console.warn)
        self._observe("run_started", recipe=self._trainer.model.recipe.model_dump(mode="json"))
        if self._trainer.step == 0:
            with self.costs.measuring(PREVIEW):
                on_first(self._trainer.fabric, self._preview)  # it may end the run
        self._timing.start(self._trainer.step)
        if self._unmeasured:
            improved = self._evaluate()
            if self._trainer.is_done:
                self._preview()
            self._save(improved)
        elif self._trainer.is_done:
            self._say_why_ended()

    def after_step(self, progress: StepProgress, save: bool = False) -> None:
        """Do what is due after the step that was just done; ``save`` in any case if so asked."""
        settings = self._settings
        progress.advance()
        save = save or self._trainer.is_done
        save = save or self._due(settings.checkpoint_every)
        looks = (settings.log_every, settings.evaluate_every, settings.preview_every)
        if save or any(map(self._due, looks)):
            self._trainer.require_finite()
        logs = self._due(settings.log_every)
        if logs:
            self._log(progress)
        improved, self.report = False, {}
        try:
            if self._due(settings.evaluate_every):
                with self.costs.measuring(EVALUATION):
                    improved = self._evaluate()
            if self._trainer.is_done and not logs:
                self._log(progress)
            save = save or self._trainer.is_done
            if self._due(settings.preview_every) or self._due(settings.evaluate_every):
                with self.costs.measuring(PREVIEW):
                    if self._due(settings.preview_every):
                        self._preview()
                    self._look()
        finally:  # whatever goes wrong while looking at the result, the result is kept
            if save or improved:
                with self.costs.measuring(CHECKPOINT):
                    self._save(improved)
        if save or improved:
            self._trainer.fabric.barrier()  # nobody trains on before the files are there

    def rehearse(self) -> None:
        """Measure, before the first step, what is measured at the end whatever was trained, and
        guess from it how long an evaluation takes."""
        if not (self._writes and self._has_tests and self._settings.evaluate_every):
            return
        with self.costs.measuring(EVALUATION):
            rows = len(self.judge.baseline_scores) + bool(self.judge.real_scores)
        self.costs.seconds[EVALUATION] /= max(rows, 1)

    def finish(self) -> None:
        """Close the records of a run that is done."""
        if self._board:
            self._board.close()
        self._observe("run_finished")

    def _due(self, every: int) -> bool:
        """Whether something on a cadence happens now; always after the last step. 0: never."""
        step = self._trainer.step
        return every > 0 and (step % every == 0 or self._trainer.is_done)

    def _log(self, progress: StepProgress) -> None:
        trainer, step, settings = self._trainer, self._trainer.step, self._settings
        losses = trainer.read_losses()
        if not self._writes or self._board is None:
            return
        timing = self._timing.read(step)
        phases = trainer.model.objective.phases
        rates = {f"learning_rate_{p.name}": trainer.learning_rate(p, step - 1) for p in phases}
        record = {"step": step, **losses, **rates}
        if settings.nonfinite == "skip":
            record["skipped"] = trainer.skipped
        self._run.log(record)
        spent = {"spent": self.budget.elapsed} if self.budget else {}
        self._run.log_timing({"step": step, "time": time.time(), **timing, **spent})
        self._board.scalars("train", losses | rates, step)
        self._board.scalars("timing", timing, step)
        shown = {name: value for name, value in losses.items() if name.startswith("cycle")}
        shown |= {p.name: losses[p.name] for p in phases if p.name in losses}
        shown |= {"skipped": trainer.skipped} if trainer.skipped else {}
        progress.show(step, shown, timing[PER_SECOND])
        self._logged += 1
        if self._logged == TOLD_AT and (said := described(timing)):
            self._console.say(said)
        self._observe("step_logged", record=record)

    def _evaluate(self) -> bool:
        """Measure on rank 0; every rank learns whether this is the best so far."""
        improved = False
        self._unmeasured = self._has_tests
        try:
            if self._board and self._has_tests:
                step = self._trainer.step
                self.scores = self.judge.score(self._translator())
                self.report = figures_of(self.scores)
                self._run.log({"step": step, "evaluation": self.report})
                for direction, figures in self.report.items():
                    self._board.scalars(f"test/{direction}", figures, step)
                improved = self._improvement.is_best(self.report, self.judge.metrics, step)
            self._unmeasured = False
        finally:  # the other ranks wait for the answer, whatever happens here
            improved = bool(self._trainer.fabric.broadcast(improved))
        self._timing.start(self._trainer.step)
        self._end_if_vain()
        return improved

    def measured(self) -> dict[str, Scores]:
        """The last evaluation with each item's values, which checkpoints do not hold; on rank 0."""
        if not any(of.names for of in self.scores.values()):
            self.scores = self.judge.score(self._translator())
        return self.scores

    def _end_if_vain(self, say: bool = True) -> None:
        """End the training where so many evaluations in a row brought no new best.

        That follows from the step and the best one's, so that a resumed run ends where others do.
        """
        trainer = self._trainer
        if not self._improvement.patience or trainer.step >= trainer.steps:
            return
        # Rank 0 alone knows which is the best.
        if trainer.fabric.broadcast(self._improvement.is_vain(trainer.step)):
            trainer.end_here()
            if say:
                self._say_why_ended()

    def _say_why_ended(self) -> None:
        """Why there are fewer steps than were planned, if so."""
        if said := self._improvement.why_ended(self._trainer.step, self._trainer.steps, self._run):
            self._console.say(said)

    def _preview(self) -> None:
        if self._previewer is None or self._board is None:
            return
        step = self._trainer.step
        show = partial(self._board.media, step=step)
        self._previewer.write(self._translator(), step, show, self._console.warn)
        self._timing.start(self._trainer.step)

    def _look(self) -> None:
        if self.watch and self._writes:
            self.watch.look(self._translator())
            self._timing.start(self._trainer.step)

    def _save(self, improved: bool) -> None:
        trainer = self._trainer
        if not trainer.is_finite:
            raise CyclekitError(
                f"Training came apart: after step {trainer.step} weights or what the optimizer "
                f"remembers are no finite numbers. Nothing was saved. {advice(self._run)}"
            )
        state = trainer.state_dict()  # of all ranks
        if self._board:
            self._board.flush()
            checkpoints, best = self._run.checkpoints, self._improvement.best
            checkpoint = checkpoints.write(
                trainer.step,
                trainer.model.networks,
                trainer.average.networks if trainer.average else {},
                state | {"best": best.model_dump() if best else {}},
                {
                    **describe_writer(self._host.info),
                    "evaluation": self.report,
                    "protocol": self.judge.protocol if self.report else {},
                    "unmeasured": self._unmeasured,
                    "ranks": trainer.fabric.world_size,
                    "global_batch": trainer.batches.global_batch,
                },
                to_toml(trainer.model.recipe),
            )
            if improved:
                checkpoints.point(BEST, checkpoint)
            checkpoints.prune(self._settings.keep_checkpoints)
            if self.once_saved:
                self.once_saved()
                self.once_saved = None
            self._observe("checkpoint_saved", checkpoint=checkpoint)

    def _translator(self) -> Translator:
        trainer = self._trainer
        return Translator(
            trainer.model, trainer.translating_networks, trainer.fabric, self._settings.batch_size
        )

    def _observe(self, event: str, **details: Any) -> None:
        if self._writes:
            run: Path = self._run.folder
            self._host.observe(f"cyclekit_{event}", self._console.warn, run=run, **details)
