"""The kinds of files that a direction is written as, each with the way to read it again."""

import io
import json
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from cyclekit.contract.declarations import Direction
from cyclekit.describe import describe_exception
from cyclekit.engine.padding import mirrored, rounded_up
from cyclekit.errors import CyclekitError, DataError, UsageError, suggest
from cyclekit.exporting.bundle import compare_bundle, write_bundle
from cyclekit.exporting.graph import CODE, LABEL, Graph, exported
from cyclekit.exporting.onnx_file import ABOUT, Runner, parsed_about, read_onnx, write_onnx
from cyclekit.exporting.parity import Parity, compare
from cyclekit.runs.open_run import OpenRun

ABOUT_FILE = "cyclekit.json"  # beside the code, in what is an archive

Graphs = Callable[[Mapping[str, Any]], Graph]
"""The graph that some metadata speak of: for what holds weights alone."""


@dataclass(frozen=True)
class Format:
    """A kind of file.

    Attributes:
        name: After ``--format``.
        suffix: By which it is known.
        write: Graph and metadata to the file's bytes.
        read: The bytes, a name for messages and the run's graphs to what runs them, and the
            metadata.
        compare: How it is compared with ``translate``.
        note: What a person should hear who writes one.
    """

    name: str
    suffix: str
    write: Callable[[Graph, Mapping[str, Any]], bytes]
    read: Callable[[bytes, str, Graphs], tuple[Runner, dict[str, Any]]]
    compare: Callable[[Runner, OpenRun, Direction, str], Parity] = compare
    note: str = ""


def _read_onnx(content: bytes, name: str, graph: Graphs) -> tuple[Runner, dict[str, Any]]:
    return read_onnx(content, name)


def _write_pt2(graph: Graph, about: Mapping[str, Any]) -> bytes:
    """What ``torch.export.load`` reads."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.export.save(exported(graph), buffer, extra_files={ABOUT_FILE: json.dumps(about)})
    return buffer.getvalue()


def _read_pt2(content: bytes, name: str, graph: Graphs) -> tuple[Runner, dict[str, Any]]:
    extra: dict[str, Any] = {ABOUT_FILE: ""}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            module = torch.export.load(io.BytesIO(content), extra_files=extra).module()
    except Exception as error:
        raise _unreadable(name, "torch.export", error) from error
    return _run(module), parsed_about(_text(extra[ABOUT_FILE]), name)


class _Translated(nn.Module):
    """A graph's networks without what brings sizes into shape, to be traced."""

    def __init__(self, graph: Graph) -> None:
        super().__init__()
        self.graph = graph

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.graph.translated(*inputs)


class _AnySize(nn.Module):
    """Mirrors ends, calls what was traced, cuts: in TorchScript, since traces forget sizes."""

    def __init__(self, traced: nn.Module, graph: Graph) -> None:
        super().__init__()
        shape = graph.shape
        self.traced = traced
        self.gaps = shape.source.gaps
        axes = zip(shape.source.sizes, shape.multiples, strict=True)
        self.multiples = [1 if fixed else multiple for fixed, multiple in axes]
        self.fewest = shape.fewest

    def fitted(self, x: Tensor) -> Tensor:
        if self.gaps:
            x = x.nan_to_num(nan=0.0)
        for axis, multiple in enumerate(self.multiples, 2):
            if multiple > 1:
                length = x.size(axis)
                total = rounded_up(length, multiple, self.fewest)
                x = x.index_select(axis, mirrored(length, total).to(x.device))
        return x

    def cut(self, x: Tensor, like: Tensor) -> Tensor:
        for axis in range(2, like.dim()):
            x = x.narrow(axis, 0, like.size(axis))
        return x


class _Plain(_AnySize):
    def forward(self, input: Tensor) -> Tensor:
        return self.cut(self.traced(self.fitted(input)), input)


class _Labelled(_AnySize):
    def forward(self, input: Tensor, label: Tensor) -> Tensor:
        return self.cut(self.traced(self.fitted(input), label), input)


class _Coded(_AnySize):
    def forward(self, input: Tensor, code: Tensor) -> Tensor:
        return self.cut(self.traced(self.fitted(input), code), input)


class _LabelledAndCoded(_AnySize):
    def forward(self, input: Tensor, label: Tensor, code: Tensor) -> Tensor:
        return self.cut(self.traced(self.fitted(input), label, code), input)


