"""Write docs/reference/command-line.md from click: `python docs/make_command_reference.py`."""

import inspect
from collections.abc import Iterator
from pathlib import Path

import click

from cyclekit.cli import cyclekit

HEAD = """# Command line

| code | means |
| --- | --- |
| 0 | done |
| 1 | failed, with one message that says what to do |
| 2 | the command itself is wrong: an unknown name, a missing option |
| 130 | interrupted |
| 143 | training was told to stop, and saved |

`CYCLEKIT_DEBUG=1` before a command shows the traceback of what went wrong.
[Completion in the shell](../start/install.md#completion-in-the-shell) is set up by one line.

This page is made by `docs/make_command_reference.py`; a test keeps it true.
"""


def reference() -> str:
    """The page as Markdown."""
    page = [HEAD]
    for command, context in verbs(
        cyclekit, click.Context(cyclekit, info_name="cyclekit", terminal_width=80)
    ):
        page += entry(command, context)
    return "\n".join(page).rstrip() + "\n"


def verbs(
    command: click.Command, context: click.Context
) -> Iterator[tuple[click.Command, click.Context]]:
    """A command and all below it, in the order of the help."""
    yield command, context
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield from verbs(inner, click.Context(inner, info_name=name, parent=context))


def entry(command: click.Command, context: click.Context) -> list[str]:
    """Heading, usage, description, examples and options of one command."""
    depth = len(context.command_path.split())
    told, _, examples = inspect.cleandoc(command.help or "").partition("\b\nExample")
    lines = [f"{'#' * min(depth + 1, 4)} `{context.command_path}`\n"]
    lines.append(f"```text\n{command.get_usage(context).removeprefix('Usage: ')}\n```\n")
    lines.append(told.strip() + "\n")
    if examples:
        shown = "\n".join(line.removeprefix("  ") for line in examples.splitlines()[1:])
        lines.append(f"```text\n{shown.rstrip()}\n```\n")
    rows = [row for row in map(option, command.params) if row]
    if rows:
        lines += ["| option | |", "| --- | --- |", *rows, ""]
    return lines


def option(parameter: click.Parameter) -> str:
    """A row of the table, empty for what is no option or explains itself."""
    if not isinstance(parameter, click.Option) or parameter.name in ("help", "version"):
        return ""
    names = ", ".join((*parameter.opts, *parameter.secondary_opts))
    kind = "" if parameter.is_flag else f" {parameter.metavar or metavar(parameter)}"
    default = parameter.default if parameter.show_default else None
    said = " ".join((parameter.help or "").split())
    said += f" Default: `{default}`." if default is not None else ""
    return f"| `{cell(names + kind)}` | {cell(said)} |"


def metavar(parameter: click.Option) -> str:
    """What stands for the value in the usage."""
    if isinstance(parameter.type, click.Choice):
        return "|".join(map(str, parameter.type.choices))
    return {"integer range": "N", "integer": "N"}.get(
        parameter.type.name, parameter.type.name.upper()
    )


def cell(text: str) -> str:
    """Text in a table."""
    return text.replace("|", "\\|")


if __name__ == "__main__":
    page = Path(__file__).parent / "reference" / "command-line.md"
    page.write_text(reference(), encoding="utf-8")
