"""``cyclekit runs``."""

import json
from pathlib import Path

import click

from cyclekit.commands.options import PATH, run_argument


@click.group()
def runs() -> None:
    """List the runs in a folder, and show what one of them is."""


MOST_FIGURES = 3  # in a line


@runs.command("list")
@click.argument("folder", type=PATH, default=Path("runs"), metavar="[FOLDER]")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list.")
def list_runs(folder: Path, as_json: bool) -> None:
    """List every run below a folder: recipe, step, best figures, size on disk.

    Without FOLDER, those in runs/. Files are read, and nothing else: it works while a run trains.

    \b
    Examples:
      cyclekit runs list
      cyclekit runs list /shared/runs --json
    """
    from rich.filesize import decimal

    from cyclekit.console import Console
    from cyclekit.reporting.listing import find_runs, progress, readable

    found = {run: readable(run) for run in find_runs(folder)}
    damaged = {run: said for run, said in found.items() if isinstance(said, str)}
    known = [run for run in found.values() if not isinstance(run, str)]
    console = Console()
    if as_json:
        click.echo(json.dumps([run.as_json() for run in known]))
    elif found:
        rows = {}
        for run in known:
            figures = list(run.figures.items())[:MOST_FIGURES]
            rows[str(run.folder)] = {
                "step": progress(run),
                "best figures": ", ".join(f"{name} {value:.4f}" for name, value in figures),
                "size": decimal(run.size),
                "recipe": f"{run.plugin}: {run.recipe}",
            }
        console.rows("run", rows)
    else:
        console.say(
            f"There is no run in {folder} yet. This makes one: cyclekit train --plugin image "
            f"--recipe demo"
        )
    for place, said in damaged.items():
        console.warn(f"{place}: {said}")


@runs.command("show")
@run_argument
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def show_run(run: Path, as_json: bool) -> None:
    """Show what a run is: recipe, data, progress, figures, checkpoints.

    \b
    Example:
      cyclekit runs show runs/00001-image-demo
    """
    from rich.filesize import decimal

    from cyclekit.console import Console
    from cyclekit.reporting.listing import details, size_on_disk, summarise

    if as_json:
        click.echo(json.dumps(summarise(run).as_json()))
        return
    console = Console()
    told = details(run) | {"size on disk": decimal(size_on_disk(run))}
    width = max(map(len, told))
    for name, value in told.items():
        console.result(f"{name:<{width}}  {value}")
    console.say(f"A page with samples and curves: cyclekit report {run}")
