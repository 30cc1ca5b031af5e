"""A tracker of your own is an observer: losses as CSV, through Lightning Fabric's logger.

cyclekit train ... --extension examples/csv_observer.py
"""

from cyclekit.api import hookimpl
from lightning_fabric.loggers import CSVLogger

LOGGERS = {}


@hookimpl
def cyclekit_run_started(run):
    LOGGERS[run] = CSVLogger(run.parent, name=f"{run.name}-losses")


@hookimpl
def cyclekit_step_logged(run, record):
    losses = {name: value for name, value in record.items() if name != "step"}
    LOGGERS[run].log_metrics(losses, step=record["step"])
    LOGGERS[run].save()
