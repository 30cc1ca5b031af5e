"""Augmented CycleGAN's networks, as its published code names their layers."""

import re
from collections.abc import Sequence

from cyclekit.api import (
    CODE_DISCRIMINATOR,
    PAIR_ENCODER,
    Choices,
    Family,
    Layout,
    Slot,
    TensorSpec,
)
from cyclekit_image.importing.keys import (
    Weights,
    has_any,
    has_kernel,
    inputs,
    outputs,
    picture,
    places,
)
from cyclekit_image.importing.resnets import COLOURS, DROPOUT_OFF

OBJECTIVE = "augmented"
PARTS = ("scale", "shift")
"""What handwritten norms call their parameters."""
BLOCKS = (10, 11, 12)
ENTER, WIDEN, HALVE, DOUBLE, NARROW, LEAVE = (f"model.{place}" for place in (1, 4, 7, 13, 16, 19))
NO_PLACE = "it is built otherwise than the other domain's, and a run has one kind of discriminator"


def _codes(norm: str) -> Slot:
    """What a code does to a norm's maps: two convolutions of one position, side by side."""
    return Slot((f"{norm}.scale_conv.0", f"{norm}.shift_conv.0"))


def _generator(weights: Weights, choices: Choices, first: str, told: bool) -> Layout:
    """Either generator.

    Args:
        weights: By the peer's names.
        choices: What keys do not show.
        first: Inside a block, the convolution that comes first, with what stands behind it.
        told: Whether it is the one that is told a code.
    """
    inside = f"model.{BLOCKS[0]}.conv_block"
    dropout = has_kernel(weights, f"{inside}.5", 3)
    second, behind = (5, 6) if dropout else (4, 5)
    size = inputs(weights, "model.2.scale_conv.0") if told else 0

    def ending(layer: str, norm: str) -> list[Slot]:
        if told:
            return [Slot(layer), _codes(norm)]
        return [Slot(layer, norm, norm_parts=PARTS)]

    slots: list[Slot] = []
    for layer, norm in ((ENTER, "model.2"), (WIDEN, "model.5"), (HALVE, "model.8")):
        slots += ending(layer, norm)
    for block in (f"model.{place}.conv_block" for place in BLOCKS):
        slots.append(Slot(f"{block}.{first}"))
        slots += [_codes(f"{block}.1.module2")] if told else []
        slots.append(Slot(f"{block}.{second}", f"{block}.{behind}", norm_parts=PARTS))
    for layer, norm in ((DOUBLE, "model.14"), (NARROW, "model.17")):
        slots += ending(layer, norm)
    slots.append(Slot(LEAVE))
    _require_biases(weights, [name for slot in slots for name in _names(slot)])
    source, target = inputs(weights, ENTER), outputs(weights, LEAVE)
    a, b = (source, target) if told else (target, source)
    return Layout(
        network="resnet",
        options={
            "channels": outputs(weights, ENTER),
            "blocks": len(BLOCKS),
            "downsamplings": 1,
            "widenings": 1,
            "affine": True,
            "modulation": "rectified",
            "block_norms": "second",
            "activate_sum": True,
            "padding_at": {"leave": "zeros"},
            **({"dropout": 0.5, "dropout_lasts": choices.dropout_on} if dropout else {}),
        },
        slots=slots,
        source=picture(source),
        target=picture(target),
        condition=size,
        norms="unbiased",
        aliases=_second_names(weights),
        dropout=dropout,
        settings={
            **({"objective.code.size": size} if told else {}),
            "codec.channels": a,
            **({"codec.channels_b": b} if a != b else {}),
        },
        assumed=[COLOURS, *([DROPOUT_OFF] if dropout and not choices.dropout_on else [])],
    )


def _names(slot: Slot) -> Sequence[str]:
    return (slot.conv,) if isinstance(slot.conv, str) else slot.conv


def _require_biases(weights: Weights, layers: Sequence[str]) -> None:
    for layer in layers:
        if f"{layer}.bias" not in weights:
            raise KeyError(f"{layer}.bias")


