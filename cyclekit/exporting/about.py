"""What an exported file says about itself: metadata, and a page on how to feed it."""

from collections.abc import Mapping
from functools import partial
from importlib.metadata import version
from pathlib import Path, PurePath
from typing import Any

from torch import Tensor

from cyclekit.contract.declarations import Direction
from cyclekit.contract.tensors import TensorSpec
from cyclekit.engine.norm_statistics import normalizes_instances
from cyclekit.exporting.graph import CODE, INPUT, LABEL, OUTPUT, Shape
from cyclekit.names import heading
from cyclekit.runs.open_run import OpenRun

MOST_LEARNED = 100_000  # numbers that a codec learned from the data and that go into the metadata
LICENCE = (
    "The weights were learned from their owner's data; they are whoever's who may use that data. "
    "cyclekit's own licence (Apache-2.0) says nothing about them."
)


def about_export(
    opened: OpenRun, direction: Direction, format: str, precision: str
) -> dict[str, Any]:
    """Metadata: all that somebody must know who has nothing but the file. JSON values.

    Args:
        opened: The run.
        direction: What is exported.
        format: What it is written as.
        precision: ``fp32`` or ``fp16``.
    """
    model, shape = opened.model, Shape.of(opened, direction)
    portable = model.codec.portable(*direction.ends)
    of = _picture if format == "bundle" else partial(_tensor, axes=portable.axes)
    return {
        "cyclekit": version("cyclekit"),
        "format": format,
        "precision": precision,
        "plugin": model.modality.name,
        "objective": model.objective.name,
        "step": opened.checkpoint.step,
        "direction": direction.name,
        "source": direction.source,
        "target": direction.target,
        INPUT: of(shape.source),
        OUTPUT: of(shape.target),
        **({LABEL: {"targets": _labels(shape)}} if shape.labels else {}),
        **({CODE: {"size": shape.code, "distribution": "N(0, 1)"}} if shape.code else {}),
        "multiple_of": list(shape.multiples),
        "padding": "inside: any size may be fed, and comes back",
        "tiles": _tiles(opened, direction, shape.source),
        "codec": _without_paths(model.codec.options.model_dump(mode="json")),
        "learned": _learned(model.codec.state_dict()),
        "settings": _without_paths(dict(portable.settings)),
        "licence": LICENCE,
    }


def page_of(about: Mapping[str, Any], opened: OpenRun, direction: Direction, file: str) -> str:
    """What to feed the file, as Markdown for a person.

    Args:
        about: What ``about_export`` made.
        opened: The run.
        direction: What is exported.
        file: Its name.
    """
    portable = opened.model.codec.portable(*direction.ends)
    source, target = (heading(domain) for domain in direction.ends)
    names = ", ".join(f"`{name}`" for name in (INPUT, LABEL, CODE) if name in about)
    if LABEL in about:
        targets = about[LABEL]["targets"]
        source, target = "any of its domains", " or ".join(map(heading, targets))
    tensors = about["format"] != "bundle"
    batch = "batch" if tensors else "1"
    lines = [
        f"# {file}",
        "",
        f"Translates {source} to {target}: plugin {about['plugin']}, objective "
        f"{about['objective']}, {about['step']} steps, {about['precision']}; written by cyclekit "
        f"{about['cyclekit']} and compared with `cyclekit translate`.",
        "",
        f"- Inputs: {names}. Output: `{OUTPUT}`.",
        f"- `{INPUT}`: {_in_words(about[INPUT])}. {portable.input if tensors else ''}".rstrip(),
        f"- `{OUTPUT}`: {_in_words(about[OUTPUT])}. {portable.output if tensors else ''}".rstrip(),
    ]
    if LABEL in about:
        told = "; ".join(f"{heading(name)}: {label}" for name, label in targets.items())
        lines.append(
            f"- `{LABEL}`: float32 ({batch}, {len(targets[about['target']])}), what to translate "
            f"to. {told}."
        )
    if CODE in about:
        lines.append(
            f"- `{CODE}`: float32 ({batch}, {about[CODE]['size']}), from N(0, 1): other codes, "
            f"other translations."
        )
    lines += [f"- Sizes: {about['padding']}.", f"- Tiles: {about['tiles']}"]
    if portable.script and about["format"] == "onnx":
        more = (" --to NAME" if LABEL in about else "") + (" --seed N" if CODE in about else "")
        lines.append(
            f"- A script beside it translates a file: `python {file}.py {file} IN OUT{more}`."
        )
        lines += [
            f"- `{file}.{name}.onnx` is the {name} that it needs as well."
            for name in portable.parts
        ]
    return "\n".join([*lines, f"- Licence: {about['licence']}", ""])


def _labels(shape: Shape) -> dict[str, list[float]]:
    return {target: list(label) for target, label in shape.labels.items()}


def _picture(spec: TensorSpec) -> dict[str, Any]:
    """What a bundle takes or gives."""
    return {
        "dtype": "uint8",
        "axes": ["height", "width", "channels"],
        "channels": spec.channels,
        "sizes": list(spec.sizes),
        "range": [0, 255],
    }


def _tensor(spec: TensorSpec, axes: tuple[str, ...]) -> dict[str, Any]:
    names = axes or tuple(f"size_{number}" for number in range(1, spec.dims + 1))
    return {
        "dtype": "float32",
        "axes": ["batch", "channels", *names],
        "channels": spec.channels,
        "sizes": list(spec.sizes),
        "range": None if spec.range is None else list(spec.range),
    }


def _in_words(tensor: Mapping[str, Any]) -> str:
    sizes = [tensor["channels"] if axis == "channels" else axis for axis in tensor["axes"]]
    for number, size in enumerate(tensor["sizes"], start=len(sizes) - len(tensor["sizes"])):
        if size:
            sizes[number] = size
    bounds = tensor["range"]
    within = "unbounded" if bounds is None else f"in {bounds[0]:g} to {bounds[1]:g}"
    return f"{tensor['dtype']} ({', '.join(map(str, sizes))}), {within}"


def _tiles(opened: OpenRun, direction: Direction, spec: TensorSpec) -> str:
    """What becomes of inputs that are larger than a tile."""
    if not any(spec.tiles):
        return "none: every input is translated as a whole."
    most = " x ".join(str(tile or "any") for tile in spec.tiles)
    said = f"cyclekit translates what is larger than {most} in overlapping tiles"
    networks = [opened.model.networks[name] for name in direction.networks]
    if any(map(normalizes_instances, networks)):
        return (
            f"{said} that share their statistics. This network normalises each input by its own "
            f"mean and variance, which a graph cannot share between tiles: feed larger inputs as "
            f"a whole (a little different from cyclekit's), or tiles that each get a look of their "
            f"own."
        )
    return f"{said}; a whole gives the same, and takes more memory."


def _learned(state: Mapping[str, Tensor]) -> dict[str, Any] | None:
    """What the codec learned from the data, where it is not too much."""
    if sum(tensor.numel() for tensor in state.values()) > MOST_LEARNED:
        return None
    return {name: tensor.tolist() for name, tensor in state.items()}


def _without_paths(value: Any) -> Any:
    """Settings without the folders of the machine on which they were made."""
    if isinstance(value, Mapping):
        return {key: _without_paths(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_without_paths(inner) for inner in value]
    if isinstance(value, str) and (Path(value).is_absolute() or PurePath(value).is_absolute()):
        return Path(value).name
    return value
