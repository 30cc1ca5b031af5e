"""ONNX: written by torch's exporter, read from bytes in which nothing points elsewhere."""

import json
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from cyclekit.errors import CyclekitError, DataError, UsageError
from cyclekit.exporting.graph import OUTPUT, Graph, exported
from cyclekit.extras import install_command
from cyclekit.storage.handle import open_file

if TYPE_CHECKING:
    import onnx

OPSET = 18  # the oldest that torch's exporter writes by itself; InstanceNormalization is its own
ABOUT = "cyclekit"
"""Where a file's metadata lie: one JSON object."""

STANDARD = {"", "ai.onnx", "ai.onnx.ml"}
MAX_PROTOBUF_BYTES = 2**31 - 1  # bytes of a protocol buffer

Runner = Callable[..., Tensor]


def require_onnx() -> None:
    """Raise ``UsageError`` with what to install where it is missing."""
    try:
        import onnx
        import onnxruntime
        import onnxscript
    except ImportError as error:
        raise UsageError(
            f"ONNX needs the package {error.name!r}: {install_command('export')}"
        ) from error
    del onnx, onnxruntime, onnxscript


def write_onnx(graph: Graph, about: Mapping[str, Any]) -> bytes:
    """One file with its weights, its metadata and dynamic sizes.

    Args:
        graph: What to write.
        about: Metadata, JSON values.

    Raises:
        PluginError: If it cannot be made into a graph.
        CyclekitError: If torch's exporter does not know an operator in it, or it is too large.
    """
    require_onnx()
    program = exported(graph)
    sizes = enumerate(graph.shape.source.sizes, start=2)
    axes = {0: "batch"} | {axis: f"size_{axis - 1}" for axis, fixed in sizes if fixed is None}
    return converted(program, graph.shape.names, axes, about)


def converted(
    program: Any, names: list[str], axes: Mapping[int, str], about: Mapping[str, Any]
) -> bytes:
    """An exported program as ONNX.

    Args:
        program: Of torch.export.
        names: Of the inputs.
        axes: Names of the dynamic axes of the first input and of the output.
        about: Metadata.
    """
    try:
        with _silence():
            made = torch.onnx.export(
                program,
                dynamo=True,
                opset_version=OPSET,
                input_names=names,
                output_names=[OUTPUT],
                external_data=False,
                verbose=False,
            )
        assert made is not None
        model = made.model_proto
    except torch.onnx.errors.OnnxExporterError as error:
        said = " ".join(str(error).split("## Exception summary")[-1].split())
        raise CyclekitError(f"ONNX cannot hold this network: {said:.600}") from error
    _name_axes(model, axes)
    entry = model.metadata_props.add()
    entry.key, entry.value = ABOUT, json.dumps(about)
    if model.ByteSize() > MAX_PROTOBUF_BYTES:
        raise CyclekitError("ONNX files end at 2 GiB, and this one has more. Try --precision fp16.")
    return bytes(model.SerializeToString())


def read_onnx(content: bytes, name: str) -> tuple[Runner, dict[str, Any]]:
    """A model that runs on the CPU, and its metadata.

    Args:
        content: The file's bytes. They are all that is read: what would lie in other files, or need
            code of others, is refused (compare CVE-2026-27489).
        name: For messages.

    Raises:
        UsageError: If ONNX Runtime is not installed.
        DataError: If it is no ONNX, is refused, or was not written by ``cyclekit export``.
    """
    require_onnx()
    import onnxruntime

    model = _parsed(content, name)
    _refuse_foreign(model, name)
    about = _about(model, name)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = torch.get_num_threads()
    try:
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # of pybind, with no base of their own
        raise DataError(f"{name}: ONNX Runtime refuses it: {_first_line(error)}") from error
    inputs = [one.name for one in session.get_inputs()]

    def run(*tensors: Tensor) -> Tensor:
        fed = {key: value.numpy() for key, value in zip(inputs, tensors, strict=True)}
        try:
            (made, *_) = session.run(None, fed)
        except Exception as error:
            raise DataError(f"{name}: ONNX Runtime failed: {_first_line(error)}") from error
        return torch.from_numpy(made)

    return run, about


