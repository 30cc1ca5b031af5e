"""TensorBoard, through Fabric's logger."""

from collections.abc import Mapping, Sequence

from lightning_fabric.loggers import TensorBoardLogger

from cyclekit.contract import Media
from cyclekit.runs.directory import RunDirectory

FOLDER = "tensorboard"


class Board:
    """Scalars, pictures and sounds of a run, in ``tensorboard/``.

    Args:
        run: The run.
        step: Where training goes on; what was logged beyond it is no longer shown.
    """

    def __init__(self, run: RunDirectory, step: int) -> None:
        folder = run.storage.below(FOLDER).make()
        purge = step + 1 if step or any(folder.iterdir()) else None
        self._logger = TensorBoardLogger(run.folder, name="", version=FOLDER, purge_step=purge)

    def scalars(self, group: str, values: Mapping[str, float], step: int) -> None:
        """Log each value as ``group/name``."""
        self._logger.log_metrics({f"{group}/{name}": v for name, v in values.items()}, step=step)

    def media(self, media: Sequence[Media], step: int) -> None:
        """Log what can be shown or played."""
        writer = self._logger.experiment
        for item in media:
            if item.image is not None:
                writer.add_image(item.title, item.image, step)
            if item.audio is not None:
                rate = item.sample_rate or 44100
                writer.add_audio(item.title, item.audio, step, sample_rate=rate)

    def flush(self) -> None:
        """Write everything out."""
        self._logger.experiment.flush()

    def close(self) -> None:
        """Write everything out and release the file."""
        self._logger.finalize("success")
