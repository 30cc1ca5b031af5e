"""The command line: names the verbs, imports each only when it is used, and reports errors."""

import errno
import importlib
import keyword
import os
import platform
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from cyclekit.describe import shown
from cyclekit.errors import CyclekitError, suggest
from cyclekit.memory import is_out_of_memory
from cyclekit.training.supervised import leave_last_words, obey_supervisor
from cyclekit.version import package_version, torch_and_device

VERBS = (
    "train", "resume", "translate", "evaluate", "compare", "export", "serve", "report", "card",
    "push", "import", "data", "runs", "recipes", "plugins",
)  # fmt: skip


class Verbs(click.Group):
    """Commands that live in ``cyclekit.commands``, one module each."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order in which one needs them."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the verb's module; it imports nothing heavy until it runs."""
        if cmd_name not in VERBS:
            return None
        name = f"{cmd_name}_" if keyword.iskeyword(cmd_name) else cmd_name
        module = importlib.import_module(f"cyclekit.commands.{name}")
        command: click.Command = getattr(module, name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Suggest the nearest verb when there is none of that name."""
        if args and args[0] not in VERBS and not args[0].startswith("-"):
            ctx.fail(f"No command {args[0]!r}. {suggest(args[0], VERBS)}")
        return super().resolve_command(ctx, args)


def _tell_version(context: click.Context, _: click.Parameter, asked: bool) -> None:
    if not asked or context.resilient_parsing:
        return
    click.echo(f"cyclekit {package_version()}, Python {platform.python_version()}")
    sys.stdout.flush()  # torch takes a second or two
    click.echo(torch_and_device())
    context.exit()


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_tell_version,
    help="Versions of cyclekit, Python and torch, and the device that would be used.",
)
def cyclekit() -> None:
    """Learn the mapping between two unpaired collections, whatever they hold.

    \b
    Examples:
      cyclekit train --plugin image --recipe demo
      cyclekit data get horse2zebra
      cyclekit train --plugin image --recipe horse2zebra
      cyclekit translate runs/00001-image-demo photo.jpg -o out --direction a2b
      cyclekit recipes list
    """


_RUNS = "A run is a folder that `cyclekit train` made; `cyclekit runs list` shows yours."
_WHERE_TO_LOOK = {
    "plugin": "`cyclekit plugins list` shows which there are: image, audio, music, and yours.",
    "recipe": "`cyclekit recipes list image` shows which there are, and what each needs; "
    "`train --minutes 15` plans one for your data.",
    "run": _RUNS,
    "runs": _RUNS,
}
"""What to say of a parameter that is lacking."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit: 0 done, 1 failed with one message, 2 wrong usage."""
    obey_supervisor()
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        Path.cwd()
    except OSError:
        _fail("the current folder is not there any more. Change to another one.", 1)
    try:
        cyclekit.main(args=given, prog_name="cyclekit", standalone_mode=False, obj=given)
    except click.ClickException as error:
        error.show()
        if type(error) is click.UsageError and (folder := _extra_folder(error, given)):
            click.echo(f"Did you mean --data {folder}?", err=True)
        if isinstance(error, click.MissingParameter) and error.param is not None:
            hint = _WHERE_TO_LOOK.get(error.param.name or "")
            if hint is not None:
                click.echo(hint, err=True)
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        _fail("interrupted", 130, what="")
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except CyclekitError as error:
        _fail(str(error), error.exit_code, error, error.said_as)
    except OSError as error:
        _fail(_explained(error), 1, error)
    except Exception as error:
        if is_out_of_memory(error):
            _fail(
                "out of memory. Lower train.batch_size or the size of training windows.", 1, error
            )
        if _is_lost_rank(error):
            _fail("another rank is gone, and this one ends with it. See what that one said.", 1)
        _fail(
            f"unexpected {type(error).__name__}: {' '.join(str(error).split())}\n"
            f"This is a fault of cyclekit or a plugin. Set CYCLEKIT_DEBUG=1 for the traceback.",
            1,
            error,
        )


def _extra_folder(error: click.UsageError, given: Sequence[str]) -> str:
    """The folder of data that somebody named without its option; empty: none."""
    takes_data = any(param.name == "data" for param in error.ctx.command.params) if error.ctx else 0
    named = [word for word in given if f"({word})" in error.message or f"({word} " in error.message]
    extra = [word for word in named if os.path.isdir(word)]  # noqa: PTH112 - of any length
    return extra[0] if takes_data and extra else ""


def _is_lost_rank(error: Exception) -> bool:
    """Whether torch says that the connection to another rank broke, or that it never came."""
    if any(kind.__name__ == "DistError" for kind in type(error).__mro__):
        return True
    said = str(error)
    return isinstance(error, RuntimeError) and ("gloo" in said or "ProcessGroup" in said)


def _explained(error: OSError) -> str:
    """What the system refused, the file where it says so, and what to do where that is plain."""
    where = f"{os.fsdecode(error.filename)}: " if error.filename else ""
    said = f"{where}{error.strerror or error}"
    if error.errno == errno.ELOOP:
        return f"{where}it is a link, and none is followed here. Put the file itself in its place."
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"{said}. Make room; what was saved before is intact."
    return said


def _fail(message: str, code: int, error: Any = None, what: str = "error: ") -> None:
    if error is not None and os.environ.get("CYCLEKIT_DEBUG"):
        raise error
    if not leave_last_words(message):
        click.echo(f"{what}{shown(message)}", err=True)
    sys.exit(code)


if __name__ == "__main__":
    main()
