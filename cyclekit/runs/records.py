"""JSON files of a run: read with clear errors, made readable."""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from cyclekit.errors import CheckpointError
from cyclekit.storage.handle import open_file, read_text

MOST_JSON = 2**26  # bytes
LONGEST_LINE = 2**20  # bytes
LARGEST_STEP = 2**53  # what every reader of JSON agrees on
PER_STEP, PER_SECOND = "seconds_per_step", "samples_per_second"
SECONDS, GFLOP, SHARE, MEMORY = "seconds_", "gflop_per_step", "share_of_peak", "peak_memory_bytes"
"""What ``timing.jsonl`` says; ``SECONDS`` is followed by a phase or ``data``."""


def read_json(file: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        CheckpointError: If the file is missing or damaged.
    """
    try:
        content = json.loads(read_text(file, MOST_JSON))
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{file} cannot be read: {error}.") from error
    if not isinstance(content, dict):
        raise CheckpointError(f"{file} does not hold a JSON object.")
    return content


def to_json(content: Mapping[str, Any]) -> str:
    """A JSON object as text, readable."""
    return json.dumps(content, indent=2) + "\n"


def to_lines(contents: Iterable[Mapping[str, Any]]) -> str:
    """JSON objects as text, one a line."""
    return "".join(f"{json.dumps(content)}\n" for content in contents)


def lines_by_step(file: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The lines of a growing record and what they hold; none where there is no file.

    A line that is no JSON object with a ``step`` is left out: it is what a killed writer left.
    """
    for line, record in json_lines(file):
        step = record.get("step")
        if type(step) is int and 0 <= step < LARGEST_STEP:
            yield line, record


def json_lines(file: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The lines of a file that hold JSON objects, one after the other; none where it is not there.

    Others are left out.
    """
    if not file.is_file():
        return
    with open_file(file) as stream:
        while raw := stream.readline(LONGEST_LINE):
            line = raw.decode(errors="replace").rstrip("\r\n")
            try:
                record = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if isinstance(record, dict):
                yield line, record


def require_writer(content: Mapping[str, Any], file: Path) -> dict[str, str]:
    """What ``describe_writer`` wrote about the plugin.

    Raises:
        CheckpointError: If it is not there.
    """
    plugin = content.get("plugin")
    keys = ("name", "distribution", "version")
    if not isinstance(plugin, dict) or not all(isinstance(plugin.get(key), str) for key in keys):
        raise CheckpointError(f"{file} does not say which plugin wrote it: it is damaged.")
    return plugin
