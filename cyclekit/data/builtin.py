"""Data that a plugin makes itself: ``data.root = "builtin:NAME"``."""

import shutil
from pathlib import Path

from cyclekit.contract import Modality
from cyclekit.errors import CyclekitError, DataError, PluginError, suggest
from cyclekit.plugins import describe_exception
from cyclekit.recipe.settings import DataSettings

PREFIX = "builtin:"
SEED = 0  # the same data whatever the run's seed is, so that runs can be compared


def is_builtin(settings: DataSettings) -> bool:
    """Whether the plugin makes the data."""
    return settings.root is not None and settings.root.startswith(PREFIX)


def builtin_root(settings: DataSettings, modality: Modality, folder: Path) -> Path | None:
    """Where built-in data is: ``folder``, filled if it is not there yet. ``None`` for other data.

    Raises:
        DataError: If the plugin has no such data.
        PluginError: If it fails to make it.
    """
    if not is_builtin(settings):
        return None
    name = (settings.root or "").removeprefix(PREFIX)
    if name not in modality.datasets:
        raise DataError(
            f"Plugin {modality.name!r} has no built-in data {name!r}. "
            f"{suggest(name, modality.datasets)}"
        )
    if not folder.exists():
        _make(name, modality, folder)
    return folder


def _make(name: str, modality: Modality, folder: Path) -> None:
    """Complete or not at all."""
    aside = folder.with_name(f".incoming-{folder.name}")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    try:
        modality.datasets[name](aside, SEED)
    except (CyclekitError, OSError):
        raise
    except Exception as error:
        raise PluginError(
            f"Plugin {modality.name!r} failed to make its built-in data {name!r}: "
            f"{describe_exception(error)}"
        ) from error
    aside.rename(folder)
