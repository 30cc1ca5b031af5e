"""``cyclekit translate``."""

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
    trust_option,
)
from cyclekit.errors import CyclekitError


@click.command()
@trust_option
@run_argument
@click.argument("inputs", nargs=-1, required=True, type=PATH, metavar="INPUT...")
@click.option("-o", "--output", "output", required=True, type=PATH, help="Folder for the results.")
@click.option(
    "--direction",
    metavar="NAME",
    help="Which way to translate, such as a2b. May be left out where there is only one.",
)
@click.option(
    "--format",
    "format",
    metavar="NAME",
    help="What the results are written as, such as same, png, jpeg or tiff (image).",
)
@click.option(
    "--suffix", default="", help="Ends the results' names: -zebra makes x-zebra.png of x.png."
)
@click.option(
    "--skip-existing",
    is_flag=True,
    help="Leave out what translations.jsonl says is there already, from the same checkpoint.",
)
@checkpoint_option
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="codec.KEY=VALUE",
    help="Another setting of how files are read and written, where the networks' tensors stay.",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Chooses the latent codes, of objectives that have some.",
)
@accelerator_option
@precision_option
@batch_size_option
def translate(
    run: Path,
    inputs: tuple[Path, ...],
    output: Path,
    direction: str | None,
    format: str | None,
    suffix: str,
    skip_existing: bool,
    checkpoint: str,
    settings: tuple[str, ...],
    seed: int,
    accelerator: str,
    precision: str | None,
    batch_size: int | None,
) -> None:
    """Translate files, or all samples in folders, with a trained run.

    A file that cannot be read is named and passed over; the exit code is then 1. The output folder
    gets translations.jsonl: source, output, seconds, checkpoint, direction and run of each file.

    \b
    Examples:
      cyclekit translate runs/00001-image-demo photo.jpg -o out --direction a2b
      cyclekit translate runs/00001-image-demo testB/ -o out --direction b2a --checkpoint best
      cyclekit translate runs/00001-image-demo testB/ -o out --direction b2a --skip-existing
    """
    from cyclekit.console import Console
    from cyclekit.data.listing import counted
    from cyclekit.recipe.sources import parse_setting
    from cyclekit.runs.open_run import open_run
    from cyclekit.runs.translation import InputFiles, translate_files

    console = Console()
    how = (hardware(accelerator), precision, batch_size, console)
    opened = open_run(run, checkpoint, *how, settings=map(parse_setting, settings), seed=seed)
    files = InputFiles.find(inputs, opened.model.codec)
    if files.others:
        console.say(f"passed over what is no sample: {counted(files.others)}")
    way = opened.model.direction(direction)
    written, bad = translate_files(
        opened, files, way, output, console, format, suffix, skip_existing
    )
    console.say(f"{written} of {len(files.names)} files translated to {output}")
    if bad:
        raise CyclekitError(f"{len(bad)} of {len(files.names)} inputs could not be translated.")
