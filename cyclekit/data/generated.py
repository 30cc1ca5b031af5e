"""Data that is made rather than found: a plugin's own, or a collection's corrupted twin."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from cyclekit.contract.codec import Codec
from cyclekit.contract.modality import Modality
from cyclekit.data.corrupted import make_corrupted
from cyclekit.describe import describe_exception
from cyclekit.errors import CyclekitError, DataError, PluginError, suggest
from cyclekit.recipe.settings import DataSettings
from cyclekit.storage.folder import Storage

PREFIX = "builtin:"
SEED = 0  # the same data whatever the run's seed is, so that runs can be compared


def is_builtin(settings: DataSettings) -> bool:
    """Whether the plugin makes the data."""
    return settings.root is not None and settings.root.startswith(PREFIX)


def is_made(settings: DataSettings) -> bool:
    """Whether each run has files of its own."""
    return is_builtin(settings) or bool(settings.corruption)


def made_root(
    settings: DataSettings,
    modality: Modality,
    codec: Codec[Any],
    folder: Path,
    domains: Sequence[str],
) -> Path | None:
    """Where data that has to be made is: ``folder``, filled if it is not there yet.

    ``None`` for data that is there.

    Raises:
        DataError: If the plugin has no such data, or nothing to make it from is there.
        PluginError: If it fails to make it.
    """
    if is_builtin(settings) and not settings.corruption:
        make = _builtin(settings, modality)
    elif settings.corruption:

        def make(aside: Path) -> None:
            make_corrupted(settings, modality, codec, aside, domains)
    else:
        return None
    if not folder.exists():
        _fill(folder, make)
    return folder


def _builtin(settings: DataSettings, modality: Modality) -> Callable[[Path], None]:
    name = (settings.root or "").removeprefix(PREFIX)
    if name not in modality.datasets:
        raise DataError(
            f"Plugin {modality.name!r} has no built-in data {name!r}. "
            f"{suggest(name, modality.datasets)}"
        )

    def make(aside: Path) -> None:
        try:
            modality.datasets[name](aside, SEED)
        except (CyclekitError, OSError):
            raise
        except Exception as error:
            raise PluginError(
                f"Plugin {modality.name!r} failed to make its built-in data {name!r}: "
                f"{describe_exception(error)}"
            ) from error

    return make


def _fill(folder: Path, make: Callable[[Path], None]) -> None:
    """Complete or not at all."""
    with Storage(folder.parent).aside() as aside:
        make(aside.make(folder.name))
        aside.keep(folder.name)
