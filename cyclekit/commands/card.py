"""``cyclekit card``."""

from pathlib import Path

import click

from cyclekit.commands.options import PATH, run_argument


@click.command()
@run_argument
@click.option("-o", "--output", type=PATH, help="The card's file; default: RUN/README.md.")
def card(run: Path, output: Path | None) -> None:
    """Write a model card: data, figures beside baselines, pictures, limits, how to use it.

    What only you can say, such as the licence, is left for you to fill in.

    \b
    Examples:
      cyclekit card runs/00001-image-demo
    """
    from cyclekit.hub.card import write_card

    click.echo(write_card(run, output))
