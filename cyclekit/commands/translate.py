"""``cyclekit translate``."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cyclekit.commands.completion import complete_directions
from cyclekit.commands.options import (
    PATH,
    WholeNumber,
    accelerator_option,
    batch_size_option,
    checkpoint_option,
    devices_option,
    hardware,
    precision_option,
    run_argument,
    trust_option,
)
from cyclekit.errors import BadSample, CyclekitError

if TYPE_CHECKING:
    from cyclekit.console import Console
    from cyclekit.engine.model import Model
    from cyclekit.translating.routing import Route


@click.command()
@trust_option
@run_argument
@click.argument("inputs", nargs=-1, required=True, type=PATH, metavar="INPUT...")
@click.option(
    "-o",
    "--output",
    "output",
    required=True,
    type=PATH,
    help="Folder for the results; of one input also a file, such as out.png, or - for standard "
    "output.",
)
@click.option(
    "--direction",
    metavar="NAME",
    shell_complete=complete_directions,
    help="Which way to translate, such as a2b. May be left out where there is only one.",
)
@click.option(
    "--to",
    "target",
    metavar="NAME|all",
    help="Domain to translate to, in place of --direction; all: to each, into a folder each.",
)
@click.option(
    "--from",
    "source",
    metavar="NAME",
    help="Domain of the inputs. May be left out where a folder that they lie in has its name.",
)
@click.option(
    "--set-attribute",
    "changes",
    multiple=True,
    metavar="NAME=1|NAME=0",
    help="Give the inputs an attribute, or take it from them, where a run was trained on these; "
    "may be repeated.",
)
@click.option(
    "--attributes",
    "table",
    type=PATH,
    metavar="FILE",
    help="Table of the attributes that the inputs have, in place of the training's.",
)
@click.option(
    "--format",
    "format",
    metavar="NAME",
    help="What the results are written as, such as same, png, jpeg or tiff (image).",
)
@click.option(
    "--suffix",
    default="",
    help="Ends the results' names: -zebra makes x-zebra.png of x.png. With - for INPUT, what kind "
    "of file comes, where that must be known: .csv.",
)
@click.option("--cycle", is_flag=True, help="Write what comes back as well, into OUTPUT/back.")
@click.option(
    "--side-by-side",
    is_flag=True,
    help="Write source, translation and, with --cycle, what comes back as one, into "
    "OUTPUT/side-by-side.",
)
@click.option(
    "--skip-existing",
    is_flag=True,
    help="Leave out what translations.jsonl says is there already, from the same checkpoint and "
    "with the same --seed or --like.",
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
    type=WholeNumber(min=0),
    default=0,
    show_default=True,
    help="Chooses the latent codes, of objectives that have some.",
)
@click.option(
    "--samples",
    type=WholeNumber(min=1, max=1000),
    default=1,
    show_default=True,
    help="Answers for each file, where codes choose among many: further ones go into "
    "OUTPUT/answer-2, answer-3 and so on.",
)
@click.option(
    "--like",
    type=PATH,
    metavar="EXAMPLE",
    help="A file of the target domain: the code is taken that would have made it.",
)
@accelerator_option
@devices_option("Processes that share the files, one for each device.")
@precision_option
@batch_size_option
def translate(
    run: Path,
    inputs: tuple[Path, ...],
    output: Path,
    direction: str | None,
    target: str | None,
    source: str | None,
    changes: tuple[str, ...],
    table: Path | None,
    format: str | None,
    suffix: str,
    cycle: bool,
    side_by_side: bool,
    skip_existing: bool,
    checkpoint: str,
    settings: tuple[str, ...],
    seed: int,
    samples: int,
    like: Path | None,
    accelerator: str,
    devices: int,
    precision: str | None,
    batch_size: int | None,
) -> None:
    """Translate files, or all samples in folders, with a trained run.

    A file that cannot be read is named and passed over; the exit code is then 1. The output folder
    gets translations.jsonl: source, output, seconds, checkpoint, direction, run and, where there
    are codes, seed or example of each file.

    INPUT may be -, for one file from standard input; -o - then writes nothing but the result to
    standard output.

    \b
    Examples:
      cyclekit translate runs/00001-image-demo photo.jpg -o out.png --direction a2b
      cyclekit translate runs/00001-image-demo testB/ -o out --direction b2a --checkpoint best
      cyclekit translate runs/00001-image-demo testB/ -o out --direction b2a --skip-existing
      cyclekit translate runs/00001-image-demo testB/ -o out --direction b2a --cycle --side-by-side
      cyclekit translate runs/00002-image-augmented testA/ -o out --direction a2b --samples 8
      cyclekit translate runs/00002-image-augmented testA/ -o out --direction a2b --like red.png
      cyclekit translate runs/00001-image-demo - -o - --direction a2b < in.png > out.png
      cyclekit translate runs/00002-stargan-demo my_photos/ -o out --from plain --to all
      cyclekit translate runs/00003-celeba test/ -o out --set-attribute Blond_Hair=1
    """
    from cyclekit.console import Console
    from cyclekit.datasets.plugin_detection import others_for
    from cyclekit.recipe.reading import parse_setting
    from cyclekit.runs.open_run import open_run
    from cyclekit.translating.files import Wishes, translate_files
    from cyclekit.translating.outcome import translated
    from cyclekit.translating.piping import Piped
    from cyclekit.translating.sharing import Opening, Shared

    console = Console()
    changed = tuple(map(parse_setting, settings))
    several = cycle or side_by_side or skip_existing or samples > 1 or target == "all"
    with Piped.through(inputs, output, suffix, several) as piped:
        opened = open_run(
            run, checkpoint, hardware(accelerator), precision, batch_size, console,
            settings=changed, seed=seed, table=table,
        )  # fmt: skip
        routes = _routes(opened.model, piped.inputs, direction, target, source, changes, console)
        opening = Opening(run, checkpoint, accelerator, precision, batch_size, changed, seed, table)
        do = Shared(opening, devices) if devices > 1 else translated
        codec = opened.model.codec
        kinds = codec.suffixes | codec.sequence_suffixes
        written_as = piped.format(format, codec.formats, kinds)
        wishes = Wishes(written_as, piped.suffix, skip_existing, cycle, side_by_side, samples, like)
        written, wanted = 0, sum(len(route.files.names) for route in routes)
        bad: list[BadSample] = []
        for route in routes:
            place = piped.output / route.folder
            made, failed = translate_files(
                opened, route.files, route.direction, place, console, wishes, do
            )
            written, bad = written + made, [*bad, *failed]
        piped.deliver(console.warn)
    console.say(f"{written} of {wanted} files translated to {output}")
    if bad:
        endings = Counter(error.path.suffix.lower() for error in bad)
        others = "" if written else others_for(opened.model.modality.name, kinds, endings)
        raise CyclekitError(f"{len(bad)} of {wanted} inputs could not be translated.{others}")


def _routes(
    model: "Model",
    inputs: Sequence[Path],
    direction: str | None,
    target: str | None,
    source: str | None,
    changes: Sequence[str],
    console: "Console",
) -> "Sequence[Route]":
    """Which files go which way; says what is passed over."""
    from cyclekit.data.listing import counted_kinds
    from cyclekit.translating.files import InputFiles
    from cyclekit.translating.routing import route_files, setting

    files = InputFiles.find(inputs, model.codec)
    if files.others:
        console.say(f"passed over what is no sample: {counted_kinds(files.others)}")
    sets = dict(map(setting, changes))
    routing = route_files(model, files, direction, target, source, sets)
    if routing.there:
        console.say(f"passed over {len(routing.there)} files that are of {target} already")
    return routing.routes
