"""``cyclekit import``."""

from pathlib import Path

import click

from cyclekit.commands.options import PATH, data_option, settings_option
from cyclekit.errors import UsageError
from cyclekit.importing.roles import DOMAINS, WAYS


@click.command("import")
@click.argument("files", nargs=-1, required=True, metavar="FILE|zoo:NAME...")
@click.option("-o", "--output", type=PATH, help="A new folder for the run; default: in runs/. Of "
              "a vocoder: the file.")  # fmt: skip
@click.option("--as", "family", default="", metavar="FAMILY", help="What the generators are.")
@click.option(
    "--direction",
    type=click.Choice(WAYS),
    help="Which way the first generator translates, where its name does not say.",
)
@click.option("--plugin", default="", metavar="NAME", help="Look at this plugin's families alone.")
@click.option("--dropout-on", is_flag=True, help="Drop while translating too, as pix2pix does.")
@click.option(
    "--running-statistics",
    is_flag=True,
    help="Batch norms use the statistics of training, as the peer's --eval does.",
)
@click.option("--bgr", is_flag=True, help="The networks were trained on blue, green, red.")
@click.option(
    "--padding",
    type=click.Choice(["reflect", "replicate", "zero"]),
    help="At borders, where keys leave it open.",
)
@click.option(
    "--statistics",
    multiple=True,
    metavar="a=FILE|b=FILE",
    help="A voice's mean and deviation (.npz), where its networks need them.",
)
@data_option
@settings_option
def import_(
    files: tuple[str, ...],
    output: Path | None,
    family: str,
    direction: str | None,
    plugin: str,
    dropout_on: bool,
    running_statistics: bool,
    bgr: bool,
    padding: str | None,
    statistics: tuple[str, ...],
    data: Path | None,
    settings: tuple[str, ...],
) -> None:
    """Make a run of somebody else's weights, for translate, evaluate and report.

    A vocoder becomes a file for codec.vocoder.weights. Nothing in the files is run. What they do
    not say is printed with what was taken for granted, and with the option that changes it.

    \b
    Examples:
      cyclekit import latest_net_G_A.pth latest_net_G_B.pth -o runs/theirs
      cyclekit import latest_net_G.pth --direction b2a
      cyclekit import latest_net_G_A.pth latest_net_D_A.pth --data datasets/maps
      cyclekit import zoo:horse2zebra
      cyclekit import hifigan/generator_v1 -o hifigan.safetensors
    """
    from cyclekit.console import Console
    from cyclekit.importing.family import Choices
    from cyclekit.importing.making import import_weights
    from cyclekit.preparing.planning import data_settings
    from cyclekit.recipe.reading import parse_setting

    console = Console()
    changes = data_settings(data) if data is not None else []
    changes += [parse_setting(text) for text in settings]
    choices = Choices(
        dropout_on=dropout_on,
        running_statistics=running_statistics,
        bgr=bgr,
        padding="zeros" if padding == "zero" else padding,
        statistics=dict(map(_statistics, statistics)),
    )
    made = import_weights(
        files,
        output,
        choices,
        console,
        plugin=plugin,
        family=family,
        direction=direction or "",
        settings=changes,
    )
    console.say(f"{'file' if made.is_file() else 'run'}: {made}")


def _statistics(text: str) -> tuple[str, Path]:
    domain, equals, file = text.partition("=")
    if domain not in DOMAINS or not equals or not file:
        raise UsageError(f"--statistics needs a=FILE or b=FILE; got {text[:80]!r}.")
    return domain, Path(file)
