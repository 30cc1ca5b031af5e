"""One checkpoint, opened as a whole: what it lists is there, and is what was written."""

import hashlib
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any, Self

import safetensors.torch
import torch
from packaging.version import InvalidVersion, Version
from pydantic import ValidationError
from safetensors import SafetensorError
from torch import Tensor, nn

from cyclekit.describe import describe_exception
from cyclekit.engine.training_state import TrainingState
from cyclekit.errors import CheckpointError
from cyclekit.plugins import PluginInfo
from cyclekit.recipe.sources import parse_toml
from cyclekit.runs.layout import step_folders
from cyclekit.runs.manifest import OLD, read_manifest
from cyclekit.runs.old_state import OldStateError, read_old_state
from cyclekit.storage.handle import open_file
from cyclekit.storage.tree import load_tree

AVERAGED = ".ema"
STATE, CODEC, RECIPE = "state", "codec.safetensors", "recipe.toml"
OLD_STATE = "state.pt"  # of cyclekit 0.1


class Checkpoint:
    """A complete checkpoint folder, ``step-00000060``.

    All of its files are opened at once: what another process removes later can still be read.
    Close it, or use it as a context.

    Args:
        folder: The checkpoint.

    Attributes:
        folder: The same.
        manifest: What it says about itself.

    Raises:
        CheckpointError: If a file that it lists is not there; or of another version.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.manifest = read_manifest(folder)
        self._files: dict[str, IO[bytes]] = {}
        try:
            for name in self.manifest.files:
                self._files[name] = open_file(folder / name)
        except OSError as error:
            self.close()
            raise self._damaged(name, error.strerror or str(error)) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let the files go."""
        for file in self._files.values():
            file.close()

    @property
    def step(self) -> int:
        """Steps that were done when it was written."""
        return self.manifest.step

    def read_weights(self, network: nn.Module, name: str, *, averaged: bool) -> None:
        """Load a network's weights, its moving average where wanted and there.

        Raises:
            CheckpointError: If they cannot be read, do not fit, or are not finite.
        """
        file = f"{name}{AVERAGED}.safetensors"
        if not averaged or file not in self._files:
            file = f"{name}.safetensors"
        weights = self._tensors(file)
        try:
            network.load_state_dict(weights)
        except RuntimeError as error:
            reason = " ".join(str(error).split())[:300]
            raise CheckpointError(
                f"{self.folder / file} does not fit the network that the run's recipe describes: "
                f"{reason}"
            ) from error
        if broken := [key for key, tensor in weights.items() if not bool(tensor.isfinite().all())]:
            raise CheckpointError(
                f"{self.folder / file} holds weights that are not finite ({broken[0]}): nothing "
                f"can be made with them. {self.advice()}"
            )

    def read_codec(self) -> dict[str, Tensor]:
        """What the codec had learned of the data.

        Raises:
            CheckpointError: If it is damaged.
        """
        if self.manifest.format == OLD:
            learned: dict[str, Tensor] = self._old_state()["codec"]
            return learned
        return self._tensors(CODEC)

    def read_state(self) -> TrainingState:
        """Optimizers, buffers, statistics, counters.

        Raises:
            CheckpointError: If it is damaged, or of another step.
        """
        if self.manifest.format == OLD:
            file, state = OLD_STATE, self._old_state()
            state.pop("codec")
        else:
            file = f"{STATE}.json"
            tensors = self._tensors(f"{STATE}.safetensors")
            try:
                state = load_tree(self._content(file), tensors)
            except ValueError as error:
                raise self._damaged(file, str(error)) from error
        try:
            checked = TrainingState.model_validate(state)
        except ValidationError as error:
            raise self._damaged(file, describe_exception(error)[:300]) from error
        if checked.step != self.step:
            raise self._damaged(file, f"it is of step {checked.step}")
        return checked

    def recipe(self) -> dict[str, Any]:
        """The recipe, as tables, that the step was reached with.

        Raises:
            CheckpointError: If it is damaged.
        """
        try:
            return parse_toml(self._content(RECIPE).decode())
        except ValueError as error:
            raise self._damaged(RECIPE, str(error)[:200]) from error

    def require_plugin(self, plugin: PluginInfo) -> None:
        """Refuse a checkpoint that another plugin, or an incompatible version, wrote.

        Raises:
            CheckpointError: Naming what wrote it and what is installed.
        """
        writer = self.manifest.plugin
        if writer.name != plugin.name:
            raise CheckpointError(
                f"{self.folder} was written by plugin {writer.name!r}, not by {plugin.name!r}."
            )
        if not compatible(writer.version, plugin.version):
            raise CheckpointError(
                f"{self.folder} was written by {writer.distribution} {writer.version}, but "
                f"{plugin.version} is installed. Install a version that fits: "
                f"pip install '{writer.distribution}=={writer.version}'"
            )

    def _old_state(self) -> dict[str, Any]:
        try:
            state = read_old_state(self._content(OLD_STATE))
        except OldStateError as error:
            raise CheckpointError(f"{self.folder / OLD_STATE}: {error}.") from error
        if not isinstance(state, dict) or not isinstance(state.get("codec"), dict):
            raise self._damaged(OLD_STATE, "it holds no state")
        return state

    def _tensors(self, file: str) -> dict[str, Tensor]:
        try:
            return safetensors.torch.load(self._content(file))
        except (SafetensorError, ValueError, KeyError) as error:
            raise self._damaged(file, str(error)) from error

    def _content(self, name: str) -> bytes:
        """A file, read once and compared with the checksum from when it was written."""
        if name not in self._files:
            raise self._damaged(name, "checkpoint.json does not list it")
        file = self._files[name]
        file.seek(0)
        content = file.read()
        if hashlib.sha256(content).hexdigest() != self.manifest.files[name]:
            raise self._damaged(name, "its content is not what was written")
        return content

    def _damaged(self, name: str, why: str) -> CheckpointError:
        return CheckpointError(f"{self.folder / name} is damaged: {why}. {self.advice()}")

    def advice(self) -> str:
        """What to do where it cannot be used."""
        older = [step for step in step_folders(self.folder.parent) if step < self.step]
        if not older:
            return "There is no older one in this run."
        return (
            f"Remove {self.folder} to go on from the one before it (step {older[-1]}), or name "
            f"that with --checkpoint {older[-1]}."
        )


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


def as_saved(network: nn.Module) -> dict[str, Tensor]:
    """A network's weights on the CPU."""
    state: Mapping[str, Tensor] = network.state_dict()
    return {name: plain(tensor) for name, tensor in state.items()}


def plain(tensor: Tensor) -> Tensor:
    """A copy on the CPU: safetensors refuses tensors that share memory, as tied weights do."""
    return tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
