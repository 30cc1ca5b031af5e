"""From a run to a file for others, which is there only if it does what translate does."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cyclekit.console import Console
from cyclekit.contract.declarations import Direction
from cyclekit.engine.fabric import Hardware
from cyclekit.errors import CyclekitError, DataError, UsageError, suggest
from cyclekit.exporting.about import about_export, page_of
from cyclekit.exporting.formats import FORMATS, format_named
from cyclekit.exporting.graph import LABEL, Graph, Shape
from cyclekit.exporting.onnx_file import read_file
from cyclekit.exporting.parity import Parity
from cyclekit.exporting.parts import write_part
from cyclekit.exporting.script import whole_script
from cyclekit.names import heading
from cyclekit.runs.open_run import OpenRun, open_run
from cyclekit.storage.folder import Storage


def export_run(
    run: Path,
    output: Path,
    direction: str | None = None,
    format: str | None = None,
    precision: str = "fp32",
    checkpoint: str = "latest",
    console: Console = Console(quiet=True),  # noqa: B008 - has no state
) -> list[Path]:
    """Write a direction of a run as one file, with a page and a script beside it.

    Args:
        run: The run.
        output: The file.
        direction: Which way; may be left out where there is only one.
        format: One of ``FORMATS``; default: what the suffix says.
        precision: ``fp32``, or ``fp16`` for half the size.
        checkpoint: ``latest``, ``best`` or a step.
        console: Is told what is going on.

    Returns:
        What was written, the file first.

    Raises:
        CyclekitError: If it cannot be written, or is not what ``translate`` computes: then nothing
            was written, and what lay there before still does.
    """
    if output.is_dir():
        raise UsageError(f"{output} is a folder; -o names the file.")
    kind = format_named(format, output)
    opened = _opened(run, checkpoint)
    way = _chosen(opened, direction)
    about = about_export(opened, way, kind.name, precision)
    targets = about.get(LABEL, {}).get("targets", ())
    said = f"to {', '.join(map(heading, targets))}" if targets else way.name
    console.say(f"{said}, step {opened.checkpoint.step}, as {kind.name} in {precision}")
    content = kind.write(Graph(opened, way, precision == "fp16"), about)
    runner, _ = kind.read(content, str(output), lambda said: _graph(opened, said, output))
    parity = kind.compare(runner, opened, way, precision)
    if not parity.holds:
        raise CyclekitError(
            f"{output} was not written: what it computes is not what translate does: {parity}, "
            f"with an input of {parity.where}."
        )
    console.say(f"compared with translate: {parity}")
    if kind.note:
        console.say(f"note: {kind.note}")
    return _keep(content, about, opened, way, output)


def check_file(
    run: Path,
    file: Path,
    direction: str | None = None,
    format: str | None = None,
    checkpoint: str = "latest",
) -> Parity:
    """Compare an exported file with its run, as ``export_run`` does before it writes one.

    Args:
        run: The run that it was exported from.
        file: The file. ``.pt2`` and ``.torchscript`` files are code: name only what you trust.
        direction: Which way; default: what the file says.
        format: One of ``FORMATS``; default: what the suffix says.
        checkpoint: ``latest``, ``best`` or a step.

    Raises:
        CyclekitError: If the file cannot be read, is of another run, or computes something else.
    """
    kind = format_named(format, file)
    opened = _opened(run, checkpoint)
    runner, about = kind.read(read_file(file), str(file), lambda said: _graph(opened, said, file))
    way = _direction(opened, about, file)
    able = [way.name, *(one.name for one in Shape.of(opened, way).ways.values())]
    if direction is not None and direction not in able:
        raise UsageError(f"{file} translates {way.name}, not {direction}.")
    if about.get("format") in FORMATS:
        kind = FORMATS[about["format"]]  # a bundle is ONNX as well
    parity = kind.compare(runner, opened, way, _precision(about, file))
    if not parity.holds:
        step = f"step {about.get('step')!s:.20}"
        own = opened.checkpoint.step
        raise CyclekitError(
            f"{file} is not what {run} computes at step {own} (the file says {step}): {parity}, "
            f"with an input of {parity.where}."
        )
    return parity


def _chosen(opened: OpenRun, direction: str | None) -> Direction:
    """The direction that is exported; where a label says to which target, any will do."""
    first = next(iter(opened.model.directions.values()))
    if direction is None and opened.model.objective.label(first) is not None:
        return first
    return opened.model.direction(direction)


def _opened(run: Path, checkpoint: str) -> OpenRun:
    """A run in the arithmetic in which files are compared."""
    return open_run(run, checkpoint, Hardware(accelerator="cpu"), "32-true")


def _graph(opened: OpenRun, about: Mapping[str, Any], file: Path) -> Graph:
    """The graph of a run that a file speaks of."""
    return Graph(opened, _direction(opened, about, file), _precision(about, file) == "fp16")


def _direction(opened: OpenRun, about: Mapping[str, Any], file: Path) -> Direction:
    said, ways = about["direction"], opened.model.directions
    if said not in ways:
        raise DataError(
            f"{file} translates {said!r:.60}, and {opened.run} does not. {suggest(said, ways)}"
        )
    return ways[said]


def _precision(about: Mapping[str, Any], file: Path) -> str:
    precision = about.get("precision")
    if precision not in ("fp32", "fp16"):
        raise DataError(f"{file}: its metadata are none that `cyclekit export` writes.")
    return str(precision)


def _keep(
    content: bytes, about: dict[str, Any], opened: OpenRun, way: Direction, output: Path
) -> list[Path]:
    """Write the file, and beside it what others need to use it."""
    portable = opened.model.codec.portable(*way.ends)
    script = whole_script(portable) if about["format"] == "onnx" else ""
    parts = {name: write_part(part, name) for name, part in portable.parts.items() if script}
    storage = Storage(output.parent)
    written = [storage.write_bytes(output.name, content)]
    page = page_of(about, opened, way, output.name)
    written.append(storage.write_text(f"{output.name}.md", page))
    if script:
        written.append(storage.write_text(f"{output.name}.py", script))
    for name, part in parts.items():
        written.append(storage.write_bytes(f"{output.name}.{name}.onnx", part))
    return written
