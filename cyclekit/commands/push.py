"""``cyclekit push``."""

from pathlib import Path

import click

from cyclekit.commands.options import checkpoint_option, run_argument, trust_option


@click.command()
@trust_option
@run_argument
@click.argument("to", metavar="hf:USER/NAME")
@checkpoint_option
@click.option("--private", is_flag=True, help="Make it for you alone, where it is new.")
def push(run: Path, to: str, checkpoint: str, private: bool) -> None:
    """Put a run on a hub: weights, recipe and card, and nothing else.

    Others then say hf:USER/NAME, or hf:USER/NAME@REVISION for just this one, in place of a run to
    translate with or to serve. You must be logged in (hf auth login, or HF_TOKEN).

    \b
    Examples:
      cyclekit push runs/00001-image-demo hf:me/stripes
      cyclekit translate hf:me/stripes photo.jpg -o out --direction a2b
    """
    from cyclekit.console import Console
    from cyclekit.hub.pushing import push as put

    click.echo(put(run, to, checkpoint, private, Console()))
