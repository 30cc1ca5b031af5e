"""Residual generators: one network under many names, and what tells its forms apart."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
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

COLOURS = "colours are RGB in -1..1: --bgr"
BORDERS = "borders are mirrored where padding layers stand: --padding zero"
DROPOUT_OFF = "dropout (0.5) is off while translating: --dropout-on"
IN_BLOCKS: Mapping[tuple[int, ...], tuple[str, bool]] = {
    (1, 5): ("reflect", False),
    (1, 6): ("reflect", True),
    (0, 3): ("zeros", False),
    (0, 4): ("zeros", True),
}
"""Places of a block's convolutions -> its padding, and whether there is dropout between them."""


@dataclass(frozen=True)
class Line:
    """A residual generator as a line of layers.

    Attributes:
        enter: The first convolution.
        down: Those that halve, and ``blocks`` each a pair, and ``up`` those that double.
        leave: The last one.
        padding: At the blocks' borders.
        dropout: Whether there is dropout inside blocks.
        options: What else is not as published.
    """

    enter: str
    down: Sequence[str]
    blocks: Sequence[tuple[str, str]]
    up: Sequence[str]
    leave: str
    padding: str = "reflect"
    dropout: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def slots(self) -> list[Slot]:
        """All convolutions in order; a norm is the layer behind each but the last."""
        inner = [layer for pair in self.blocks for layer in pair]
        layers = [self.enter, *self.down, *inner, *self.up]
        return [*(Slot(layer, following(layer)) for layer in layers), Slot(self.leave)]

    def layout(self, weights: Weights, choices: Choices, **more: Any) -> Layout:
        """Everything about it."""
        options = dict(self.options)
        at = dict(options.pop("padding_at", {}))
        if self.padding != "reflect":
            at.setdefault("blocks", self.padding)
        if choices.padding:
            open_places = ("enter", "leave", *(() if "blocks" in at else ("blocks",)))
            at |= dict.fromkeys(open_places, choices.padding)
        assumed = [*more.pop("assumed", ()), COLOURS]
        assumed += [] if choices.padding else [BORDERS]
        if self.dropout:
            options |= {"dropout": 0.5, "dropout_lasts": choices.dropout_on}
            assumed += [] if choices.dropout_on else [DROPOUT_OFF]
        return Layout(
            network="resnet",
            options={
                "channels": outputs(weights, self.enter),
                "blocks": len(self.blocks),
                "downsamplings": len(self.down),
                **options,
                **({"padding_at": at} if at else {}),
            },
            slots=self.slots,
            source=picture(inputs(weights, self.enter)),
            target=picture(outputs(weights, self.leave)),
            dropout=self.dropout,
            assumed=assumed,
            **more,
        )


def pairs(weights: Weights, prefix: str, word: str) -> tuple[list[tuple[str, str]], str, bool]:
    """Residual blocks ``prefix.N.word.{first,second}``, their padding, and whether they drop."""
    found = places(weights, rf"{re.escape(prefix)}\.(\d+)\.{word}\.\d+\.weight$")
    if not found:
        return [], "reflect", False
    inside = f"{prefix}.{found[0]}.{word}"
    spots = tuple(
        spot
        for spot in places(weights, rf"{re.escape(inside)}\.(\d+)\.weight$")
        if has_kernel(weights, f"{inside}.{spot}", 3)
    )
    if spots not in IN_BLOCKS:
        raise ValueError(f"convolutions at {spots} of {inside}, where (1, 5) or alike are expected")
    padding, dropout = IN_BLOCKS[spots]
    first, second = spots
    blocks = [(f"{prefix}.{n}.{word}.{first}", f"{prefix}.{n}.{word}.{second}") for n in found]
    return blocks, padding, dropout


