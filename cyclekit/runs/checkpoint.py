"""One checkpoint, opened as a whole: what it lists is there, and is what was written."""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from io import BufferedReader
from pathlib import Path
from typing import Any, Self

import safetensors.torch
import torch
from packaging.version import InvalidVersion, Version
from pydantic import ValidationError
from safetensors import SafetensorError
from torch import Tensor, nn

from cyclekit.contract.codec import Codec
from cyclekit.describe import describe_exception
from cyclekit.engine.training_state import TrainingState
from cyclekit.errors import CheckpointError, CyclekitError
from cyclekit.memory import available_memory
from cyclekit.plugins.discovery import PluginInfo
from cyclekit.recipe.moved import renamed
from cyclekit.recipe.reading import parse_toml
from cyclekit.runs.layout import MANIFEST, step_folders
from cyclekit.runs.manifest import OLD, Writer, read_manifest
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
        self._files: dict[str, BufferedReader] = {}
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

    @property
    def has_state(self) -> bool:
        """Whether training can go on from it; what was imported are weights alone."""
        return bool(self._files.keys() & {f"{STATE}.json", OLD_STATE})

    def has_weights(self, name: str) -> bool:
        """Whether it lists a network's weights."""
        return f"{name}.safetensors" in self._files

    def read_weights(self, network: nn.Module, name: str, *, averaged: bool) -> None:
        """Load a network's weights, or, where wanted and the run keeps one, their moving average.

        Raises:
            CheckpointError: If they cannot be read, do not fit, or are not finite.
        """
        file = f"{name}{AVERAGED}.safetensors"
        if not averaged or not self._keeps_averages:
            file = f"{name}.safetensors"
        weights = self._tensors(file)
        own = network.state_dict()
        for key, tensor in weights.items():
            # 64-true's are wider than the network is so far.
            if key in own and tensor.is_floating_point() != own[key].is_floating_point():
                raise self._damaged(file, f"{key} is {tensor.dtype} instead of {own[key].dtype}")
        both = sorted(own.keys() | weights.keys())
        wrong = [key for key in both if _shape(own, key) != _shape(weights, key)]
        if wrong:
            key = wrong[0]
            raise CheckpointError(
                f"{self.folder / file} does not fit what the run's recipe describes: {key} has "
                f"{_shape(weights, key)}, and the network {_shape(own, key)}. Take back what was "
                f"changed of the networks, or train anew."
            )
        with self.restoring(file):
            network.load_state_dict(weights)
        self._require_finite(file, network.state_dict())

    def restore_codec(self, codec: Codec[Any]) -> None:
        """Give a codec what it had learned of the data.

        Raises:
            CheckpointError: If that is damaged, does not fit, or is not finite.
        """
        if self.manifest.format == OLD:
            file, learned = OLD_STATE, self._old_state()["codec"]
        else:
            file, learned = CODEC, self._tensors(CODEC)
        with self.restoring(file):
            codec.load_state_dict(learned)
        self._require_finite(file, learned)

    @contextmanager
    def restoring(self, what: str) -> Iterator[None]:
        """Explain whatever is raised by things that take back what was saved of them.

        Raises:
            CheckpointError: That it does not fit, and what to do.
        """
        try:
            yield
        except CyclekitError:
            raise
        except Exception as error:  # plugins', too: whatever a tampered state leads them to
            raise CheckpointError(
                f"{what} in {self.folder} does not fit what the run's recipe describes: "
                f"{describe_exception(error)[:300]}. {self.advice()}"
            ) from error

    def _require_finite(self, file: str, tensors: Mapping[str, Tensor]) -> None:
        for key, tensor in tensors.items():
            eight_bits = tensor.is_floating_point() and tensor.element_size() == 1
            if not bool((tensor.float() if eight_bits else tensor).isfinite().all()):
                raise CheckpointError(
                    f"{self.folder / file} holds numbers that are not finite ({key}): nothing "
                    f"can be made with them. {self.advice()}"
                )

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
            return renamed(parse_toml(self._content(RECIPE).decode()))[0]
        except ValueError as error:
            raise self._damaged(RECIPE, str(error)[:200]) from error

    @property
    def _keeps_averages(self) -> bool:
        """Whether it has to hold averages: a list that lacks them is no reason to do without."""
        train = self.recipe().get("train")
        return isinstance(train, dict) and bool(train.get("ema"))

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
        if not (compatible(writer.version, plugin.version) or own_and_older(writer, plugin)):
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
        # What torch and safetensors raise for shapes and types that nobody writes has no end.
        except (SafetensorError, ArithmeticError, LookupError, TypeError, ValueError,
                RuntimeError, NotImplementedError) as error:  # fmt: skip
            raise self._damaged(file, str(error).splitlines()[0][:200]) from error

    def _content(self, name: str) -> bytes:
        """A file, read once and compared with the checksum from when it was written."""
        if name not in self._files:
            raise self._damaged(name, f"{MANIFEST} does not list it")
        file = self._files[name]
        file.seek(0)
        if hashlib.file_digest(file, "sha256").hexdigest() != self.manifest.files[name]:
            raise self._damaged(name, "its content is not what was written")
        size, room = file.tell(), available_memory()
        if room is not None and 2 * size > room:
            raise self._damaged(name, f"it has {size:,} bytes, more than there is memory for")
        file.seek(0)
        return file.read()

    def _damaged(self, name: str, why: str) -> CheckpointError:
        return CheckpointError(f"{self.folder / name} is damaged: {why}. {self.advice()}")

    def advice(self) -> str:
        """What to do where it cannot be used."""
        older = [step for step in step_folders(self.folder.parent) if step < self.step]
        if not older:
            return "There is no older one in this run."
        return (
            f"Remove {self.folder} to go on from the one before it (step {older[-1]}); translate "
            f"and evaluate take --checkpoint {older[-1]}."
        )


def _shape(tensors: Mapping[str, Tensor], key: str) -> str:
    return " x ".join(map(str, tensors[key].shape)) or "one number" if key in tensors else "none"


def compatible(wrote: str, installed: str) -> bool:
    """Whether two versions share a series: the major number, and before 1.0 the minor one too."""
    try:
        a, b = Version(wrote).release, Version(installed).release
    except InvalidVersion:
        return wrote == installed
    series = 2 if a[0] == 0 else 1
    return a[:series] == b[:series]


def own_and_older(writer: Writer, plugin: PluginInfo) -> bool:
    """Whether an older cyclekit wrote it with a plugin of its own: such runs stay readable.

    What has changed since then is told by the checkpoint's format and by settings' former names.
    """
    if not writer.distribution == plugin.distribution == "cyclekit":
        return False
    try:
        return Version(writer.version) <= Version(plugin.version)
    except InvalidVersion:
        return False


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
