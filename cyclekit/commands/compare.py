"""``cyclekit compare``."""

from pathlib import Path

import click

from cyclekit.commands.options import PATH, runs_argument


@click.command()
@runs_argument("RUN RUN...")
@click.option("-o", "--output", type=PATH, help="Write a page about it as well: an HTML file.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def compare(runs: tuple[Path, ...], output: Path | None, as_json: bool) -> None:
    """Say which of several evaluated runs is better, and whether that is more than chance.

    Figures are those of the newest `cyclekit evaluate` of each run, or of the end of its training.
    Differences are to the first run, with 95 % intervals by resampling test items, in pairs where
    the runs were judged on the same ones.

    \b
    Examples:
      cyclekit compare runs/00001-image-small runs/00002-image-small
      cyclekit compare runs/0000* -o compared.html
      cyclekit compare runs/00001-image-small runs/00002-image-small --json
    """
    import json

    from cyclekit.console import Console
    from cyclekit.reporting.comparison import CHANCE, LEARNED, Comparison

    comparison, console = Comparison(runs), Console()
    if output is not None:
        from cyclekit.reporting.comparison_page import write_comparison

        written = write_comparison(comparison, output)
        console.say(f"written: {written}")
    if as_json:
        click.echo(json.dumps(comparison.as_json()))
        return
    ways, intervals = {}, {}
    told = comparison.as_json()["figures"]
    for number, name in enumerate(comparison.names):
        evaluation = comparison.evaluations[number]
        ways[name] = {
            way: {figure: row["values"][number] for figure, row in of.items()}
            for way, of in told.items()
        }
        intervals[name] = evaluation.intervals.get(LEARNED, {})
    for number, name in enumerate(comparison.names[1:]):
        column = f"{name} less {comparison.names[0]}"
        ways[column], intervals[column] = {}, {}
        for way, of in told.items():
            apart = {figure: row["differences"][number] for figure, row in of.items()}
            ways[column][way] = {f: one["value"] for f, one in apart.items() if one}
            intervals[column][way] = {f: one["interval"] for f, one in apart.items() if one}
    console.table("figures of the newest evaluations", ways, intervals)
    shown = {figure for of in told.values() for figure in of}
    console.better({f: up for f, up in comparison.higher_is_better.items() if f in shown})
    for key, said in comparison.recipes.items():
        console.result(f"{key}: {' | '.join(one or '-' for one in said)}")
    for count, name in zip(comparison.counts, comparison.names, strict=True):
        items = ", ".join(f"{n} of {domain}" for domain, n in count.items())
        console.result(f"{name}: {items}, test items")
    for verdict in comparison.verdicts:
        console.result(str(verdict))
    console.say(CHANCE)
