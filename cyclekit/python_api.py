"""cyclekit from Python: what the command line does, and items translated in memory.

Whatever the caller can put right is a ``CyclekitError`` with one clear message.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from cyclekit.console import Console
from cyclekit.data.encoded import load_file
from cyclekit.datasets.plugin_detection import detected
from cyclekit.describe import describe_exception
from cyclekit.engine.fabric import Hardware
from cyclekit.errors import CyclekitError, DataError, FailedSample, UsageError
from cyclekit.preparing.planning import data_settings, plan_open, plan_training
from cyclekit.recipe.reading import Setting
from cyclekit.reporting.comparison import Comparison
from cyclekit.reporting.comparison_page import write_comparison
from cyclekit.reporting.page import write_report
from cyclekit.runs.evaluation import report_on
from cyclekit.runs.open_run import OpenRun, open_run
from cyclekit.storage.folder import Storage
from cyclekit.training.launch import start_training
from cyclekit.training.loop import TrainResult
from cyclekit.training.resuming import resume_training
from cyclekit.translating.files import format_of
from cyclekit.translating.routing import way_between, way_that_sets

__all__ = [
    "CyclekitError", "Hardware", "TrainResult", "TrainedModel", "compare", "evaluate", "load",
    "report", "resume", "train",
]  # fmt: skip

File = str | Path


class TrainedModel:
    """A trained run that translates items or files."""

    def __init__(self, opened: OpenRun) -> None:
        self._opened = opened

    def __repr__(self) -> str:
        opened = self._opened
        ways = ", ".join(opened.model.directions)
        return f"<{opened.model.modality.name} {opened.run}, step {self.step}: {ways}>"

    @property
    def directions(self) -> list[str]:
        """What it translates, such as ``"a2b"`` and ``"b2a"``."""
        return list(self._opened.model.directions)

    @property
    def step(self) -> int:
        """Training steps of the checkpoint in use."""
        return self._opened.checkpoint.step

    def translate(
        self,
        item: Any,
        direction: str | None = None,
        *,
        to: str | None = None,
        source: str | None = None,
        set: Mapping[str, bool] | None = None,
        attributes: Mapping[str, bool] | None = None,
        answer: int = 0,
        like: Any = None,
    ) -> Any:
        """Translate an item, or a list of them.

        Args:
            item: What the plugin's codec works with (a PIL picture, say), the path of a file, or a
                list of such things, which go through the networks together.
            direction: One of ``directions``; may be left out where there is only one.
            to: The domain to translate to, in place of a direction.
            source: The domain of the item, where several can be translated to ``to``.
            set: Attributes to give (true) or to take (false), of a run that was trained on these,
                in place of all that.
            attributes: Those that the item has already; default: as the run's table says of a
                file of its name.
            answer: Where codes choose among many answers: another one for each number.
            like: An item or file of the target domain whose code is taken.

        Returns:
            The translated item, of the same type and size; for a list a list.

        Raises:
            CyclekitError: If an item or a file cannot be used.
        """
        if set:
            way = way_that_sets(self._opened.model, set)
        else:
            way = way_between(self._opened.model, direction, to, source)
        translator = self._opened.translator.answering(answer)
        if attributes is not None:
            translator = translator.knowing(attributes)
        if like is not None:
            if isinstance(like, (str, Path)):
                translator = translator.like_file(Path(like), way)
            else:
                translator = translator.like(like, way)
        wanted = item if isinstance(item, (list, tuple)) else [item]
        items = [
            load_file(self._opened.model.codec, Path(one), way.source, to_learn=False)
            if isinstance(one, (str, Path))
            else one
            for one in wanted
        ]
        try:
            named = [Path(one) if isinstance(one, (str, Path)) else Path("item") for one in wanted]
            translated = translator.items(items, way, named)
        except FailedSample as error:
            raise DataError(f"{error}. {self._takes}, or files by their paths.") from error
        if isinstance(item, (list, tuple)):
            return type(item)(translated)
        return translated[0]

    def save(self, item: Any, path: str | Path, format: str | None = None) -> Path:
        """Write an item as the plugin would; returns the file written.

        Args:
            item: What ``translate`` returned.
            path: Where, in a folder that is made if need be; the plugin may change the suffix.
            format: One of those that ``cyclekit translate --format`` takes.

        Raises:
            CyclekitError: If it is no such item, or cannot be written.
        """
        codec, path = self._opened.model.codec, Path(path)
        chosen = None if format is None else format_of(codec, format)
        with Storage(path.parent).aside() as aside:
            place = aside.path / path.name
            try:
                made = codec.save_as(item, place, chosen) if chosen else codec.save(item, place)
            except (CyclekitError, OSError):
                raise
            except Exception as error:
                raise DataError(
                    f"{path} cannot be written ({describe_exception(error)}). {self._takes}."
                ) from error
            return aside.keep(made.name)

    @property
    def _takes(self) -> str:
        """The sentence about what items are."""
        codec = type(self._opened.model.codec)
        bases = [base for kind in codec.__mro__ for base in getattr(kind, "__orig_bases__", ())]
        item = next((args[0] for base in bases if (args := get_args(base))), Any)
        kind = f"{item.__module__}.{item.__qualname__}" if isinstance(item, type) else str(item)
        return f"{codec.__name__} works with {kind}"


def load(
    run: str | Path,
    checkpoint: str | int = "latest",
    accelerator: str = "auto",
    precision: str | None = None,
    seed: int = 0,
) -> TrainedModel:
    """Open a run for translation.

    Args:
        run: The run directory, or ``"hf:USER/NAME"``, or ``"hf:USER/NAME@REVISION"``.
        checkpoint: ``"latest"``, ``"best"`` or a step number.
        accelerator: ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``.
        precision: Arithmetic, such as ``"32-true"`` or ``"auto"``; ``None`` for the run's own, or
            float32 where that is slow.
        seed: Latent codes follow from it, of objectives that have some.

    Raises:
        CyclekitError: If it is no run, or cannot be read.
    """
    where = Hardware(accelerator=accelerator)
    return TrainedModel(open_run(run, str(checkpoint), where, precision, seed=seed))


def train(
    plugin: str | None = None,
    recipe: str | None = None,
    *,
    extensions: Sequence[str] = (),
    data: str | Path | None = None,
    init: str | Path | None = None,
    steps: int | None = None,
    minutes: float | None = None,
    set: Mapping[str, Any] | None = None,
    run_dir: str | Path | None = None,
    hardware: Hardware = Hardware(),  # noqa: B008 - frozen
    quiet: bool = False,
) -> TrainResult:
    """Train from a recipe, or from a plan.

    Args:
        plugin: A plugin's name, or the path of a single-file plugin; ``None``: the recipe's, or
            without one the plugin that knows the files in ``data``.
        recipe: A recipe's name or path; ``None`` with ``minutes``: one is planned for data,
            machine and minutes.
        extensions: Names or files of further plugins, such as one that brings an objective.
        data: Folder with ``trainA trainB testA testB``.
        init: A run, or weights that ``cyclekit import`` reads, to begin with.
        steps: How many, in place of the recipe's.
        minutes: For how long, everything included, in place of a number of steps.
        set: Recipe keys to change, such as ``{"train.batch_size": 1}``.
        run_dir: A new folder; default the next number under ``runs/``.
        hardware: Devices and ranks.
        quiet: Print nothing.

    Raises:
        CyclekitError: With one clear message, for anything the caller can put right.
    """
    _require_one(steps, minutes)
    if recipe is None and minutes is None:
        raise UsageError("Name a recipe, or give minutes, for which one is planned.")
    settings = _settings(data, set, steps)
    if init is not None:
        settings.append(("train.init", str(init), "init"))
    if recipe is not None:
        plan = plan_training(plugin, recipe, settings, extensions)
    else:
        plan = plan_open(plugin or _detected(data, quiet), settings, extensions)
    folder = Path(run_dir) if run_dir else None
    return start_training(plan, folder, hardware, Console(quiet), minutes=minutes)


def _detected(data: File | None, quiet: bool) -> str:
    if data is None:
        raise UsageError("Name a plugin, or the data, by whose files one is chosen.")
    return detected(Path(data), Console(quiet))


def _require_one(steps: int | None, minutes: float | None) -> None:
    if minutes is not None and (steps is not None or not minutes > 0):
        raise UsageError("Give steps, or minutes above 0, or neither.")


def resume(
    run: File,
    *,
    steps: int | None = None,
    minutes: float | None = None,
    data: File | None = None,
    set: Mapping[str, Any] | None = None,
    strict_data: bool = False,
    hardware: Hardware = Hardware(),  # noqa: B008 - frozen
    quiet: bool = False,
) -> TrainResult:
    """Go on with a run from its latest checkpoint.

    Args:
        run: The run directory.
        steps: In all, those done included.
        minutes: For so long from now, in place of a number of steps.
        data: Folder with ``trainA trainB testA testB``, in place of the run's.
        set: Recipe keys to change from here on, such as ``{"train.batch_size": 1}``.
        strict_data: Refuse training files that have changed.
        hardware: Devices and ranks.
        quiet: Print nothing.

    Raises:
        CyclekitError: If it is no run, cannot be read, or cannot be gone on with like that.
    """
    _require_one(steps, minutes)
    settings = _settings(data, set, steps)
    return resume_training(Path(run), settings, hardware, Console(quiet), strict_data, minutes)


def evaluate(
    run: File,
    *,
    data: File | None = None,
    checkpoint: str | int | None = None,
    set: Mapping[str, Any] | None = None,
    quick: bool = False,
    accelerator: str = "auto",
    precision: str | None = None,
    quiet: bool = False,
) -> dict[str, Any]:
    """Measure what a run makes of its test set, beside baselines.

    Args:
        run: The run directory.
        data: Another folder with ``trainA trainB testA testB``.
        checkpoint: ``"latest"``, ``"best"`` or a step number; default: the latest, and the best
            beside it.
        set: Settings of the plugin's metrics, such as ``{"metrics.features": ...}``.
        quick: Leave out what takes long.
        accelerator: ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``.
        precision: As of ``load``.
        quiet: Print nothing.

    Returns:
        The report that ``cyclekit evaluate --json`` prints: figures by direction and under
        ``both``, those of other ways to translate under ``baselines``.

    Raises:
        CyclekitError: If it is no run, or has no test set.
    """
    settings = [(key, value, "set") for key, value in (set or {}).items()]

    def opening(which: str, told: Console) -> OpenRun:
        return open_run(run, which, Hardware(accelerator=accelerator), precision, console=told)

    which = None if checkpoint is None else str(checkpoint)
    folder = Path(data) if data else None
    return report_on(opening, which, folder, settings, quick, Console(quiet)).report


def compare(*runs: File, output: File | None = None) -> dict[str, Any]:
    """Which of several evaluated runs is better, and whether that is more than chance.

    Args:
        runs: The run directories; differences are to the first.
        output: Write a page about it: an HTML file.

    Returns:
        What ``cyclekit compare --json`` prints.

    Raises:
        CyclekitError: If one is no run, or was never evaluated.
    """
    comparison = Comparison([Path(run) for run in runs])
    if output is not None:
        write_comparison(comparison, Path(output))
    return comparison.as_json()


def report(run: File, output: File | None = None) -> Path:
    """Write a page about a run; returns the HTML file.

    Args:
        run: The run directory.
        output: The file; default ``report.html`` in the run.

    Raises:
        CyclekitError: If it is no run, or is damaged.
    """
    return write_report(Path(run), Path(output) if output else None)


def _settings(data: File | None, set: Mapping[str, Any] | None, steps: int | None) -> list[Setting]:
    settings = data_settings(data) if data is not None else []
    settings += [(key, value, "set") for key, value in (set or {}).items()]
    return settings if steps is None else [*settings, ("train.steps", steps, "steps")]
