"""Previews: fixed test items on their way there and back, rendered by the codec."""

import errno
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from cyclekit.contract.previews import Media, PreviewRow
from cyclekit.data.encoded import load_file
from cyclekit.data.folders import Collections
from cyclekit.describe import describe_exception
from cyclekit.engine.model import Model
from cyclekit.engine.translator import Translator
from cyclekit.errors import BadSample, CyclekitError, FailedSample, PluginError
from cyclekit.names import fitting
from cyclekit.runs.directory import RunDirectory
from cyclekit.runs.layout import step_name
from cyclekit.runs.records import read_json, to_json

DISK_FULL = (errno.ENOSPC, errno.EDQUOT)  # no fault of a plugin
MOST_WAYS = 56  # every pair of eight domains; of more, some are shown


class Previewer:
    """Picks its items once for a run, so that sheets from different steps can be compared.

    What a run has shown before is in its ``preview.json``, and is shown again as long as it is
    among the run's files, whatever was added to them.

    Args:
        model: Knows codec and directions.
        collections: Test items are shown where there are any, else training items.
        count: Items of each domain.
        run: Remembers them.

    Raises:
        CheckpointError: If the run's ``preview.json`` is damaged.
    """

    def __init__(
        self, model: Model, collections: Collections, count: int, run: RunDirectory
    ) -> None:
        self._model = model
        self._run = run
        self._picked: dict[str, list[tuple[Path, Any]]] = {}
        self._twins = {
            direction.ends: dict(collections.pairs(*direction.ends).values())
            for direction in model.objective.directions
        }
        shown = read_json(run.preview_file) if run.preview_file.exists() else {}
        for name, domain in collections.domains.items():
            there = {self._name(file): file for file in (*domain.train, *domain.test)}
            before = [there[given] for given in _texts(shown.get(name)) if given in there]
            twins = [of for (source, _), of in self._twins.items() if source == name]
            paired = [file for file in domain.test if any(file in of for of in twins)]
            files = _spread(paired or domain.test or domain.train)
            self._picked[name] = []
            for file in dict.fromkeys((*before, *files)):
                if len(self._picked[name]) == count:
                    break
                item = self._read(file, name)
                if item is not None:
                    self._picked[name].append((file, item))

    def remember(self) -> None:
        """Write what was picked into the run."""
        names = {
            domain: [self._name(file) for file, _ in picked]
            for domain, picked in self._picked.items()
        }
        self._run.storage.write_text(self._run.preview_file.name, to_json(names))

    def rows(self, translator: Translator) -> list[PreviewRow[Any]]:
        """Every picked item with its translation and what comes back."""
        rows = []
        ways = list(self._model.directions.values())
        for direction in ways[:: math.ceil(len(ways) / MOST_WAYS)]:
            back = self._model.reverse(direction)
            twins = self._twins[direction.ends]
            for file, real in self._picked[direction.source]:
                twin = twins.get(file)
                truth = self._read(twin, direction.target) if twin else None
                (translated,) = translator.items([real], direction, [file])
                (cycled,) = translator.items([translated], back, [file]) if back else (None,)
                rows.append(
                    PreviewRow(
                        fitting(file.name),
                        direction.source,
                        direction.target,
                        real,
                        translated,
                        cycled,
                        truth,
                    )
                )
        return rows

    def write(
        self,
        translator: Translator,
        step: int,
        show: Callable[[Sequence[Media]], None],
        warn: Callable[[str], None],
    ) -> None:
        """Have the codec write what the networks make by now.

        Args:
            translator: Has the networks.
            step: Names the folder.
            show: Is given what was written, before it is where it stays.
            warn: Told of files and codecs that fail.

        Raises:
            PluginError: If the plugin fails in another call than ``render`` before the first step:
                nothing is lost yet, and no later preview would be there.
        """
        try:
            rows = self.rows(translator)
        except (BadSample, PluginError) as error:
            if not step:
                _blame(error)
            warn(f"no preview: {error}")
            return
        try:
            with self._run.storage.below(self._run.samples.name).aside() as aside:
                folder = aside.make(step_name(step))
                show(self._model.codec.render(rows, folder))
                aside.keep(folder.name)
        except CyclekitError:
            raise
        except Exception as error:
            if isinstance(error, OSError) and error.errno in DISK_FULL:
                raise
            name = self._model.modality.name
            warn(f"plugin {name!r} failed in render: {describe_exception(error)}")

    def _name(self, file: Path) -> str:
        """How a file is found again: built-in data moves with its run."""
        home = self._run.folder
        return str(file.relative_to(home) if file.is_relative_to(home) else file)

    def _read(self, file: Path, domain: str) -> Any:
        try:
            return load_file(self._model.codec, file, domain)
        except BadSample:
            return None  # named when the data was read


def _blame(error: BadSample | PluginError) -> None:
    """Raise what is the plugin's fault, not a file's: all that goes wrong behind the networks.

    Raises:
        PluginError: Naming the method.
    """
    if isinstance(error, PluginError):
        raise error
    if isinstance(error, FailedSample) and error.call.endswith(".decode"):
        raise PluginError(
            f"{error.call} failed with what the networks made, before training began: "
            f"{error.fault}. It has to take any tensor of the shape and range that spec states; "
            f"`cyclekit plugins check` tries it."
        ) from error


def _spread(files: Sequence[Path]) -> list[Path]:
    """The files in an order whose first few are far apart: neighbours by name often look alike."""
    order = sorted(range(len(files)), key=lambda index: (index * 0.6180339887498949) % 1.0)
    return [files[index] for index in order]


def _texts(given: Any) -> list[str]:
    return [text for text in given if isinstance(text, str)] if isinstance(given, list) else []
