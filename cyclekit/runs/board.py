"""TensorBoard, through Fabric's logger."""

import threading
from collections.abc import Callable, Mapping, Sequence

from cyclekit.contract.previews import Media
from cyclekit.engine.lightning import TensorBoardLogger
from cyclekit.runs.directory import RunDirectory

FOLDER = "tensorboard"


class Board:
    """Scalars, pictures and sounds of a run, in ``tensorboard/``.

    It shows what is written elsewhere, too: where it cannot write, as on a full disk, that is said
    once, and training goes on without.

    Args:
        run: The run.
        step: Where training goes on; what was logged beyond it is no longer shown.
        warn: Told why it shows no more.
    """

    def __init__(self, run: RunDirectory, step: int, warn: Callable[[str], None]) -> None:
        self._warn = warn
        self._works = True
        folder = run.storage.below(FOLDER).make()
        purge = step + 1 if step or any(folder.iterdir()) else None
        self._logger = TensorBoardLogger(run.folder, name="", version=FOLDER, purge_step=purge)
        self._listen()
        try:
            str(folder).encode()
        except UnicodeEncodeError:
            self._stop(ValueError("the folder's name is not UTF-8"))

    def scalars(self, group: str, values: Mapping[str, float], step: int) -> None:
        """Log each value as ``group/name``."""
        named = {f"{group}/{name}": value for name, value in values.items()}
        self._write(lambda: self._logger.log_metrics(named, step=step))

    def media(self, media: Sequence[Media], step: int) -> None:
        """Log what can be shown or played."""
        self._write(lambda: self._add(media, step))

    def _add(self, media: Sequence[Media], step: int) -> None:
        writer = self._logger.experiment
        for item in media:
            if item.image is not None:
                writer.add_image(item.title, item.image, step)
            if item.audio is not None:
                rate = item.sample_rate or 44100
                writer.add_audio(item.title, item.audio, step, sample_rate=rate)

    def flush(self) -> None:
        """Write everything out."""
        self._write(lambda: self._logger.experiment.flush())

    def close(self) -> None:
        """Write everything out and release the file."""
        self._write(lambda: self._logger.finalize("success"))
        threading.excepthook = self._heard_before

    def _write(self, write: Callable[[], object]) -> None:
        if not self._works:
            return
        try:
            write()
        except Exception as error:  # Lightning words a thread's failure as it likes
            self._stop(error)

    def _stop(self, error: BaseException) -> None:
        if self._works:
            self._works = False
            self._warn(f"TensorBoard shows no more from here on: {error}")

    def _listen(self) -> None:
        """Hear of what its own thread fails at, which would print a traceback."""
        before = self._heard_before = threading.excepthook

        def hear(failure: threading.ExceptHookArgs) -> None:
            name = type(failure.thread).__module__
            if name.startswith("tensorboard") and isinstance(failure.exc_value, OSError):
                self._stop(failure.exc_value)
            else:
                before(failure)

        threading.excepthook = hear
