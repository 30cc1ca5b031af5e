"""A run that translates with an exported file in place of its networks."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from cyclekit.console import Console
from cyclekit.errors import UsageError
from cyclekit.exporting.graph import LABEL
from cyclekit.exporting.onnx_file import read_file, read_onnx
from cyclekit.runs.open_run import OpenRun


def with_model(opened: OpenRun, file: Path, console: Console) -> OpenRun:
    """A run that translates with an exported ONNX file, on the CPU: one direction, or all whose
    targets are told apart by the label that the file takes.

    Raises:
        CyclekitError: If the file cannot be used, or is of none of the run's directions.
    """
    runner, about = read_onnx(read_file(file), str(file))
    if about.get("format") != "onnx":
        raise UsageError(f"{file} takes no tensors. Export it with --format onnx to measure it.")
    way = opened.model.direction(about["direction"])
    ways = opened.model.directions
    labels: dict[str, Sequence[float] | None] = {way.name: None}
    if LABEL in about:
        alike = [each for each in ways.values() if each.networks == way.networks]
        labels = {each.name: opened.model.objective.label(each) for each in alike}
    others = [name for name in ways if name not in labels]
    rest = f"; {', '.join(others)}: the run's own networks" if others else ""
    console.say(f"{', '.join(labels)}: {file}, of step {about.get('step')!s:.20}{rest}")
    translator = opened.translator
    for name, label in labels.items():
        run = runner if label is None else partial(_labelled, runner, torch.tensor(label))
        translator = translator.with_other(ways[name], run)
    return replace(opened, translator=translator)


def _labelled(run: Callable[..., Tensor], label: Tensor, x: Tensor, *code: Tensor) -> Tensor:
    """What an exported file makes of samples that are told one label."""
    return run(x, label.expand(len(x), -1).contiguous(), *code)