_TOLD: dict[tuple[str, ...], type[_AnySize]] = {
    (): _Plain,
    (LABEL,): _Labelled,
    (CODE,): _Coded,
    (LABEL, CODE): _LabelledAndCoded,
}
"""By what goes in beside samples, which TorchScript has to be told by its name."""


def _write_torchscript(graph: Graph, about: Mapping[str, Any]) -> bytes:
    """What ``torch.jit.load`` and libtorch read."""
    buffer, jit = io.BytesIO(), _jit()
    shape = graph.shape
    inputs = shape.inputs(2, [2 * shape.fewest * multiple for multiple in shape.multiples])
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            traced = jit.trace(_Translated(graph).eval(), inputs, check_trace=False)
            whole = _TOLD[tuple(shape.names[1:])](traced, graph).eval()
            jit.save(jit.script(whole), buffer, _extra_files={ABOUT_FILE: json.dumps(about)})
    except (RuntimeError, TypeError, ValueError) as error:
        raise CyclekitError(
            f"TorchScript cannot hold this network ({describe_exception(error):.600}). Try "
            f"--format pt2 or onnx."
        ) from error
    return buffer.getvalue()


def _jit() -> Any:
    """TorchScript, which has no types."""
    return torch.jit


def _read_torchscript(content: bytes, name: str, graph: Graphs) -> tuple[Runner, dict[str, Any]]:
    extra: dict[str, Any] = {ABOUT_FILE: ""}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            module = _jit().load(io.BytesIO(content), _extra_files=extra)
    except Exception as error:
        raise _unreadable(name, "TorchScript", error) from error
    return _run(module), parsed_about(_text(extra[ABOUT_FILE]), name)


def _write_safetensors(graph: Graph, about: Mapping[str, Any]) -> bytes:
    """The weights alone, ``network.layer.weight``: for whoever has the architecture."""
    weights = {name: tensor.contiguous() for name, tensor in graph.networks.state_dict().items()}
    return safetensors.torch.save(weights, {ABOUT: json.dumps(about)})


def _read_safetensors(content: bytes, name: str, graph: Graphs) -> tuple[Runner, dict[str, Any]]:
    """The same networks with the file's weights in them."""
    try:
        weights = safetensors.torch.load(content)
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    except (SafetensorError, ValueError) as error:
        raise _unreadable(name, "safetensors", error) from error
    about = parsed_about(header.get("__metadata__", {}).get(ABOUT, ""), name)
    module = graph(about)
    try:
        module.networks.load_state_dict(weights)
    except RuntimeError as error:
        raise _unreadable(name, "this run's weights", error) from error
    return _run(module), about


def _run(module: nn.Module) -> Runner:
    @torch.no_grad()
    def run(*inputs: Tensor) -> Tensor:
        made: Tensor = module(*inputs)
        return made

    return run


def _text(value: str | bytes) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else value


def _unreadable(name: str, kind: str, error: Exception) -> DataError:
    return DataError(f"{name} cannot be read as {kind}: {describe_exception(error):.300}")


FORMATS = {
    format.name: format
    for format in (
        Format("onnx", ".onnx", write_onnx, _read_onnx),
        Format("pt2", ".pt2", _write_pt2, _read_pt2),
        Format(
            "torchscript",
            ".torchscript",
            _write_torchscript,
            _read_torchscript,
            note="torch deprecates TorchScript: it is here for hosts that take nothing else",
        ),
        Format("bundle", ".onnx", write_bundle, _read_onnx, compare_bundle),
        Format("safetensors", ".safetensors", _write_safetensors, _read_safetensors),
    )
}


def format_named(asked: str | None, file: Path) -> Format:
    """The format that was asked for, else the one that a file's suffix says, else ONNX where there
    is no suffix.

    Raises:
        UsageError: If there is none of that name, or the suffix says another, or nothing.
    """
    by_suffix = next((f for f in FORMATS.values() if f.suffix == file.suffix.lower()), None)
    if asked is None:
        if by_suffix is None and file.suffix:
            known = ", ".join(dict.fromkeys(known.suffix for known in FORMATS.values()))
            raise UsageError(
                f"{file}: {file.suffix} is no format's suffix. There are {known}; or say which "
                f"format it is with --format."
            )
        return by_suffix or FORMATS["onnx"]
    if asked not in FORMATS:
        raise UsageError(f"--format: there is none called {asked!r}. {suggest(asked, FORMATS)}")
    if by_suffix is not None and by_suffix.suffix != FORMATS[asked].suffix:
        raise UsageError(
            f"--format {asked} would lie in {file}, whose suffix says {by_suffix.name}. Change one."
        )
    return FORMATS[asked]
