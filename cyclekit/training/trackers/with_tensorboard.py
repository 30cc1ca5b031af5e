"""TensorBoard, through Fabric's logger: ``tensorboard/`` of the run."""

import threading
from collections.abc import Mapping, Sequence

from cyclekit.contract.previews import Media
from cyclekit.engine.lightning import TensorBoardLogger
from cyclekit.training.trackers.tracker import Start

FOLDER = "tensorboard"


class TensorBoard:
    """See ``Tracker``."""

    def __init__(self, start: Start) -> None:
        folder = start.run.storage.below(FOLDER).make()
        purge = start.step + 1 if start.step or any(folder.iterdir()) else None
        self._logger = TensorBoardLogger(
            start.run.folder, name="", version=FOLDER, purge_step=purge
        )
        self._stopped = start.stopped
        try:
            str(folder).encode()
        except UnicodeEncodeError as error:
            raise ValueError("the folder's name is not UTF-8") from error
        self._listen()

    def scalars(self, named: Mapping[str, float], step: int) -> None:
        """See ``Tracker``."""
        self._logger.log_metrics(dict(named), step=step)

    def media(self, media: Sequence[Media], step: int) -> None:
        """See ``Tracker``."""
        writer = self._logger.experiment
        for item in media:
            if item.image is not None:
                writer.add_image(item.title, item.image, step)
            if item.audio is not None:
                rate = item.sample_rate or 44100
                writer.add_audio(item.title, item.audio, step, sample_rate=rate)

    def flush(self) -> None:
        """See ``Tracker``."""
        self._logger.experiment.flush()

    def close(self) -> None:
        """See ``Tracker``."""
        threading.excepthook = self._heard_before
        self._logger.finalize("success")

    def _listen(self) -> None:
        """Hear of what its own thread fails at, which would print a traceback."""
        before = self._heard_before = threading.excepthook

        def hear(failure: threading.ExceptHookArgs) -> None:
            name = type(failure.thread).__module__
            if name.startswith("tensorboard") and isinstance(failure.exc_value, OSError):
                self._stopped(failure.exc_value)
            else:
                before(failure)

        threading.excepthook = hear


def start(given: Start) -> TensorBoard:
    """A tracker of a run."""
    return TensorBoard(given)
