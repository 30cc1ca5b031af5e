"""``cyclekit report``."""

from pathlib import Path

import click

from cyclekit.commands.options import PATH, run_argument


@click.command()
@run_argument
@click.option("-o", "--output", type=PATH, help="The page's file; default: RUN/report.html.")
def report(run: Path, output: Path | None) -> None:
    """Write a page about a run: previews, figures, losses, recipe.

    One HTML file that needs nothing else: it opens without a network, and can be passed on.

    \b
    Examples:
      cyclekit report runs/00001-image-demo
      cyclekit report runs/00001-image-demo -o demo.html
    """
    from cyclekit.reporting.page import write_report

    click.echo(write_report(run, output))