def sequential(
    weights: Weights,
    prefix: str,
    word: str,
    *,
    blurs_down: bool = False,
    enlarges: bool = False,
    options: Mapping[str, Any] | None = None,
) -> Line:
    """A generator in one ``nn.Sequential``.

    Args:
        weights: By the peer's names.
        prefix: Of the line's layers.
        word: What residual blocks call theirs.
        blurs_down: Whether a filter stands behind each halving.
        enlarges: Whether an enlargement and a convolution stand for a transposed one.
        options: Of the network.
    """
    blocks, padding, dropout = pairs(weights, prefix, word)
    if not blocks:
        raise LookupError(f"there are no residual blocks {prefix}.N.{word}")
    begin, step = int(blocks[0][0].split(".")[prefix.count(".") + 1]), 4 if blurs_down else 3
    halvings, rest = divmod(begin - 4, step)
    if rest or not 1 <= halvings <= 6:
        raise ValueError(f"residual blocks begin at {begin}, where no form of it has them")
    behind = begin + len(blocks)
    doubled, apart = (behind + 1, 4) if enlarges else (behind, 3)
    return Line(
        enter=f"{prefix}.1",
        down=[f"{prefix}.{4 + step * n}" for n in range(halvings)],
        blocks=blocks,
        up=[f"{prefix}.{doubled + apart * n}" for n in range(halvings)],
        leave=f"{prefix}.{behind + apart * halvings + 1}",
        padding=padding,
        dropout=dropout,
        options=options or {},
    )


def _has_line(weights: Weights, word: str) -> bool:
    if has_any(weights, r"model\.2\.(shift|scale)"):  # Augmented CycleGAN's
        return False
    return has_kernel(weights, "model.1", 7) and has_any(weights, rf"model\.\d+\.{word}\.\d+\.")


def _filters(weights: Weights) -> list[str]:
    return [key for key in weights if re.fullmatch(r"model\.\d+\.filt", key)]


def _is_junyanz(weights: Weights) -> bool:
    plain = _has_line(weights, "conv_block") and not _filters(weights)
    return plain and not has_any(weights, r"encoder\.") and _halvings(weights) <= 2


def _halvings(weights: Weights) -> int:
    begin = places(weights, r"model\.(\d+)\.conv_block\.")
    return (begin[0] - 4) // 3 if begin else 0


def _junyanz(weights: Weights, choices: Choices) -> Layout:
    return sequential(weights, "model", "conv_block").layout(weights, choices)


def _ganslate(weights: Weights, choices: Choices) -> Layout:
    line = sequential(weights, "model", "conv_block")
    # With batch norm not even its last convolution has a bias.
    more = {"aliases": {"encoder.": "model."}, "unbiased": [line.leave]}
    return line.layout(weights, choices, running=True, **more)


def _pix2pixhd(weights: Weights, choices: Choices) -> Layout:
    return sequential(weights, "model", "conv_block").layout(weights, choices)


def _lornatang(weights: Weights, choices: Choices) -> Layout:
    said = "norms use each sample's own statistics, as in training; its script uses gathered ones"
    tracked = has_any(weights, r".*running_mean$")
    line = sequential(weights, "main", "res")
    return line.layout(weights, choices, assumed=[said] if tracked else [])


def _cut(weights: Weights, choices: Choices) -> Layout:
    filters = _filters(weights)
    # The way down has filters of 3, the way up of 4.
    down = [key for key in filters if weights[key].shape[-1] == 3]
    up = [key for key in filters if key not in down]
    options: dict[str, Any] = {"padding_at": {"resampling": "zeros"}}
    options |= {"downsample": "blur", "blur_taps": 3} if down else {}
    options |= {"upsample": "blur"} if up else {}
    line = sequential(
        weights,
        "model",
        "conv_block",
        blurs_down=bool(down),
        enlarges=bool(up),
        options=options,
    )
    lowpass = dict.fromkeys(down, binomial(1, 2, 1))
    lowpass |= dict.fromkeys(up, binomial(1, 3, 3, 1, gain=4.0))
    return line.layout(weights, choices, constants=lowpass)