def _second_names(weights: Weights) -> dict[str, str]:
    """Blocks' layers are saved twice where their inputs are two."""
    found = {match[0] for key in weights if (match := re.match(r"model\.1[012]\.\d+\.", key))}
    return {name: re.sub(r"(\d+\.)$", r"conv_block.\1", name) for name in sorted(found)}


def _encoder(weights: Weights, choices: Choices) -> Layout:
    """Halvings, a convolution that sees the whole, and the code's mean."""
    layers = [f"conv_modules.{n}" for n in places(weights, r"conv_modules\.(\d+)\.weight$")]
    layers = [layer for layer in layers if weights[f"{layer}.weight"].dim() == 4]
    first, *inner = layers
    size = outputs(weights, "enc_mu")
    normed = [Slot(layer, f"{layer.rpartition('.')[0]}.{_place(layer) + 1}") for layer in inner]
    return Layout(
        network="pair_encoder",
        options={
            "channels": outputs(weights, first),
            "layers": len(inner),
            "negative_slope": 0.0,
            "last_map": weights[f"{inner[-1]}.weight"].shape[-1],
        },
        slots=[Slot(first), *normed, Slot("enc_mu")],
        source=picture(inputs(weights, first)),
        target=None,
        condition=size,
        norms="batch",
        ignored={"enc_logvar.": "a code's spread, which is used under --stoch_enc alone"},
        settings={"objective.code.size": size},
        assumed=["codes are found with the statistics gathered in training, not a batch's own"],
    )


def _place(layer: str) -> int:
    return int(layer.rpartition(".")[2])


def _judge_of_codes(weights: Weights, choices: Choices) -> Layout:
    size = weights["model.0.weight"].shape[1]
    return Layout(
        network="code_discriminator",
        options={"width": len(weights["model.0.weight"])},
        slots=[*(Slot(f"model.{n}", f"model.{n + 1}") for n in (0, 3, 6)), Slot("model.9")],
        source=TensorSpec(size, (None,)),
        target=None,
        condition=size,
        norms="batch",
        settings={"objective.code.size": size},
    )


def _is_linear(weights: Weights, layer: str) -> bool:
    weight = weights.get(f"{layer}.weight")
    return weight is not None and weight.dim() == 2


AUGMENTED = (
    Family(
        "augmented",
        "Augmented CycleGAN's generator that is told a code",
        "generator",
        lambda weights: has_any(weights, r"model\.2\.shift_conv\.0\."),
        lambda weights, choices: _generator(weights, choices, "1.module1", told=True),
        objective=OBJECTIVE,
        role="generator_a2b",
    ),
    Family(
        "augmented-back",
        "Augmented CycleGAN's way back",
        "generator",
        lambda weights: (
            {"model.2.scale", "model.2.shift", "model.10.conv_block.1.weight"} <= weights.keys()
        ),
        lambda weights, choices: _generator(weights, choices, "1", told=False),
        objective=OBJECTIVE,
        role="generator_b2a",
    ),
    Family(
        "augmented-encoder",
        "Augmented CycleGAN's encoder of codes",
        "own",
        lambda weights: has_any(weights, r"conv_modules\.0\.") and has_any(weights, r"enc_mu\."),
        _encoder,
        network=PAIR_ENCODER,
        objective=OBJECTIVE,
        role="encoder_b",
        table="objective.encoder",
    ),
    Family(
        "augmented-code-judge",
        "Augmented CycleGAN's discriminator of codes",
        "own",
        lambda weights: all(_is_linear(weights, f"model.{place}") for place in (0, 3, 6, 9)),
        _judge_of_codes,
        network=CODE_DISCRIMINATOR,
        objective=OBJECTIVE,
        role="code_discriminator_b",
        table="objective.code",
    ),
    Family(
        "augmented-judge",
        "Augmented CycleGAN's discriminator",
        "discriminator",
        lambda weights: {"model.3.scale", "model.6.scale", "model.11.weight"} <= weights.keys(),
        objective=OBJECTIVE,
        left_out=NO_PLACE,
    ),
)
