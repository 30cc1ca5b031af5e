"""``cyclekit export``."""

from pathlib import Path

import click

from cyclekit.commands.completion import complete_directions
from cyclekit.commands.options import PATH, checkpoint_option, run_argument, trust_option
from cyclekit.errors import UsageError


@click.command()
@trust_option
@run_argument
@click.option("-o", "--output", type=PATH, help="The file to write.")
@click.option(
    "--direction",
    metavar="NAME",
    shell_complete=complete_directions,
    help="Which way to translate, such as a2b. May be left out where there is only one.",
)
@click.option(
    "--format",
    "format",
    metavar="onnx|bundle|pt2|torchscript|safetensors",
    help="Kind of file; default: what the suffix says, else onnx.",
)
@click.option(
    "--precision",
    type=click.Choice(["fp32", "fp16"]),
    default="fp32",
    show_default=True,
    help="Of the weights and what is computed with them; inputs and outputs are float32.",
)
@checkpoint_option
@click.option(
    "--check", type=PATH, metavar="FILE", help="Compare an exported file with the run; write none."
)
def export(
    run: Path,
    output: Path | None,
    direction: str | None,
    format: str | None,
    precision: str,
    checkpoint: str,
    check: Path | None,
) -> None:
    """Write a direction as one file that others can run, proven equal to `translate`.

    Sizes and batch are dynamic, and inputs are padded inside. Three sizes in two batches go through
    the file and through `translate`; where they differ by more than 1e-4 of the range (fp16: 1e-2),
    nothing is written. Beside the file lie a page on how to feed it and, for ONNX, a script that
    translates without torch and cyclekit where the plugin has one.

    ONNX needs the extra `export`.

    A bundle is an ONNX file for pictures that takes (height, width, channels) uint8 and gives it.

    \b
    Examples:
      cyclekit export runs/00001-image-demo -o striped.onnx --direction a2b
      cyclekit export runs/00001-image-demo -o striped16.onnx --direction a2b --precision fp16
      cyclekit export runs/00001-image-demo -o striped.pt2 --direction a2b --checkpoint best
      cyclekit export runs/00001-image-demo -o app.onnx --direction a2b --format bundle
      cyclekit export runs/00001-image-demo --check striped.onnx
    """
    from cyclekit.console import Console
    from cyclekit.exporting.export import check_file, export_run

    console = Console()
    if (check is None) == (output is None):
        raise UsageError("Say either which file to write (-o FILE), or which to --check.")
    if check is not None:
        parity = check_file(run, check, direction, format, checkpoint)
        console.result(f"{check} does what {run} does: {parity}")
        return
    assert output is not None
    for file in export_run(run, output, direction, format, precision, checkpoint, console):
        console.result(str(file))