def _pytorch_gan(weights: Weights, choices: Choices) -> Layout:
    options = {"upsample": "resize", "padding_at": {"resampling": "zeros"}}
    line = sequential(weights, "model", "block", enlarges=True, options=options)
    if inputs(weights, line.enter) != 3:
        raise ValueError("its borders are as wide as it has channels, which is right for 3 alone")
    return line.layout(weights, choices)


def _is_joligen(weights: Weights) -> bool:
    return has_any(weights, r"encoder\.model\.\d+\.conv_block\.") and has_any(
        weights, r"decoder\.model\.0\."
    )


def _joligen(weights: Weights, choices: Choices) -> Layout:
    if not has_kernel(weights, "encoder.model.1", 7):
        raise ValueError("a version of early 2022 without a border, whose pictures shrink")
    blocks, padding, dropout = pairs(weights, "encoder.model", "conv_block")
    bare = has_kernel(weights, "decoder.model.6", 7)  # no layer for its border stands before it
    line = Line(
        enter="encoder.model.1",
        down=["encoder.model.4", "encoder.model.7"],
        blocks=blocks,
        up=["decoder.model.0", "decoder.model.3"],
        leave=f"decoder.model.{6 if bare else 7}",
        padding=padding,
        dropout=dropout,
        options={"padding_at": {"leave": "zeros"}} if bare else {},
    )
    return line.layout(weights, choices, running=True)


def _is_persson(weights: Weights) -> bool:
    return has_kernel(weights, "initial.0", 7) and has_any(weights, r"res_blocks\.\d+\.block\.")


def _persson(weights: Weights, choices: Choices) -> Layout:
    found = places(weights, r"res_blocks\.(\d+)\.block\.0\.conv\.0\.weight$")
    line = Line(
        enter="initial.0",
        down=[f"down_blocks.{n}.conv.0" for n in places(weights, r"down_blocks\.(\d+)\.conv\.0\.")],
        blocks=[
            (f"res_blocks.{n}.block.0.conv.0", f"res_blocks.{n}.block.1.conv.0") for n in found
        ],
        up=[f"up_blocks.{n}.conv.0" for n in places(weights, r"up_blocks\.(\d+)\.conv\.0\.")],
        leave="last",
        options={"padding_at": {"resampling": "reflect"}},
    )
    return line.layout(weights, choices)


RESNETS = (
    Family(
        "resnet",
        "the residual generator of pytorch-CycleGAN-and-pix2pix, and of many others",
        "generator",
        _is_junyanz,
        _junyanz,
    ),
    Family(
        "cut",
        "CUT's residual generator, with filters where it changes sizes",
        "generator",
        lambda weights: _has_line(weights, "conv_block") and bool(_filters(weights)),
        _cut,
    ),
    Family(
        "pytorch-gan",
        "PyTorch-GAN's residual generator, and its twin on the Hub",
        "generator",
        lambda weights: _has_line(weights, "block"),
        _pytorch_gan,
    ),
    Family(
        "ganslate",
        "ganslate's residual generator",
        "generator",
        lambda weights: _has_line(weights, "conv_block") and has_any(weights, r"encoder\.\d"),
        _ganslate,
    ),
    Family(
        "lornatang",
        "the residual generator of Lornatang's CycleGAN-PyTorch",
        "generator",
        lambda weights: has_kernel(weights, "main.1", 7) and has_any(weights, r"main\.\d+\.res\."),
        _lornatang,
    ),
    Family("joligen", "joliGEN's plain residual generator", "generator", _is_joligen, _joligen),
    Family(
        "persson",
        "the residual generator of Persson's course",
        "generator",
        _is_persson,
        _persson,
    ),
    Family(
        "pix2pixhd",
        "pix2pixHD's global generator",
        "generator",
        lambda weights: _has_line(weights, "conv_block") and _halvings(weights) > 2,
        _pix2pixhd,
        licence="its code is CC BY-NC-SA 4.0: for no commercial use, and what is made of it is "
        "passed on under the same terms",
    ),
)
