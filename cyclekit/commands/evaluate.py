"""``cyclekit evaluate``."""

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
    from cyclekit.console import Console


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
@click.option(
    "--model",
    type=PATH,
    metavar="FILE.onnx",
    help="Measure this exported file in place of the run's networks, in its direction.",
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
    model: Path | None,
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
      cyclekit evaluate runs/00001-image-demo --model striped.onnx
    """
    import json

    from cyclekit.console import Console
    from cyclekit.recipe.reading import parse_setting
    from cyclekit.runs.evaluation import report_on
    from cyclekit.runs.open_run import OpenRun, open_run

    def opening(which: str, told: Console) -> OpenRun:
        opened = open_run(run, which, hardware(accelerator), precision, batch_size, told)
        if model is None:
            return opened
        from cyclekit.exporting.in_place import with_model  # loads what exports

        return with_model(opened, model, told)

    console, asked = Console(), [parse_setting(text) for text in settings]
    measured = report_on(opening, checkpoint, data, asked, quick, console, model)
    if as_json:
        click.echo(json.dumps(measured.report))
        return
    _show(str(run), measured.name, measured.report, measured.directions, console)


MOST_COLUMNS = 12  # domains whose pairs are shown as a table


def _show(
    run: str,
    name: str,
    report: dict[str, Any],
    directions: dict[str, tuple[str, str]],
    console: "Console",
) -> None:
    """Print a report as a table, with how its figures were computed.

    Where there are more than two domains, the table has the means of all directions, and each
    figure that says which way is better gets one of its own, by source and target.
    """
    from cyclekit.names import counted_items
    from cyclekit.runs.checkpoints import BEST
    from cyclekit.runs.evaluation import TRANSLATED

    ways = {name: report}
    ways |= {BEST: report[BEST]} if BEST in report else {}
    ways |= report["baselines"] | {"real": report.get("real", {})}
    steps = [f"{way}: step {figures['step']}" for way, figures in ways.items() if "step" in figures]
    domains = {domain for ends in directions.values() for domain in ends}
    shown = list(directions) if len(domains) == 2 else []
    shown += ["both"] if len(directions) > 1 else []
    intervals = report["intervals"]
    console.table(
        f"{run}, {', '.join(steps)}",
        {way: {d: figures[d] for d in shown} for way, figures in ways.items() if figures},
        intervals | {name: intervals[TRANSLATED]},
    )
    if len(domains) > 2:
        _show_by_ends(name, report, directions, console)
    console.better(report["higher_is_better"])
    items = counted_items(report["test_items"])
    console.result(f"{items}, test items; seed {report['seed']}")
    console.result(
        "[low, high]: 95 % interval over test items (bootstrap); figures without one are of all "
        "items together"
    )
    for line in report["protocol"].values():
        console.result(f"- {line}")


def _show_by_ends(
    name: str, report: dict[str, Any], directions: dict[str, tuple[str, str]], console: "Console"
) -> None:
    """A table for each figure: sources below each other, targets beside each other."""
    from cyclekit.judging.ends import MEAN, by_ends

    ways = {name: report, "identity": report["baselines"].get("identity", {})}
    for figure, higher in report["higher_is_better"].items():
        for way, figures in ways.items():
            table = by_ends(figures, directions, figure)
            if len(table) - 1 > MOST_COLUMNS:
                table = {MEAN: table[MEAN]}  # each target's mean
            if table:
                better = "higher" if higher else "lower"
                console.matrix(f"{figure} ({better} is better), {way}: from, to", table)
