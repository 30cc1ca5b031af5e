"""U-Net generators of pix2pix: the published one, nested, and PyTorch-GAN's, in one row."""

from torch import Tensor

from cyclekit.api import Choices, Family, Layout, Slot
from cyclekit_image.importing.keys import (
    Weights,
    following,
    has_any,
    has_kernel,
    inputs,
    outputs,
    picture,
    places,
)
from cyclekit_image.importing.resnets import COLOURS

DEEPEST = 10  # halvings


def _nested(weights: Weights, choices: Choices) -> Layout:
    """Each level inside the one before it; the way up comes back out of them."""
    prefixes = ["model.model", "model.model.1.model"]
    while has_kernel(weights, f"{prefixes[-1]}.3.model.1", 4) and len(prefixes) < DEEPEST:
        prefixes.append(f"{prefixes[-1]}.3.model")
    outer, *inner, narrowest = prefixes
    down = [Slot(f"{prefix}.1", f"{prefix}.2") for prefix in inner]
    up = [Slot(f"{prefix}.5", f"{prefix}.6") for prefix in reversed(inner)]
    middle = [Slot(f"{narrowest}.1"), Slot(f"{narrowest}.3", f"{narrowest}.4")]
    enter, leave = f"{outer}.0", f"{outer}.3"
    assumed = [COLOURS]
    if not choices.dropout_on:
        assumed.append("no dropout, which keys do not show: --dropout-on (0.5, as pix2pix has it)")
    size = 2 ** len(prefixes)
    return Layout(
        network="unet_256",
        options={
            "channels": outputs(weights, enter),
            "downsamplings": len(prefixes),
            "dropout": 0.5 if choices.dropout_on else 0.0,
            "dropout_lasts": choices.dropout_on,
        },
        slots=[Slot(enter), *down, *middle, *up, Slot(leave)],
        source=picture(inputs(weights, enter)),
        target=picture(outputs(weights, leave, transposed=True)),
        dropout=None,
        settings=_windows(size),
        assumed=assumed,
    )


def _windows(size: int) -> dict[str, int]:
    """Training windows that the network can take."""
    crop = max(size, 256 // size * size)
    return {"codec.crop": crop, "codec.resize": crop + crop // 8}


def _row(weights: Weights, choices: Choices) -> Layout:
    """PyTorch-GAN's: ``down1 .. down8``, ``up1 .. up7``, skips behind what was doubled."""
    depth = len(places(weights, r"down(\d+)\.model\.0\.weight$"))
    down = [f"down{n}.model.0" for n in range(1, depth + 1)]
    up = [f"up{n}.model.0" for n in range(1, depth)]
    first, *later = up
    dropout = {"dropout": 0.5, "dropout_lasts": choices.dropout_on, "dropout_in": "both"}
    off = "dropout (0.5) is off while translating, where the peer's is on: --dropout-on"
    return Layout(
        network="unet_256",
        options={
            "channels": outputs(weights, down[0]),
            "downsamplings": depth,
            "rectify": "after",
            "leave": "resize",
            **dropout,
        },
        slots=[
            *(Slot(layer, following(layer)) for layer in down),
            Slot(first, following(first)),
            *(Slot(layer, following(layer), _skips_first) for layer in later),
            Slot("final.2", "", _skips_first_of_inputs),
        ],
        source=picture(inputs(weights, down[0])),
        target=picture(outputs(weights, "final.2")),
        norms="instance",
        unbiased=[*down, *up],
        dropout=True,
        settings=_windows(2**depth),
        assumed=[COLOURS, *([] if choices.dropout_on else [off])],
    )


def _skips_first(weight: Tensor) -> Tensor:
    """Of a transposed convolution, whose inputs are the first axis."""
    return weight.roll(len(weight) // 2, 0)


def _skips_first_of_inputs(weight: Tensor) -> Tensor:
    return weight.roll(weight.shape[1] // 2, 1)


UNETS = (
    Family(
        "unet",
        "the U-Net of pytorch-CycleGAN-and-pix2pix",
        "generator",
        lambda weights: has_kernel(weights, "model.model.0", 4),
        _nested,
    ),
    Family(
        "pytorch-gan-unet",
        "PyTorch-GAN's U-Net, and its twin on the Hub",
        "generator",
        lambda weights: (
            has_kernel(weights, "down1.model.0", 4) and has_any(weights, r"up1\.model\.0\.weight")
        ),
        _row,
    ),
)
