"""Checkpoints: safetensors for weights, plain tensors beside them, nothing that can run code."""

import hashlib
import pickle
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from packaging.version import InvalidVersion, Version
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from cyclekit.errors import CheckpointError, CyclekitError, UsageError
from cyclekit.links import pointed_at
from cyclekit.plugins import PluginInfo
from cyclekit.runs.layout import step_folders
from cyclekit.runs.records import read_json, require_writer, to_json
from cyclekit.storage.folder import Storage

FORMAT = 2
LATEST, BEST = "latest", "best"
AVERAGED = ".ema"

State = dict[str, Any]


@dataclass(frozen=True)
class Checkpoint:
    """A complete checkpoint folder, ``step-00000060``."""

    folder: Path

    @property
    def step(self) -> int:
        """Steps that were done when it was written."""
        return int(self.folder.name.removeprefix("step-"))

    def read_weights(self, network: nn.Module, name: str, *, averaged: bool) -> None:
        """Load a network's weights, its moving average where wanted and there.

        Raises:
            CheckpointError: If they cannot be read or do not fit.
        """
        file = self.folder / f"{name}{AVERAGED}.safetensors"
        if not averaged or not file.exists():
            file = self.folder / f"{name}.safetensors"
        self._require_intact(file)
        try:
            weights = load_file(file)
        except (OSError, SafetensorError) as error:
            raise CheckpointError(f"{file} cannot be read: {error}.") from error
        try:
            network.load_state_dict(weights)
        except RuntimeError as error:
            reason = " ".join(str(error).split())[:300]
            raise CheckpointError(
                f"{file} does not fit the network that the run's recipe describes: {reason}"
            ) from error

    def read_state(self) -> State:
        """Optimizers, buffers, statistics, counters.

        Raises:
            CheckpointError: If the file is damaged or holds anything but plain data.
        """
        file = self.folder / "state.pt"
        self._require_intact(file)
        try:
            state: State = torch.load(file, map_location="cpu", weights_only=True)
        except pickle.UnpicklingError as error:
            raise CheckpointError(
                f"{file} holds more than tensors and plain values and was not opened, since it "
                f"could run code. Use a checkpoint that cyclekit wrote."
            ) from error
        except (OSError, RuntimeError, EOFError, ValueError, KeyError) as error:
            reason = " ".join(str(error).split())[:200]
            raise CheckpointError(f"{file} cannot be read: {reason}.") from error
        return state

    def recipe(self) -> dict[str, Any]:
        """The recipe, as tables, that the step was reached with.

        Raises:
            CheckpointError: If the file is damaged.
        """
        file = self.folder / "recipe.toml"
        self._require_intact(file)
        return tomllib.loads(file.read_text(encoding="utf-8"))

    def _require_intact(self, file: Path) -> None:
        """Compare a file with the checksum that was taken when it was written."""
        try:
            intact = _checksum(file) == self.about().get("files", {}).get(file.name)
            why = "its content is not what was written"
        except OSError as error:
            intact, why = False, error.strerror or "it cannot be read"
        if intact:
            return
        older = [step for step in step_folders(self.folder.parent) if step < self.step]
        advice = (
            f"Remove {self.folder} to go on from the one before it (step {older[-1]}), or "
            f"name that with --checkpoint {older[-1]}."
            if older
            else "There is no older one in this run."
        )
        raise CheckpointError(f"{file} is damaged: {why}. {advice}")

    def about(self) -> dict[str, Any]:
        """Who wrote it.

        Raises:
            CheckpointError: If it is damaged or of another format.
        """
        about = read_json(self.folder / "checkpoint.json")
        if about.get("format") != FORMAT:
            raise CheckpointError(
                f"{self.folder} has checkpoint format {about.get('format')!r}; this cyclekit reads "
                f"{FORMAT}. Use the version that wrote it: cyclekit {about.get('cyclekit', '?')}."
            )
        require_writer(about, self.folder / "checkpoint.json")
        return about

    def require_plugin(self, plugin: PluginInfo) -> None:
        """Refuse a checkpoint that another plugin, or an incompatible version, wrote.

        Raises:
            CheckpointError: Naming what wrote it and what is installed.
        """
        about = self.about()
        name, wrote = about["plugin"]["name"], about["plugin"]["version"]
        if name != plugin.name:
            raise CheckpointError(
                f"{self.folder} was written by plugin {name!r}, not by {plugin.name!r}."
            )
        if not compatible(wrote, plugin.version):
            raise CheckpointError(
                f"{self.folder} was written by {about['plugin']['distribution']} {wrote}, but "
                f"{plugin.version} is installed. Install a version that fits: "
                f"pip install '{about['plugin']['distribution']}=={wrote}'"
            )


