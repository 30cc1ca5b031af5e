"""cyclekit from Python: ``train``, ``load``, ``TrainedModel.translate``."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cyclekit.engine.hardware import Hardware
from cyclekit.runs.files import format_of
from cyclekit.runs.launch import start_training
from cyclekit.runs.opening import OpenRun, open_run
from cyclekit.runs.planning import data_settings, plan_training
from cyclekit.runs.training import TrainResult
from cyclekit.runs.watcher import Watcher

__all__ = ["Hardware", "TrainResult", "TrainedModel", "load", "train"]


class TrainedModel:
    """A trained run that translates items or files."""

    def __init__(self, opened: OpenRun) -> None:
        self._opened = opened

    @property
    def step(self) -> int:
        """Training steps of the checkpoint in use."""
        return self._opened.checkpoint.step

    def translate(self, item: Any, direction: str) -> Any:
        """Translate one item.

        Args:
            item: What the plugin's codec works with (a PIL picture, say), or the path of a file.
            direction: ``"a2b"`` or ``"b2a"``.

        Returns:
            The translated item, of the same type and size.
        """
        way = self._opened.model.direction(direction)
        if isinstance(item, (str, Path)):
            item = self._opened.model.codec.load_for(Path(item), way.source)
        (translated,) = self._opened.translator.items([item], way)
        return translated

    def save(self, item: Any, path: str | Path, format: str | None = None) -> Path:
        """Write an item as the plugin would; returns the file written.

        Args:
            item: What ``translate`` returned.
            path: Where; the plugin may change the suffix.
            format: One of those that ``cyclekit translate --format`` takes.
        """
        codec = self._opened.model.codec
        if format is None:
            return codec.save(item, Path(path))
        return codec.save_as(item, Path(path), format_of(codec, format))


def load(
    run: str | Path,
    checkpoint: str = "latest",
    accelerator: str = "auto",
    precision: str | None = None,
) -> TrainedModel:
    """Open a run for translation.

    Args:
        run: The run directory.
        checkpoint: ``"latest"``, ``"best"`` or a step number.
        accelerator: ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``.
        precision: Arithmetic, such as ``"32-true"`` or ``"auto"``; ``None`` for the run's own, or
            float32 where that is slow.

    Raises:
        CyclekitError: If it is no run, or cannot be read.
    """
    where = Hardware(accelerator=accelerator)
    return TrainedModel(open_run(run, checkpoint, where, precision))


def train(
    plugin: str,
    recipe: str,
    *,
    data: str | Path | None = None,
    set: Mapping[str, Any] | None = None,
    run_dir: str | Path | None = None,
    hardware: Hardware = Hardware(),  # noqa: B008 - frozen
    quiet: bool = False,
) -> TrainResult:
    """Train from a recipe.

    Args:
        plugin: A plugin's name, or the path of a single-file plugin.
        recipe: A recipe's name or path.
        data: Folder with ``trainA trainB testA testB``.
        set: Recipe keys to change, such as ``{"train.steps": 1000}``.
        run_dir: A new folder; default the next number under ``runs/``.
        hardware: Devices and ranks.
        quiet: Print nothing.

    Raises:
        CyclekitError: With one clear message, for anything the caller can put right.
    """
    settings = data_settings(data) if data is not None else []
    settings += [(key, value, "set") for key, value in (set or {}).items()]
    plan = plan_training(plugin, recipe, settings)
    return start_training(plan, Path(run_dir) if run_dir else None, hardware, Watcher(quiet))
