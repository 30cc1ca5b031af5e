"""``cyclekit evaluate``."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cyclekit.commands.options import (
    PATH,
    accelerator_option,
    batch_size_option,
    hardware,
    precision_option,
    run_argument,
    trust_option,
)

if TYPE_CHECKING:
    from cyclekit.runs.watcher import Watcher


@click.command()
@trust_option
@run_argument
@click.option("--data", type=PATH, help="Another folder with trainA trainB testA testB.")
@click.option(
    "--checkpoint",
    metavar="latest|best|STEP",
    help="Which weights to measure; default: the latest, and the best beside them.",
)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="metrics.KEY=VALUE",
    help="A setting of the plugin's metrics.",
)
@click.option("--quick", is_flag=True, help="Leave out what takes long, such as the classifier.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
@accelerator_option
@precision_option
@batch_size_option
def evaluate(
    run: Path,
    data: Path | None,
    checkpoint: str | None,
    settings: tuple[str, ...],
    quick: bool,
    as_json: bool,
    accelerator: str,
    precision: str | None,
    batch_size: int | None,
) -> None:
    """Measure what `translate` would write on the test set, beside baselines.

    \b
    Examples:
      cyclekit evaluate runs/00001-image-demo
      cyclekit evaluate runs/00001-image-demo --checkpoint best --quick --json
    """
    import json

    from cyclekit.recipe.resolve import resolve_metric_options
    from cyclekit.recipe.sources import Layers, parse_setting
    from cyclekit.runs.checkpoints import BEST, LATEST
    from cyclekit.runs.evaluation import evaluate_run
    from cyclekit.runs.opening import open_run
    from cyclekit.runs.watcher import Watcher

    watcher = Watcher()
    how = (hardware(accelerator), precision, batch_size)
    opened = open_run(run, checkpoint or LATEST, *how, watcher)
    layers = Layers()
    layers.lay(map(parse_setting, settings))
    options = resolve_metric_options(layers, opened.model.modality)
    best = opened.run.checkpoints.best_step() if checkpoint is None else None
    apart = best is not None and best != opened.checkpoint.step
    report = evaluate_run(
        opened,
        data,
        watcher.warn,
        best=open_run(run, BEST, *how) if apart else None,
        options=options,
        quick=quick,
    )
    if as_json:
        click.echo(json.dumps(report))
        return
    name = LATEST if apart or best is None else f"{LATEST} and {BEST}"
    _show(str(run), checkpoint or name, report, opened.model.directions, watcher)


def _show(
    run: str, name: str, report: dict[str, Any], directions: Iterable[str], watcher: "Watcher"
) -> None:
    """Print a report as a table, with how its figures were computed."""
    from cyclekit.runs.checkpoints import BEST

    ways = {name: report}
    ways |= {BEST: report[BEST]} if BEST in report else {}
    ways |= report["baselines"] | {"real": report.get("real", {})}
    steps = [f"{way}: step {figures['step']}" for way, figures in ways.items() if "step" in figures]
    shown = [*directions, "both"]
    watcher.table(
        f"{run}, {', '.join(steps)}",
        {way: {d: figures[d] for d in shown} for way, figures in ways.items() if figures},
    )
    items = " and ".join(f"{n} of {name.upper()}" for name, n in report["test_items"].items())
    watcher.result(f"{items}, test items; seed {report['seed']}")
    for line in report["protocol"].values():
        watcher.result(f"- {line}")
