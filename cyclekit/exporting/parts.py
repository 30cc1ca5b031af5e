"""Further networks that a script needs, each a file of its own that is proven equal."""

from importlib.metadata import version

import torch
from torch import Tensor
from torch.export import Dim

from cyclekit.contract.portable import PortablePart
from cyclekit.errors import CyclekitError
from cyclekit.exporting.graph import INPUT, exported_module
from cyclekit.exporting.onnx_file import converted, read_onnx
from cyclekit.exporting.parity import BATCHES, TOLERANCE

LEAST = 8  # positions that an axis may have: mirrored ends need some
SIZES = (1.0, 0.73, 1.41)  # of the example, of which sizes are compared


def write_part(part: PortablePart, name: str) -> bytes:
    """A part as ONNX, compared with itself in torch.

    Args:
        part: It.
        name: Its name.

    Raises:
        CyclekitError: If it cannot be ONNX, or that computes something else.
    """
    sizes = range(2, part.example.dim())
    axes = {0: "batch"} | {axis: f"size_{axis - 1}" for axis in sizes}
    dynamic = {axis: Dim(called, min=LEAST if axis else 1) for axis, called in axes.items()}
    network = part.network.cpu().eval()
    example = torch.cat([part.example, part.example]).float().cpu()
    program = exported_module(network, (example,), dynamic, {})
    about = {"cyclekit": version("cyclekit"), "format": "part", "direction": name}
    content = converted(program, [INPUT], {0: axes[0]}, about)
    run, _ = read_onnx(content, name)
    worst = 0.0
    for share in SIZES:
        for batch in BATCHES:
            x = _sized(example[:batch], share)
            with torch.no_grad():
                wanted = network(x)
            made = run(x)
            unit = part.range[1] - part.range[0] if part.range else float(wanted.std()) or 1.0
            apart = (made - wanted).abs().max() / unit
            worst = max(worst, float(apart.nan_to_num(nan=torch.inf)))
    if worst > TOLERANCE["fp32"]:
        raise CyclekitError(
            f"The {name} as ONNX is not what it is here: {worst:.1e} of its range apart, "
            f"{TOLERANCE['fp32']:g} allowed. Nothing was written."
        )
    return content


def _sized(x: Tensor, share: float) -> Tensor:
    """The beginning of each axis, or that and as much again."""
    for axis in range(2, x.dim()):
        length = max(round(x.shape[axis] * share), 1)
        x = torch.cat([x, x], axis).narrow(axis, 0, length)
    return x
