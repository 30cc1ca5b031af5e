"""CycleGAN-VC's line: MaskCycleGAN-VC's networks, and the statistics of its speakers."""

import io
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cyclekit.api import (
    CheckpointError,
    Choices,
    Codec,
    Family,
    Layout,
    Slot,
    TensorSpec,
    UsageError,
)
from cyclekit_audio.importing.keys import places

Weights = Mapping[str, Tensor]
LARGEST_STATISTICS = 2**20  # bytes; a mean and a deviation have a few hundred numbers
DOMAINS = ("a", "b")
AS_TRAINED = {
    "codec.mel": {"preset": "melgan"},
    "codec.frames": 64,
    "codec.trim": 0.0,
    "codec.dither": 0.0,
    "codec.fade": 0.0,
    "codec.level": "kept",
    "objective.frame_mask.longest": 32,
}
"""What MaskCycleGAN-VC's own preparation does to sound."""


def _is_voice(weights: Weights, channels: int) -> bool:
    first = weights.get("conv1.weight")
    return (
        first is not None
        and first.dim() == 4
        and tuple(first.shape[1:]) == (channels, 5, 15)
        and "conv1_gates.weight" in weights
    )


def _gated(layer: str, gates: str) -> Slot:
    """A convolution with its norm, and the same for its gates, which are one here."""
    return Slot((f"{layer}.0", f"{gates}.0"), (f"{layer}.1", f"{gates}.1"))


def _mask(weights: Weights, choices: Choices) -> Layout:
    width = 2 * weights["conv1.weight"].shape[0]
    fold = weights["conv2dto1dLayer.weight"]
    bands, rest = divmod(4 * fold.shape[1], width)
    if rest:
        raise ValueError("its widths do not fit together")
    blocks = places(weights, r"residualLayer(\d+)\.")
    down = [f"downSample{n}" for n in (1, 2)]
    trunk = []
    for n in blocks:
        layer = f"residualLayer{n}"
        trunk.append(_gated(f"{layer}.conv1d_layer", f"{layer}.conv_layer_gates"))
        trunk.append(Slot(f"{layer}.conv1d_out_layer.0", f"{layer}.conv1d_out_layer.1"))
    return Layout(
        network="vc2",
        options={"channels": width, "blocks": len(blocks)},
        slots=[
            Slot(("conv1", "conv1_gates")),
            *(_gated(f"{layer}.convLayer", f"{layer}.convLayer_gates") for layer in down),
            Slot("conv2dto1dLayer", "conv2dto1dLayer_tfan"),
            *trunk,
            Slot("conv1dto2dLayer", "conv1dto2dLayer_tfan"),
            Slot("upSample1.0", "upSample1.2"),
            Slot("upSample2.0", "upSample2.2"),
            Slot("lastConvLayer"),
        ],
        source=TensorSpec(2, (bands, None), range=None),
        target=TensorSpec(1, (bands, None), range=None),
        extra=1,  # the mask
        norms="unsaid",
        aliases={"convLayer.": "upSample2."},
        ignored={
            "upSample1_tfan.": "a layer that is never called",
            "upSample2_tfan.": "a layer that is never called",
        },
        settings=AS_TRAINED | {"codec.mel": {"preset": "melgan", "bins": bands}},
        assumed=["its mels are MelGAN's: 22,050 Hz, up to 11,025 Hz, decimal logarithms"],
    )


def _judge(weights: Weights, choices: Choices) -> Layout:
    inner = [f"downSample{n}" for n in (1, 2, 3)]
    bands = 80
    return Layout(
        network="vc2",
        options={"channels": len(weights["convLayer1.0.weight"]), "layers": len(inner)},
        slots=[
            Slot("convLayer1.0"),
            *(Slot(f"{layer}.0", f"{layer}.1") for layer in inner),
            Slot("outputConvLayer.0"),
        ],
        source=TensorSpec(1, (bands, None), range=None),
        target=None,
        norms="unsaid",
        ignored={"downSample4.": "a layer that is never called"},
        assumed=["its logits go through a sigmoid there"],
    )


def _with_statistics(codec: Codec[Any], choices: Choices) -> Sequence[str]:
    """Give the codec both speakers' means and deviations, without which nothing fits.

    Raises:
        UsageError: If they were not named.
        CheckpointError: If they cannot be used.
    """
    missing = [domain for domain in DOMAINS if domain not in choices.statistics]
    if missing:
        named = " ".join(f"--statistics {domain}=FILE" for domain in missing)
        raise UsageError(
            f"These networks were trained on each speaker's normalised bands, and need the "
            f"statistics of both: {named} (SPEAKER_norm_stat.npz, which their preprocessing "
            f"wrote)."
        )
    bins = codec.options.mel.bins
    tables = {domain: _read(choices.statistics[domain], bins) for domain in DOMAINS}
    codec.load_state_dict({**codec.state_dict(), **tables})
    return [f"voice {domain.upper()}: {choices.statistics[domain].name}" for domain in DOMAINS]


def _read(file: Path, bins: int) -> Tensor:
    """Mean and deviation of each band, ``(2, bins)``.

    Raises:
        CheckpointError: If the file holds none.
    """
    try:
        with file.open("rb") as stream:
            content = stream.read(LARGEST_STATISTICS + 1) if file.is_file() else b""
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if sum(record.file_size for record in archive.infolist()) > LARGEST_STATISTICS:
                raise ValueError("it is far too large")
        with np.load(io.BytesIO(content), allow_pickle=False) as held:
            table = np.stack([held[key].reshape(-1).astype(np.float32) for key in ("mean", "std")])
    except Exception as error:  # numpy and zipfile raise whatever a damaged file leads them to
        reason = " ".join(str(error).split())[:100]
        raise CheckpointError(
            f"{file} holds no statistics ({reason}): expected arrays called mean and std, as "
            f"MaskCycleGAN-VC's preprocessing writes them."
        ) from error
    found = torch.from_numpy(table)
    if found.shape != (2, bins) or not found.isfinite().all() or (found[1] <= 0).any():
        raise CheckpointError(
            f"{file} does not hold a mean and a positive deviation for each of {bins} bands."
        )
    return found


VOICES = (
    Family(
        "maskcyclegan-vc",
        "MaskCycleGAN-VC's generator",
        "generator",
        lambda weights: _is_voice(weights, 2),
        _mask,
        prepare=_with_statistics,
    ),
    Family(
        "maskcyclegan-vc-judge",
        "MaskCycleGAN-VC's discriminator",
        "discriminator",
        lambda weights: {"convLayer1.0.weight", "outputConvLayer.0.weight"} <= weights.keys(),
        _judge,
    ),
    Family(
        "cyclegan-vc2",
        "CycleGAN-VC2's generator",
        "generator",
        lambda weights: _is_voice(weights, 1),
        refusal="it translates mel cepstra of WORLD (36 coefficients at 16 kHz), and this plugin "
        "has spectrograms alone",
    ),
)
