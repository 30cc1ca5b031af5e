"""StarGAN's two networks, as its authors' code and PyTorch-GAN's name their layers."""

from collections.abc import Sequence
from itertools import pairwise

from cyclekit.api import Family, Layout, Slot
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

COLOURS_OF = 3
"""Channels of the pictures: keys show them and the labels' planes together."""
ATTRIBUTES = ("Black_Hair", "Blond_Hair", "Brown_Hair", "Male", "Young")
EXPRESSIONS = (
    "angry", "contemptuous", "disgusted", "fearful", "happy", "neutral", "sad", "surprised",
)  # fmt: skip
KNOWN = {len(ATTRIBUTES): ATTRIBUTES, len(EXPRESSIONS): EXPRESSIONS}
"""What the published checkpoints' labels stand for, by their number: CelebA's, and RaFD's."""
JOINT = 2 + len(ATTRIBUTES) + len(EXPRESSIONS)


def _is_generator(weights: Weights, prefix: str, word: str) -> bool:
    return has_kernel(weights, f"{prefix}.0", 7) and has_any(
        weights, rf"{prefix}\.\d+\.{word}\.0\."
    )


def _domains(count: int) -> tuple[Sequence[str], str]:
    """Names of the domains that labels stand for, and what is to be said about them."""
    if count == JOINT:
        raise ValueError(
            "its labels are those of two data sets and a mask that says which of them is meant, "
            "and a label here has one place for each domain"
        )
    if count < 2:
        raise ValueError("it has fewer than two domains")
    names = KNOWN.get(count) or tuple(f"label-{number}" for number in range(1, count + 1))
    switch = f"--set \"objective.domains=['first', ...]\", {count} names in the labels' order"
    told = "one of them is 1 and all others are 0"
    return names, f"its labels are {', '.join(names)}, of which {told}: {switch}"


def _generator(weights: Weights, prefix: str, word: str) -> Layout:
    """Convolutions without biases, affine norms that use each picture's own statistics."""
    found = places(weights, rf"{prefix}\.(\d+)\.{word}\.0\.weight$")
    halvings, rest = divmod(found[0] - 3, 3)
    if rest or not 1 <= halvings <= 6:
        raise ValueError(f"residual blocks begin at {found[0]}, where no form of it has them")
    behind = found[-1] + 1
    enter, leave = f"{prefix}.0", f"{prefix}.{behind + 3 * halvings}"
    down = [f"{prefix}.{3 + 3 * n}" for n in range(halvings)]
    blocks = [f"{prefix}.{n}.{word}.{place}" for n in found for place in (0, 3)]
    up = [f"{prefix}.{behind + 3 * n}" for n in range(halvings)]
    channels = outputs(weights, leave)
    labels = inputs(weights, enter) - channels
    domains, said = _domains(labels)
    return Layout(
        network="resnet",
        options={
            "channels": outputs(weights, enter),
            "blocks": len(found),
            "downsamplings": halvings,
            "affine": True,
            "padding": "zeros",
            "stride_width": 4,
            "init": "torch",
        },
        slots=[*(Slot(one, following(one)) for one in (enter, *down, *blocks, *up)), Slot(leave)],
        source=picture(channels),
        target=picture(channels),
        condition=labels,
        planes=True,
        norms="instance",
        unbiased=[leave],
        settings={
            "objective.domains": list(domains),
            "objective.condition": "planes",
            "codec.channels": channels,
        },
        assumed=[said, COLOURS],
    )


def _is_judge(weights: Weights, prefix: str, heads: tuple[str, str]) -> bool:
    return has_kernel(weights, f"{prefix}.0", 4) and all(
        f"{head}.weight" in weights for head in heads
    )


def _judge(weights: Weights, prefix: str, heads: tuple[str, str]) -> Layout:
    """Halvings without norms, and two heads without biases."""
    layers = [f"{prefix}.{n}" for n in places(weights, rf"{prefix}\.(\d+)\.weight$")]
    for layer, behind in pairwise(layers):
        if inputs(weights, behind) != outputs(weights, layer):
            raise ValueError(f"{behind} does not take what {layer} makes")
    biased = [f"{layer}.bias" for layer in layers]
    if missing := [key for key in biased if key not in weights]:
        raise KeyError(missing[0])
    judge, classify = heads
    count = outputs(weights, classify)
    domains, _ = _domains(count)
    return Layout(
        network="stargan",
        options={
            "channels": outputs(weights, layers[0]),
            "layers": len(layers),
            "last_map": weights[f"{classify}.weight"].shape[-1],
        },
        slots=[Slot(name) for name in (*layers, judge, classify)],
        source=picture(inputs(weights, layers[0])),
        target=None,
        norms="unsaid",
        classes=count,
        unbiased=heads,
        settings={"objective.domains": list(domains)},
    )


OFFICIAL, COPY = ("conv1", "conv2"), ("out1", "out2")

STARGANS = (
    Family(
        "stargan",
        "StarGAN's generator",
        "generator",
        lambda weights: _is_generator(weights, "main", "main"),
        lambda weights, choices: _generator(weights, "main", "main"),
        objective="stargan",
        role="generator",
    ),
    Family(
        "pytorch-gan-stargan",
        "PyTorch-GAN's StarGAN generator",
        "generator",
        lambda weights: _is_generator(weights, "model", "conv_block"),
        lambda weights, choices: _generator(weights, "model", "conv_block"),
        objective="stargan",
        role="generator",
    ),
    Family(
        "stargan-judge",
        "StarGAN's discriminator",
        "discriminator",
        lambda weights: _is_judge(weights, "main", OFFICIAL),
        lambda weights, choices: _judge(weights, "main", OFFICIAL),
        objective="stargan",
        role="discriminator",
    ),
    Family(
        "pytorch-gan-stargan-judge",
        "PyTorch-GAN's StarGAN discriminator",
        "discriminator",
        lambda weights: _is_judge(weights, "model", COPY),
        lambda weights, choices: _judge(weights, "model", COPY),
        objective="stargan",
        role="discriminator",
    ),
)
