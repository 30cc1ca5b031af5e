"""MLflow: the server that ``MLFLOW_TRACKING_URI`` names, else ``mlflow.db`` in the run."""

import os
import time
from collections.abc import Mapping, Sequence

from mlflow.entities import Metric, Param
from mlflow.tracking import MlflowClient

from cyclekit.contract.previews import Media
from cyclekit.recipe.resolve import flattened
from cyclekit.runs.layout import step_name
from cyclekit.training.trackers.tracker import Start

EXPERIMENT = "cyclekit"  # unless MLFLOW_EXPERIMENT_NAME says another
LONGEST = 500  # characters of a setting
AT_ONCE = 100  # settings that it takes
IMPATIENT = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "10"}
"""Unless somebody has set these: training waits meanwhile."""


class MLflow:
    """See ``Tracker``."""

    def __init__(self, start: Start) -> None:
        for name, value in IMPATIENT.items():
            os.environ.setdefault(name, value)
        own = f"sqlite:///{start.run.folder.absolute() / 'mlflow.db'}"
        self._client = MlflowClient(os.environ.get("MLFLOW_TRACKING_URI") or own)
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or EXPERIMENT
        found = self._client.get_experiment_by_name(name)
        number = found.experiment_id if found else self._client.create_experiment(name)
        made = self._client.create_run(number, run_name=start.run.folder.name)
        self._run = made.info.run_id
        settings = flattened(start.recipe.model_dump(mode="json"))
        params = [Param(key, str(value)[:LONGEST]) for key, value in settings.items()]
        for begin in range(0, len(params), AT_ONCE):
            self._client.log_batch(self._run, params=params[begin : begin + AT_ONCE])

    def scalars(self, named: Mapping[str, float], step: int) -> None:
        """See ``Tracker``."""
        now = int(time.time() * 1000)
        metrics = [Metric(name, float(value), now, step) for name, value in named.items()]
        self._client.log_batch(self._run, metrics=metrics)

    def media(self, media: Sequence[Media], step: int) -> None:
        """See ``Tracker``."""
        for item in media:
            self._client.log_artifact(self._run, str(item.path), f"samples/{step_name(step)}")

    def flush(self) -> None:
        """See ``Tracker``; it writes at once."""

    def close(self) -> None:
        """See ``Tracker``."""
        self._client.set_terminated(self._run)


def start(given: Start) -> MLflow:
    """A tracker of a run."""
    return MLflow(given)
