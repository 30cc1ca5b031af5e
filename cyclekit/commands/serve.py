"""``cyclekit serve``."""

from importlib.util import find_spec
from pathlib import Path

import click

from cyclekit.commands.options import (
    COUNT,
    Number,
    WholeNumber,
    accelerator_option,
    checkpoint_option,
    precision_option,
    runs_argument,
    trust_option,
)
from cyclekit.errors import UsageError
from cyclekit.extras import install_command


@click.command()
@trust_option
@runs_argument("RUN...")
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Address to listen on. One that others can reach asks for --token.",
)
@click.option(
    "--port",
    type=WholeNumber(0, 65535),
    default=7860,
    show_default=True,
    help="Port to listen on; 0: any that is free.",
)
@click.option(
    "--token",
    default="",
    envvar="CYCLEKIT_TOKEN",
    metavar="TEXT",
    help="What everybody has to know who asks; better in the variable CYCLEKIT_TOKEN, "
    "since others can see a command's options.",
)
@click.option(
    "--page/--no-page",
    default=True,
    show_default=True,
    help="A page for people, beside the HTTP service.",
)
@click.option(
    "--max-file",
    type=COUNT,
    default=64,
    show_default=True,
    metavar="MIB",
    help="Largest file that is taken.",
)
@click.option(
    "--max-size",
    type=COUNT,
    default=2**24,
    show_default=True,
    metavar="POSITIONS",
    help="Largest item: pixels, frames times bands, steps times pitches.",
)
@click.option(
    "--max-seconds",
    type=Number(min=0.1),
    default=60.0,
    show_default=True,
    help="Time that a translation may take, and a file to be sent.",
)
@click.option(
    "--max-memory",
    type=COUNT,
    default=4096,
    show_default=True,
    metavar="MIB",
    help="Memory that a run's worker may hold, its networks included (Linux).",
)
@click.option(
    "--queue", type=COUNT, default=32, show_default=True, help="Requests that may wait for a run."
)
@checkpoint_option
@accelerator_option
@precision_option
def serve(
    runs: tuple[Path, ...],
    host: str,
    port: int,
    token: str,
    page: bool,
    max_file: int,
    max_size: int,
    max_seconds: float,
    max_memory: int,
    queue: int,
    checkpoint: str,
    accelerator: str,
    precision: str | None,
) -> None:
    """Try trained runs on a page, and translate by HTTP.

    Files are sent in and files come back; no request can name one on this machine. Each run is
    open in a process of its own, which is killed and started anew where a request takes too much.
    Ended by SIGTERM or Ctrl-C, it finishes what was begun.

    \b
    Examples:
      cyclekit serve runs/00001-image-demo
      cyclekit serve runs/00001-image-demo runs/00002-image-demo --port 8000
      curl --data-binary @in.png http://127.0.0.1:7860/v1/translate/00001-image-demo/a2b -o out.png
    """  # fmt: skip
    from cyclekit.console import Console
    from cyclekit.serving.limits import MEBIBYTE, Limits
    from cyclekit.translating.sharing import Opening

    try:
        from cyclekit.serving.running import serve as run

        if page and find_spec("gradio") is None:
            raise ModuleNotFoundError(name="gradio")
    except ModuleNotFoundError as error:
        raise UsageError(
            f"cyclekit serve needs {error.name}, which comes with: {install_command('serve')}"
            f"{' (--no-page does without it)' if error.name == 'gradio' else ''}"
        ) from error
    limits = Limits(max_file * MEBIBYTE, max_size, max_seconds, max_memory * MEBIBYTE, queue)
    openings = [Opening(each, checkpoint, accelerator, precision) for each in runs]
    run(openings, host, port, token, limits, page, Console())
