"""Discriminators: of patches, in several forms, and of single pixels."""

from collections.abc import Mapping
from typing import Any

from cyclekit.api import Choices, Family, Layout, Slot
from cyclekit_image.importing.keys import (
    Weights,
    binomial,
    following,
    has_any,
    has_kernel,
    inputs,
    outputs,
    picture,
    places,
)


def _patches(
    weights: Weights, layers: list[str], options: Mapping[str, Any] | None = None, **more: Any
) -> Layout:
    """A discriminator of patches by its convolutions, the norms of the inner ones behind them."""
    first, *inner, last = layers
    return Layout(
        network="patchgan",
        options={"channels": outputs(weights, first), "layers": len(inner), **(options or {})},
        slots=[Slot(first), *(Slot(layer, following(layer)) for layer in inner), Slot(last)],
        source=picture(inputs(weights, first)),
        target=None,
        **more,
    )


def _convolutions(weights: Weights, prefix: str) -> list[str]:
    return [
        f"{prefix}.{place}"
        for place in places(weights, rf"{prefix}\.(\d+)\.weight$")
        if has_kernel(weights, f"{prefix}.{place}", 4)
    ]


def _places(weights: Weights, prefix: str) -> list[int]:
    return [int(layer.rpartition(".")[2]) for layer in _convolutions(weights, prefix)]


def _is_patchgan(weights: Weights, prefix: str = "model") -> bool:
    spots = _places(weights, prefix)
    return len(spots) > 2 and spots == [0, *range(2, spots[-1] + 1, 3)]


def _is_pytorch_gan(weights: Weights) -> bool:
    *spots, last = _places(weights, "model") or [0]
    return len(spots) > 2 and spots == [0, *range(2, spots[-1] + 1, 3)] and last == spots[-1] + 4


def _is_cut(weights: Weights) -> bool:
    return has_kernel(weights, "model.0", 4) and has_any(weights, r"model\.2\.filt$")


def _patchgan(weights: Weights, choices: Choices) -> Layout:
    return _patches(weights, _convolutions(weights, "model"))


def _lornatang(weights: Weights, choices: Choices) -> Layout:
    said = "its logits are averaged over patches there"
    return _patches(weights, _convolutions(weights, "main"), assumed=[said])


def _pytorch_gan(weights: Weights, choices: Choices) -> Layout:
    layers = _convolutions(weights, "model")
    # Its norms have no parameters, and say nothing about themselves.
    options = {"layers": len(layers) - 2, "last_halves": True}
    return _patches(weights, layers, options, norms="instance", unbiased=layers[-1:])


def _cut(weights: Weights, choices: Choices) -> Layout:
    filters = [f"model.{n}.filt" for n in places(weights, r"model\.(\d+)\.filt$")]
    return _patches(
        weights,
        _convolutions(weights, "model"),
        {"downsample": "blur"},
        constants=dict.fromkeys(filters, binomial(1, 2, 1)),
    )


def _persson(weights: Weights, choices: Choices) -> Layout:
    inner = [f"model.{n}.conv.0" for n in places(weights, r"model\.(\d+)\.conv\.0\.weight$")]
    last = f"model.{len(inner)}"
    said = "its logits go through a sigmoid there"
    layers = ["initial.0", *inner, last]
    return _patches(weights, layers, {"padding": "reflect"}, assumed=[said])


def _pixel(weights: Weights, choices: Choices) -> Layout:
    return Layout(
        network="pixel",
        options={"channels": outputs(weights, "net.0")},
        slots=[Slot("net.0"), Slot("net.2", "net.3"), Slot("net.5")],
        source=picture(inputs(weights, "net.0")),
        target=None,
        unbiased=["net.5"],
    )


JUDGES = (
    Family(
        "patchgan",
        "a discriminator of patches, as pytorch-CycleGAN-and-pix2pix and others have it",
        "discriminator",
        lambda weights: (
            _is_patchgan(weights) and not _is_cut(weights) and "model.3.scale" not in weights
        ),
        _patchgan,
    ),
    Family(
        "lornatang-patchgan",
        "the discriminator of Lornatang's CycleGAN-PyTorch",
        "discriminator",
        lambda weights: _is_patchgan(weights, "main"),
        _lornatang,
        judges_results=True,
    ),
    Family(
        "cut-patchgan",
        "CUT's discriminator, with filters where it halves",
        "discriminator",
        _is_cut,
        _cut,
    ),
    Family(
        "pytorch-gan-patchgan",
        "PyTorch-GAN's discriminator, and its twin on the Hub",
        "discriminator",
        _is_pytorch_gan,
        _pytorch_gan,
    ),
    Family(
        "persson-patchgan",
        "the discriminator of Persson's course",
        "discriminator",
        lambda weights: (
            has_kernel(weights, "initial.0", 4) and has_kernel(weights, "model.0.conv.0", 4)
        ),
        _persson,
    ),
    Family(
        "pixel",
        "a discriminator of single pixels",
        "discriminator",
        lambda weights: has_kernel(weights, "net.0", 1) and has_kernel(weights, "net.5", 1),
        _pixel,
    ),
)
