"""CSV, through Fabric's logger: ``csv/from-STEP/metrics.csv`` of the run, one for each start."""

from collections.abc import Mapping, Sequence

from cyclekit.contract.previews import Media
from cyclekit.engine.lightning import CSVLogger
from cyclekit.runs.layout import step_name
from cyclekit.training.trackers.tracker import Start


class Table:
    """See ``Tracker``; it has no pictures and sounds."""

    def __init__(self, start: Start) -> None:
        home = start.run.storage.below("csv")
        home.below(name := f"from-{step_name(start.step)}").empty()  # of one that was killed
        self._logger = CSVLogger(home.make(), name="", version=name)

    def scalars(self, named: Mapping[str, float], step: int) -> None:
        """See ``Tracker``."""
        self._logger.log_metrics(dict(named), step=step)

    def media(self, media: Sequence[Media], step: int) -> None:
        """See ``Tracker``."""

    def flush(self) -> None:
        """See ``Tracker``."""
        self._logger.save()

    def close(self) -> None:
        """See ``Tracker``."""
        self._logger.finalize("success")


def start(given: Start) -> Table:
    """A tracker of a run."""
    return Table(given)
