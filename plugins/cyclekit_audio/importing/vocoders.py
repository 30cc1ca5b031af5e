"""HiFi-GAN's and MelGAN's generators, whose keys say nearly all; the mels are said beside them."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from torch import Tensor

from cyclekit.api import Choices, Delivery, Family, Layout, Slot, TensorSpec
from cyclekit_audio.importing.keys import places
from cyclekit_audio.mel import PRESETS
from cyclekit_audio.neural import HIFIGAN, MELGAN, HiFiGANOptions, pack

Weights = Mapping[str, Tensor]
LARGEST_CONFIG = 100_000  # bytes
FORM = (
    "upsample_rates", "upsample_kernel_sizes", "resblock", "resblock_kernel_sizes",
    "resblock_dilation_sizes",
)  # fmt: skip
MELS = ("sampling_rate", "n_fft", "hop_size", "win_size", "num_mels", "fmin", "fmax")


def _is_hifigan(weights: Weights) -> bool:
    return {"conv_pre.weight", "conv_post.weight", "ups.0.weight"} <= weights.keys()


def _hifigan(weights: Weights, choices: Choices) -> Layout:
    """Widths and kernels from the keys; rates, and dilations, from ``config.json``."""
    config = _read_config(choices)
    try:
        options = HiFiGANOptions(
            bins=weights["conv_pre.weight"].shape[1],
            channels=weights["conv_pre.weight"].shape[0],
            rates=config["upsample_rates"],
            kernels=config["upsample_kernel_sizes"],
            block=str(config["resblock"]),  # type: ignore[arg-type]
            block_kernels=config["resblock_kernel_sizes"],
            block_dilations=config["resblock_dilation_sizes"],
        )
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise ValueError(f"its config.json cannot be used ({where}: {first['msg']})") from error
    said = {"hop_size": math.prod(options.rates), "num_mels": options.bins}
    for key, wanted in said.items():
        if config[key] != wanted:
            raise ValueError(f"its config.json says {key} {config[key]!r:.20}, and it has {wanted}")
    side_by_side = len(options.block_kernels)
    slots, pairs = [Slot("conv_pre")], options.block == "1"
    enlarge = [Slot(f"ups.{place}") for place in range(len(options.rates))]
    blocks = []
    for place in range(len(options.rates) * side_by_side):
        inner = range(len(options.block_dilations[place % side_by_side]))
        names = ("convs1", "convs2") if pairs else ("convs",)
        blocks += [Slot(f"resblocks.{place}.{name}.{n}") for name in names for n in inner]
    return Layout(
        network="hifigan",
        options=options.model_dump(),
        slots=[*slots, *enlarge, *blocks, Slot("conv_post")],
        source=TensorSpec(options.bins, (None,), range=None),
        target=TensorSpec(1, (None,)),
        norms="unsaid",
        facts={key: config.get(key) for key in MELS},
    )


def _read_config(choices: Choices) -> dict[str, Any]:
    """The ``config.json`` beside the file.

    Raises:
        ValueError: If there is none, or it is none of HiFi-GAN's.
    """
    file = (choices.source or Path()).with_name("config.json")
    wanted = "its config.json must lie beside it: it says for which mels it was trained"
    try:
        with file.open("rb") as stream:
            content = stream.read(LARGEST_CONFIG + 1) if file.is_file() else b""
        config = json.loads(content[:LARGEST_CONFIG])
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(f"{wanted} ({file} cannot be read)") from error
    needed = (*FORM, *MELS[:5])
    missing = [key for key in needed if not isinstance(config, dict) or key not in config]
    if missing:
        raise ValueError(f"{wanted} ({file} does not say {', '.join(missing)})")
    return dict(config)


def _is_melgan(weights: Weights) -> bool:
    first, second = weights.get("model.1.weight"), weights.get("model.3.weight")
    is_line = first is not None and first.dim() == 3 and first.shape[2] == 7
    return is_line and second is not None and second.dim() == 3 and second.shape[2] % 2 == 0


def _melgan(weights: Weights, choices: Choices) -> Layout:
    enlarge = [
        place
        for place in places(weights, r"model\.(\d+)\.weight$")
        if (weight := weights[f"model.{place}.weight"]).dim() == 3 and weight.shape[2] != 7
    ]
    if not enlarge:
        raise LookupError("it has no enlargements")
    rates = [weights[f"model.{place}.weight"].shape[2] // 2 for place in enlarge]
    blocks = places(weights, r"model\.(\d+)\.block\.")
    layers, rest = divmod(len(blocks), len(rates))
    if rest:
        raise ValueError("it has not as many residual blocks behind each enlargement")
    slots = [Slot("model.1")]
    for place in enlarge:
        slots.append(Slot(f"model.{place}"))
        for inner in range(place + 1, place + 1 + layers):
            parts = ("block.2", "block.4", "shortcut")
            slots += [Slot(f"model.{inner}.{part}") for part in parts]
    last = enlarge[-1] + layers + 3
    mels = dict(PRESETS["melgan"])
    bins = weights["model.1.weight"].shape[1]
    return Layout(
        network="melgan",
        options={
            "bins": bins,
            "channels": weights[f"model.{last}.weight"].shape[1],
            "rates": rates,
            "layers": layers,
        },
        slots=[*slots, Slot(f"model.{last}")],
        source=TensorSpec(bins, (None,), range=None),
        target=TensorSpec(1, (None,)),
        norms="unsaid",
        assumed=["its mels are MelGAN's own: 22,050 Hz, up to 11,025 Hz, decimal logarithms"],
        facts={
            "sampling_rate": mels["rate"],
            "n_fft": mels["fft"],
            "hop_size": mels["hop"],
            "win_size": mels["window"],
            "num_mels": bins,
            "fmin": mels["low"],
            "fmax": mels["high"],
            "log": mels["log"],
        },
    )


def _deliver(layout: Layout, options: Mapping[str, Any], weights: Weights) -> Delivery:
    """The file that a recipe names."""
    mels = {
        key: value for key, value in layout.facts.items() if isinstance(value, (int, float, str))
    }
    return Delivery(
        pack(layout.network, options, mels, dict(weights)),
        ".safetensors",
        "--set codec.vocoder.name=network --set codec.vocoder.weights={file}",
    )


VOCODERS = (
    Family(
        "hifigan",
        "HiFi-GAN's generator",
        "file",
        _is_hifigan,
        _hifigan,
        network=HIFIGAN,
        deliver=_deliver,
    ),
    Family(
        "melgan",
        "MelGAN's generator",
        "file",
        _is_melgan,
        _melgan,
        network=MELGAN,
        deliver=_deliver,
    ),
)