def read_file(path: Path) -> bytes:
    """The bytes of an ordinary file.

    Raises:
        DataError: If it cannot be read or is too large.
    """
    try:
        with open_file(path, follow=True) as file:
            content = file.read(MAX_PROTOBUF_BYTES + 1)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from error
    if len(content) > MAX_PROTOBUF_BYTES:
        raise DataError(f"{path} has more than 2 GiB, which no exported model has.")
    return content


def _parsed(content: bytes, name: str) -> "onnx.ModelProto":
    import onnx

    model = onnx.ModelProto()
    try:
        model.ParseFromString(content)
    except Exception as error:  # protobuf's, whichever implementation it uses
        raise DataError(f"{name} is no ONNX file, or is damaged.") from error
    if not model.graph.node:
        raise DataError(f"{name} is no ONNX file, or is damaged.")
    return model


def _refuse_foreign(model: "onnx.ModelProto", name: str) -> None:
    """Refuse weights in other files, and operators that need libraries of their own."""
    import onnx

    functions = {(function.domain, function.name) for function in model.functions}
    for graph in _graphs(model):
        for tensor in _tensors(graph):
            if tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.external_data:
                raise DataError(
                    f"{name} names other files for its weights, which is refused: such a name can "
                    f"lead anywhere. Save it again with the weights inside."
                )
        for node in graph.node:
            if node.domain not in STANDARD and (node.domain, node.op_type) not in functions:
                raise DataError(
                    f"{name} has the custom operator {node.domain}.{node.op_type:.60}, which is "
                    f"refused: it would need a library of somebody's. Export it anew."
                )


def _graphs(model: "onnx.ModelProto") -> Iterator[Any]:
    """The graph, those of functions, and those within their nodes."""
    waiting: list[Any] = [model.graph, *model.functions]
    while waiting:
        graph = waiting.pop()
        yield graph
        for node in graph.node:
            for attribute in node.attribute:
                waiting += [*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs]


def _tensors(graph: Any) -> Iterator[Any]:
    """Every tensor that a graph or a function holds."""
    yield from getattr(graph, "initializer", ())
    for sparse in getattr(graph, "sparse_initializer", ()):
        yield from (sparse.values, sparse.indices)
    for node in graph.node:
        for attribute in node.attribute:
            yield from (attribute.t, *attribute.tensors)
            for sparse in (attribute.sparse_tensor, *attribute.sparse_tensors):
                yield from (sparse.values, sparse.indices)


def _about(model: "onnx.ModelProto", name: str) -> dict[str, Any]:
    for entry in model.metadata_props:
        if entry.key == ABOUT:
            return parsed_about(entry.value, name)
    raise DataError(f"{name} does not say what it is: only what `cyclekit export` wrote is taken.")


def parsed_about(text: str, name: str) -> dict[str, Any]:
    """Metadata as they were written.

    Raises:
        DataError: If they are anything else.
    """
    try:
        about = json.loads(text)
    except ValueError:
        about = None
    if not isinstance(about, dict) or not isinstance(about.get("direction"), str):
        raise DataError(f"{name}: its metadata are none that `cyclekit export` writes.")
    return about


def _name_axes(model: "onnx.ModelProto", axes: Mapping[int, str]) -> None:
    """Call dynamic axes what they are, in place of torch's symbols."""
    for value in (model.graph.input[0], model.graph.output[0]):
        for axis, name in axes.items():
            value.type.tensor_type.shape.dim[axis].dim_param = name
    for value in model.graph.input[1:]:  # labels and codes
        first = value.type.tensor_type.shape.dim[0]
        if not first.dim_value:
            first.dim_param = axes[0]


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:300] if str(error).strip() else type(error).__name__


@contextmanager
def _silence() -> Iterator[None]:
    """Keep what the exporter notes for its own authors from the person."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)
