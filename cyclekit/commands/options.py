"""Options that several verbs share."""

import functools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from cyclekit.commands.completion import complete_plugins, complete_runs
from cyclekit.errors import UsageError
from cyclekit.recipe.precision import PRECISIONS
from cyclekit.training.supervised import must_supervise

if TYPE_CHECKING:
    from cyclekit.engine.fabric import Hardware

Command = TypeVar("Command", bound=Callable[..., Any])

PATH = click.Path(path_type=Path)


class WholeNumber(click.IntRange):
    """An integer, called so in messages."""

    name = "whole number"


class Number(click.FloatRange):
    """A number, called so in messages."""

    name = "number"


COUNT = WholeNumber(min=1)
MINUTES = Number(min=0, min_open=True)

plugin_option = click.option(
    "--plugin", metavar="NAME|FILE.py", help="The modality.", shell_complete=complete_plugins
)
extension_option = click.option(
    "--extension",
    "extensions",
    metavar="NAME|FILE.py",
    multiple=True,
    help="Another plugin to load, such as one that brings an objective; may be repeated.",
)
accelerator_option = click.option(
    "--accelerator",
    type=click.Choice(["auto", "cpu", "cuda", "mps"]),
    default="auto",
    show_default=True,
    help="Where to compute.",
)
precision_option = click.option(
    "--precision",
    type=click.Choice(PRECISIONS),
    help="Arithmetic. Default: the recipe's or the run's; auto: bf16-mixed where the device is "
    "faster in it, 32-true elsewhere.",
)
checkpoint_option = click.option(
    "--checkpoint",
    default="latest",
    show_default=True,
    metavar="latest|best|STEP",
    help="Which weights to use.",
)
batch_size_option = click.option(
    "--batch-size",
    type=COUNT,
    help="Items of one size that are translated together; default: as many as are as large as a "
    "picture of 256 x 256.",
)
trust_option = click.option(
    "--trust",
    metavar="FILE",
    multiple=True,
    type=PATH,
    expose_value=False,
    is_eager=True,
    callback=lambda _context, _option, files: _trust(files),
    help="Load this code (a plugin file, TorchScript), which the run or recipe names; remembered.",
)
data_option = click.option(
    "--data", type=PATH, help="Folder with trainA trainB testA testB (sets data.root)."
)
settings_option = click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="Change a key of the recipe; may be repeated.",
)
run_argument = click.argument("run", type=PATH, shell_complete=complete_runs)


def runs_argument(metavar: str) -> Callable[[Command], Command]:
    """Several runs, called so in the help."""
    return click.argument(
        "runs", nargs=-1, required=True, type=PATH, metavar=metavar, shell_complete=complete_runs
    )


def devices_option(help: str) -> Callable[[Command], Command]:
    """``--devices``, with what these do."""
    return click.option("--devices", type=COUNT, default=1, show_default=True, help=help)


def hardware_options(command: Command) -> Command:
    """``--accelerator --devices --num-nodes --strategy``, as Lightning Fabric takes them."""
    for option in (
        click.option("--strategy", default="auto", show_default=True, help="auto, ddp, fsdp, ..."),
        click.option("--num-nodes", type=COUNT, default=1, show_default=True, help="Machines."),
        devices_option("Processes on this machine, one for each device."),
        accelerator_option,
    ):  # fmt: skip
        command = option(command)
    return _on_every_rank(command)


def _on_every_rank(command: Command) -> Command:
    """Let a parent that does nothing else start the command once for each of ``--devices``."""

    @functools.wraps(command)
    def started(*arguments: Any, **options: Any) -> Any:
        if not must_supervise(options["devices"]):
            return command(*arguments, **options)
        from cyclekit.training.supervisor import supervise

        sys.exit(supervise(click.get_current_context().obj, options["devices"]))

    return cast(Command, started)


def _trust(files: tuple[Path, ...]) -> None:
    """Remember what was named, before anything is opened that names it, too."""
    if files:
        from cyclekit.trust import trust

        for file in files:
            if not file.is_file():
                raise UsageError(f"--trust {file}: there is no such file.")
            trust(file)


def require_one(steps: int | None, minutes: float | None) -> None:
    """Refuse both."""
    if minutes is not None and steps is not None:
        raise UsageError("--steps and --minutes both say how long to train. Give one of them.")


def hardware(
    accelerator: str, devices: int = 1, num_nodes: int = 1, strategy: str = "auto"
) -> "Hardware":
    """What the hardware options say."""
    from cyclekit.engine.fabric import Hardware

    return Hardware(accelerator, devices, num_nodes, strategy)
