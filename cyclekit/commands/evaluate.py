"""``cyclekit evaluate``."""

from pathlib import Path

import click

from cyclekit.commands.options import (
    PATH,
    accelerator_option,
    batch_size_option,
    checkpoint_option,
    hardware,
    precision_option,
    run_argument,
)


@click.command()
@run_argument
@click.option("--data", type=PATH, help="Another folder with trainA trainB testA testB.")
@checkpoint_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
@accelerator_option
@precision_option
@batch_size_option
def evaluate(
    run: Path,
    data: Path | None,
    checkpoint: str,
    as_json: bool,
    accelerator: str,
    precision: str | None,
    batch_size: int,
) -> None:
    """Measure what `translate` would write on the test set, beside baselines.

    \b
    Examples:
      cyclekit evaluate runs/00001-image-demo
      cyclekit evaluate runs/00001-image-demo --checkpoint best --json
    """
    import json

    from cyclekit.runs.evaluation import evaluate_run
    from cyclekit.runs.opening import open_run
    from cyclekit.runs.watcher import Watcher

    watcher = Watcher()
    opened = open_run(run, checkpoint, hardware(accelerator), precision, batch_size)
    report = evaluate_run(opened, data, watcher.warn)
    if as_json:
        click.echo(json.dumps(report))
        return
    translated = {name: report[name] for name in (*opened.model.directions, "both")}
    watcher.table(
        f"{run}, step {report['step']}", {"translated": translated, **report["baselines"]}
    )
