"""A training session: data, trainer, run directory and the person watching, put together."""

import copy
import shutil
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from lightning_fabric.loggers import TensorBoardLogger

from cyclekit.contract import Media
from cyclekit.data.builtin import is_builtin, make_builtin
from cyclekit.data.encoded import SampleCache, Tracker, encode_domain, list_bad
from cyclekit.data.folders import find_collections
from cyclekit.data.sampling import UnpairedBatches, Window
from cyclekit.engine.checkpoint import BEST, Checkpoint, describe_writer
from cyclekit.engine.console import StepProgress, Watcher
from cyclekit.engine.evaluation import Figures, Judge, best_figure
from cyclekit.engine.hardware import full_precision
from cyclekit.engine.model import build_model
from cyclekit.engine.objective import Step
from cyclekit.engine.preview import Previewer
from cyclekit.engine.run_directory import RunDirectory
from cyclekit.engine.trainer import Stopwatch, Trainer, due
from cyclekit.engine.translator import Translator, evaluating
from cyclekit.errors import CyclekitError, PluginError
from cyclekit.plugins import PluginHost, describe_exception
from cyclekit.recipe.resolve import to_toml
from cyclekit.recipe.settings import Recipe


@dataclass
class Session:
    """One start or resumption of a run.

    Attributes:
        host: The run's plugins.
        recipe: Resolved.
        run: The run directory.
        fabric: Devices and ranks.
        watcher: Talks to the person.
    """

    host: PluginHost
    recipe: Recipe
    run: RunDirectory
    fabric: Fabric
    watcher: Watcher
    _best: dict[str, Any] = field(default_factory=dict)

    def prepare(self) -> None:
        """Find and encode the data and build the networks."""
        self.model = build_model(self.host.modality, self.recipe, self.fabric.global_rank)
        self.collections = find_collections(self.recipe.data, self._builtin_data())
        for warning in self.collections.warnings():
            self.watcher.warn(warning)
        self.batches = self._batches()
        self._require_fit()

    def train(self, resume_from: Checkpoint | None = None) -> dict[str, Figures]:
        """Train to the last step; returns the last evaluation, if there was any."""
        self.trainer = Trainer(self.fabric, self.model, self.batches)
        if resume_from:
            self._restore(resume_from)
        if self.fabric.is_global_zero:
            self.run.forget_after(self.trainer.step)
        rank_zero = self.fabric.is_global_zero
        self._board = self._tensorboard() if rank_zero else None
        self._judge = Judge(
            self.model,
            self.collections,
            self.recipe.train.seed,
            self.watcher.warn,
            self.recipe.train.evaluate_items,
        )
        self._previewer = (
            Previewer(self.model, self.collections, self.recipe.train.preview_items)
            if rank_zero and self.recipe.train.preview_every
            else None
        )
        self._report: dict[str, Figures] = {}
        self._stopwatch = Stopwatch()
        self._observe("run_started", recipe=self.recipe.model_dump(mode="json"))
        if self.trainer.step == 0:
            self._preview()
        self._stopwatch.start(self.trainer.step)
        with (
            self.watcher.progress(self.recipe.train.steps, self.trainer.step) as progress,
            full_precision(self.recipe.train.precision),
        ):
            self.trainer.fit(lambda: self._after_step(progress))
        if self._board:
            self._board.finalize("success")
        self._observe("run_finished")
        return self._report

    def judge_baselines(self) -> dict[str, dict[str, Figures]]:
        """What the translations have to beat, on the same test items."""
        return self._judge.score_baselines()

    def describe(self) -> list[str]:
        """What would be trained: data, networks, length."""
        sizes = {
            name: sum(p.numel() for p in network.parameters())
            for name, network in self.model.networks.items()
        }
        train = self.recipe.train
        files = [
            f"{name.upper()}: {len(domain.train)} training files, {len(domain.test)} test files"
            for name, domain in self.collections.domains.items()
        ]
        return [
            *files,
            *(f"{name}: {size / 1e6:.3f} M parameters" for name, size in sizes.items()),
            f"{train.steps} steps of {self.batches.global_batch} samples of each domain "
            f"on {self.fabric.device}, {train.precision}",
        ]

    def _batches(self) -> UnpairedBatches:
        cache = SampleCache(self.model.codec)
        files = {name: domain.train for name, domain in self.collections.domains.items()}
        if self.collections.extra:
            files["extra"] = self.collections.extra
        windows: dict[str, list[Window]] = {}
        for domain, paths in files.items():
            samples, bad = encode_domain(cache, paths, domain, self._tracker(domain))
            if bad:
                self.watcher.warn(
                    f"skipped {len(bad)} of {len(paths)} files of domain {domain.upper()}: "
                    f"{list_bad(bad)}"
                )
            self.model.codec.fit(domain, samples)
            windows[domain] = [Window(sample, domain) for sample in samples]
        train = self.recipe.train
        return UnpairedBatches(
            self.model.codec,
            {
                stream: [w for domain in domains for w in windows.get(domain, [])]
                for stream, domains in self.model.objective.streams.items()
            },
            seed=train.seed,
            batch_size=train.batch_size,
            accumulate=train.accumulate,
            ranks=self.fabric.world_size,
            rank=self.fabric.global_rank,
        )

    def _tracker(self, domain: str) -> Tracker:
        what = f"reading domain {domain.upper()}"
        return lambda things, total: self.watcher.track(things, total, what)

    def _builtin_data(self) -> Path | None:
        """The folder of built-in data, made by rank 0 where it is not there yet."""
        if not is_builtin(self.recipe.data):
            return None
        if self.fabric.is_global_zero:
            make_builtin(self.recipe.data, self.host.modality, self.run.data)
        self.fabric.barrier()
        return self.run.data

    def _require_fit(self) -> None:
        """Compute every loss of one sample, so that a misfit is named before training starts.

        A copy of the objective is used, since its buffers must not see the sample.
        """
        batch = self.batches.batch(0, 0, torch.device("cpu"))
        one = {name: x[:1] for name, x in batch.items()}
        objective = copy.deepcopy(self.model.objective)
        step = Step(0, self.recipe.train.seed, positions=[0])
        networks = self.model.networks
        try:
            with ExitStack() as stack:
                for network in networks.values():
                    stack.enter_context(evaluating(network))
                for phase in objective.phases:
                    objective.losses(phase.name, networks, one, step)
        except CyclekitError:
            raise
        except Exception as error:
            shapes = ", ".join(f"{n.upper()} {tuple(x.shape[1:])}" for n, x in one.items())
            raise PluginError(
                f"The networks cannot take samples of these shapes: {shapes} "
                f"({describe_exception(error)}). Use larger windows, sizes that divide by what the "
                f"generator needs, or fewer discriminator.layers."
            ) from error

    def _after_step(self, progress: StepProgress) -> None:
        train, step = self.recipe.train, self.trainer.step
        progress.advance()
        if due(step, train.log_every, train.steps):
            self._log(progress)
        improved = False
        if due(step, train.evaluate_every, train.steps):
            improved = self._evaluate()
        if due(step, train.preview_every, train.steps):
            self._preview()
        if due(step, train.checkpoint_every, train.steps) or improved or step == train.steps:
            self._save(improved)

    def _log(self, progress: StepProgress) -> None:
        losses = self.trainer.read_losses()
        timing = self._stopwatch.read(self.trainer.step, self.batches.global_batch)
        if not self.fabric.is_global_zero:
            return
        phases = self.model.objective.phases
        rates = {f"learning_rate_{p.name}": self.trainer.learning_rate(p) for p in phases}
        record = {"step": self.trainer.step, **losses, **rates}
        self.run.log(record)
        self.run.log_timing({"step": self.trainer.step, "time": time.time(), **timing})
        self._scalars({f"train/{name}": value for name, value in (losses | rates).items()})
        self._scalars({f"timing/{name}": value for name, value in timing.items()})
        shown = {n: v for n, v in losses.items() if n.startswith("cycle")}
        shown |= {phase.name: losses[phase.name] for phase in phases}
        progress.show(self.trainer.step, shown, timing["samples_per_second"])
        self._observe("step_logged", record=record)

    def _evaluate(self) -> bool:
        """Measure on rank 0; every rank learns whether this is the best so far."""
        improved = False
        if self.fabric.is_global_zero and self._has_tests():
            self._report = self._judge.score(self._translator())
            self.run.log({"step": self.trainer.step, "evaluation": self._report})
            for direction, figures in self._report.items():
                self._scalars({f"test/{direction}/{name}": v for name, v in figures.items()})
            improved = self._is_best()
        improved = bool(self.fabric.broadcast(improved))
        self._stopwatch.start(self.trainer.step)
        return improved

    def _is_best(self) -> bool:
        metrics = self.model.modality.metrics
        found = best_figure(self._report, self.recipe.train.best, metrics)
        if found is None:
            return False
        name, value, higher = found
        held = self._best.get("value")
        if held is not None and (value <= held if higher else value >= held):
            return False
        self._best = {"metric": name, "value": value, "step": self.trainer.step}
        return True

    def _preview(self) -> None:
        if self._previewer is None:
            return
        folder = self.run.samples / f"step-{self.trainer.step:08d}"
        try:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            rows = self._previewer.rows(self._translator())
            media = self.model.codec.render(rows, folder)
        except (CyclekitError, OSError):
            raise
        except Exception as error:
            name = self.host.modality.name
            self.watcher.warn(f"plugin {name!r} failed in render: {describe_exception(error)}")
            return
        for item in media:
            self._show(item)
        self._stopwatch.start(self.trainer.step)

    def _show(self, media: Media) -> None:
        if self._board is None:
            return
        board, step = self._board.experiment, self.trainer.step
        if media.image is not None:
            board.add_image(media.title, media.image, step)
        if media.audio is not None:
            board.add_audio(media.title, media.audio, step, sample_rate=media.sample_rate or 44100)

    def _save(self, improved: bool) -> None:
        if self.fabric.is_global_zero:
            if self._board:
                self._board.experiment.flush()
            checkpoints = self.run.checkpoints
            checkpoint = checkpoints.write(
                self.trainer.step,
                self.model.networks,
                self.trainer.average.networks if self.trainer.average else {},
                self.trainer.state_dict() | {"best": self._best},
                {**describe_writer(self.host.info), "evaluation": self._report},
                to_toml(self.recipe),
            )
            if improved:
                checkpoints.point(BEST, checkpoint)
            checkpoints.prune(self.recipe.train.keep)
            self._observe("checkpoint_saved", checkpoint=checkpoint.folder)
        self.fabric.barrier()

    def _restore(self, checkpoint: Checkpoint) -> None:
        checkpoint.require_plugin(self.host.info)
        for name, network in self.model.networks.items():
            checkpoint.read_weights(network, name, averaged=False)
        if self.trainer.average:
            for name, network in self.trainer.average.networks.items():
                checkpoint.read_weights(network, name, averaged=True)
        state = checkpoint.read_state()
        self.trainer.load_state_dict(state)
        self._best = state["best"]

    def _translator(self) -> Translator:
        return Translator(
            self.model, self.trainer.translating_networks, self.fabric, self.recipe.train.batch_size
        )

    def _has_tests(self) -> bool:
        return all(domain.test for domain in self.collections.domains.values())

    def _tensorboard(self) -> TensorBoardLogger:
        return TensorBoardLogger(self.run.folder, name="", version="tensorboard")

    def _scalars(self, scalars: Mapping[str, float]) -> None:
        if self._board:
            self._board.log_metrics(dict(scalars), step=self.trainer.step)

    def _observe(self, event: str, **details: Any) -> None:
        if self.fabric.is_global_zero:
            self.host.observe(
                f"cyclekit_{event}", self.watcher.warn, run=self.run.folder, **details
            )
