"""Where a run's figures, pictures and sounds are shown besides its own files: ``train.log``."""

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module

from cyclekit.contract.previews import Media
from cyclekit.describe import describe_exception
from cyclekit.recipe.settings import Recipe
from cyclekit.runs.directory import RunDirectory
from cyclekit.training.trackers.tracker import Start, Tracker

TITLES = {
    "tensorboard": "TensorBoard",
    "wandb": "Weights & Biases",
    "mlflow": "MLflow",
    "csv": "CSV",
}


class Board:
    """All trackers of a run.

    They show what is written elsewhere, too: where one is not installed, cannot be reached or
    cannot write, as on a full disk, that is said once, and training goes on without it.

    Args:
        run: The run.
        step: Where training goes on; what was logged beyond it is no longer shown.
        recipe: Names the trackers, and is shown by those that show settings.
        warn: Told why one shows no more.
    """

    def __init__(
        self, run: RunDirectory, step: int, recipe: Recipe, warn: Callable[[str], None]
    ) -> None:
        self._warn = warn
        self._trackers: dict[str, Tracker] = {}
        self._stopped: set[str] = set()
        for name in dict.fromkeys(recipe.train.log):
            stopped = self._stopping(name)
            try:
                module = import_module(f"cyclekit.training.trackers.with_{name}")
                self._trackers[name] = module.start(Start(run, step, recipe, stopped))
            except ModuleNotFoundError as error:
                warn(f"{TITLES[name]} shows nothing: it needs {error.name}, which is not installed")
            except Exception as error:  # each library has its own kinds
                stopped(error)

    def scalars(self, group: str, values: Mapping[str, float], step: int) -> None:
        """Log each value as ``group/name``."""
        named = {f"{group}/{name}": value for name, value in values.items()}
        self._all(lambda tracker: tracker.scalars(named, step))

    def media(self, media: Sequence[Media], step: int) -> None:
        """Log what can be shown or played."""
        self._all(lambda tracker: tracker.media(media, step))

    def flush(self) -> None:
        """Write everything out."""
        self._all(lambda tracker: tracker.flush())

    def close(self) -> None:
        """Write everything out and let go of it."""
        self._all(lambda tracker: tracker.close())
        self._trackers.clear()

    def _all(self, do: Callable[[Tracker], None]) -> None:
        for name, tracker in list(self._trackers.items()):
            try:
                do(tracker)
            except Exception as error:
                self._stopping(name)(error)

    def _stopping(self, name: str) -> Callable[[BaseException], None]:
        """What drops a tracker, and says why the first time."""

        def stopped(error: BaseException) -> None:
            if name not in self._stopped:
                self._stopped.add(name)
                plain = isinstance(error, (OSError, ValueError)) and str(error)
                why = plain or describe_exception(error)
                self._warn(f"{TITLES[name]} shows no more from here on: {why[:300]}")
            self._trackers.pop(name, None)

        return stopped