class Checkpoints:
    """The ``checkpoints`` folder of a run."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self.folder = storage.path

    def all(self) -> list[Checkpoint]:
        """Complete checkpoints, oldest first."""
        return [Checkpoint(path) for path in step_folders(self.folder).values()]

    def best(self) -> Checkpoint | None:
        """The best one by ``train.best``, where the run has evaluated."""
        return self.find(BEST) if pointed_at(self.folder / BEST) else None

    def find(self, which: str) -> Checkpoint:
        """``latest``, ``best`` or a step number.

        Raises:
            CheckpointError: If there is none such; lists what there is.
        """
        name = f"step-{int(which):08d}" if which.isdecimal() else which
        if which.isdecimal() or which in (LATEST, BEST):
            folder = pointed_at(self.folder / name) or self.folder / name
            if folder.name == which and folder.is_dir():
                # A run that was copied with its links followed: look up what the copy is of.
                folder = self.folder / f"step-{read_json(folder / 'checkpoint.json')['step']:08d}"
            if folder.is_dir():
                return Checkpoint(folder)
        if which == LATEST and self.all():
            return self.all()[-1]  # the one that the link named was removed
        if not which.isdecimal() and which not in (LATEST, BEST):
            raise UsageError(
                f"No checkpoint {which!r}: expected {LATEST}, {BEST} or a step such as 5000."
            )
        steps = ", ".join(str(checkpoint.step) for checkpoint in self.all())
        if not steps:
            raise CheckpointError(f"{self.folder.parent} has no checkpoint yet.")
        hint = " `best` exists once the run has evaluated (train.evaluate_every)."
        raise CheckpointError(
            f"No checkpoint {which!r} in {self.folder}. There are: latest, {steps}."
            f"{hint if which == BEST else ''}"
        )

    def write(
        self,
        step: int,
        networks: Mapping[str, nn.Module],
        averaged: Mapping[str, nn.Module],
        state: State,
        about: Mapping[str, Any],
        recipe: str,
    ) -> Checkpoint:
        """Write a checkpoint aside, then move it into place and point ``latest`` at it.

        Raises:
            CyclekitError: If it cannot be written, as on a full disk; the one before it is intact.
        """
        with self._explaining(step), self._storage.aside() as aside:
            made = aside.path / f"step-{step:08d}"
            made.mkdir()
            for name, network in networks.items():
                save_file(_plain(network), made / f"{name}.safetensors")
            for name, network in averaged.items():
                save_file(_plain(network), made / f"{name}{AVERAGED}.safetensors")
            torch.save(state, made / "state.pt")
            (made / "recipe.toml").write_text(recipe, encoding="utf-8")
            files = {file.name: _checksum(file) for file in made.iterdir()}
            about = {"format": FORMAT, "step": step, **about, "files": files}
            (made / "checkpoint.json").write_text(to_json(about), encoding="utf-8")
            checkpoint = Checkpoint(aside.keep(made.name))
            self.point(LATEST, checkpoint)
            return checkpoint

    @contextmanager
    def _explaining(self, step: int) -> Iterator[None]:
        """Turn a failure to write into advice."""
        try:
            yield
        except (OSError, RuntimeError, SafetensorError) as error:
            older = [checkpoint.step for checkpoint in self.all() if checkpoint.step < step]
            kept = f"The one of step {older[-1]} is intact" if older else "There is none before it"
            raise CyclekitError(
                f"The checkpoint of step {step} cannot be written to {self.folder}: {error}. "
                f"{kept}; make room and go on with: cyclekit resume {self.folder.parent}"
            ) from error

    def point(self, name: str, checkpoint: Checkpoint) -> None:
        """Make ``latest`` or ``best`` stand for ``checkpoint``, at once or not at all."""
        self._storage.point(name, checkpoint.folder.name)

    def prune(self, keep: int) -> None:
        """Remove all but the newest ``keep`` and whatever ``latest`` and ``best`` name."""
        named = {pointed_at(self.folder / name) for name in (LATEST, BEST)}
        for checkpoint in self.all()[:-keep]:
            if checkpoint.folder not in named:
                self._storage.remove(checkpoint.folder.name)


def compatible(wrote: str, installed: str) -> bool:
    """Whether two versions share a series: the major number, and before 1.0 the minor one too."""
    try:
        a, b = Version(wrote).release, Version(installed).release
    except InvalidVersion:
        return wrote == installed
    series = 2 if a[0] == 0 else 1
    return a[:series] == b[:series]


def describe_writer(plugin: PluginInfo) -> dict[str, Any]:
    """Who writes runs and checkpoints."""
    return {
        "cyclekit": version("cyclekit"),
        "plugin": {
            "name": plugin.name,
            "distribution": plugin.distribution,
            "version": plugin.version,
        },
    }


def _plain(network: nn.Module) -> dict[str, Tensor]:
    state: dict[str, Tensor] = network.state_dict()
    # Cloned, since safetensors refuses tensors that share memory, as tied weights do.
    return {name: tensor.detach().cpu().contiguous().clone() for name, tensor in state.items()}


def _checksum(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
