"""Settings for two folders of pictures and a number of minutes: a table, and the trial behind each.

The trials are those of docs/performance/trials.md, "Time to quality": flat and three-dimensional
emoji of 64 px, from which the recipe ``small`` comes. Where there was none, a reason says so.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from cyclekit.api import Candidate, Survey
from cyclekit_image.looks import Looks, look

SMALLEST, LARGEST = 16, 256  # windows in px
WINDOWS = (128, 64, 32)  # besides those as large as the pictures
APART = 0.8  # a smaller window is at most so large a part of the pictures
SHRUNK = 1.5  # pictures at most so many times as large as windows are shrunk to them
SQUARE = 1.1  # the longer side, in shorter ones, of pictures that are made square
STEP_SECONDS = 0.26  # of `small`: 64 px, 16 channels, batches of 4
WIDE = 3.5  # times as many multiplications with 32 channels


@dataclass(frozen=True)
class Row:
    """Networks and batches of one size.

    Attributes:
        channels: Of the generators.
        critic: Channels of the discriminators.
        batch: Pictures of each domain in a step.
        least: Steps.
        whole: Only for windows that are as large as pictures are.
        trial: What speaks for it.
    """

    channels: int
    critic: int
    batch: int
    least: int
    whole: bool
    trial: str


ROWS = (
    Row(32, 24, 8, 3000, True, "1,200 steps are behind an hour of 16 channels; more: untried"),
    Row(16, 16, 4, 300, False, "recipe small: nearer to the truth than twice the width at batch 4"),
)
PAPER_STEPS, PAPER_SECONDS = 20_000, 8.4  # the latter as benchmarks/step.py has it


def propose(survey: Survey) -> Sequence[Candidate]:
    """Windows, widths and batches for pictures such as these, the most costly first."""
    looks = look(survey.files)
    whole, *parts = _windows(looks.short)
    return [
        *_paper(looks),
        *(_small(looks, whole, row) for row in ROWS),
        *(_small(looks, part, row) for part in parts for row in ROWS if not row.whole),
    ]


def _windows(short: int) -> list[int]:
    """As large as pictures are, in fours since generators halve twice, and smaller."""
    whole = min(max(short // 4 * 4, SMALLEST), LARGEST)
    return [whole, *(window for window in WINDOWS if window <= APART * whole)]


def _small(looks: Looks, window: int, row: Row) -> Candidate:
    """The recipe ``small``'s settings, at another size."""
    codec, why = _codec(looks, window)
    layers = min(4, window.bit_length() - 3)  # patches of 142 px at 64 px, smaller in smaller ones
    settings = {
        "codec": codec | {"round_to": 8},
        "generator": {
            "channels": row.channels, "blocks": 2, "downsamplings": 2, "upsample": "blur",
            "norm": "none", "negative_slope": 0.2, "init": "xavier", "residual": True,
        },
        "discriminator": {
            "name": "patchgan_slopes", "generators_gain": 20.0, "channels": row.critic,
            "layers": layers, "norm": "none", "init": "xavier",
        },
        "objective": {
            "cycle": {"weight": 1.0, "back_translation": True},
            "identity": {"weight": 0.3},
            "augmentation": {"translation": 0.125},
        },
        "train": {
            "batch_size": row.batch, "learning_rate": 4e-4, "ema": 0.9999, "ema_share": 0.5,
        },
    }  # fmt: skip
    wide = WIDE if row.channels == ROWS[0].channels else 1.0
    work = (window / 64) ** 2 * row.batch / 4 * wide
    reasons = why | {
        "generator.channels, train.batch_size": row.trial,
        "generator.norm": "norms forget colours, most of what differed in the trials",
        "generator.negative_slope": "without norms, ReLUs died in two runs; leaky ones learned",
        "discriminator.name": "the only one of ten that told shading (loss .05 to .08)",
        "discriminator.layers": _layers_reason(window),
        "train.ema_share": "of .1, .25 and .5 the one better than pictures left alone in all",
    }
    return Candidate(settings, row.least, STEP_SECONDS * work, reasons)


def _paper(looks: Looks) -> Iterator[Candidate]:
    """The paper's networks, which take a GPU and time."""
    if looks.short < LARGEST:
        return
    codec, why = _codec(looks, LARGEST)
    settings = {
        "codec": codec,
        "generator": {"channels": 64, "blocks": 9},
        "discriminator": {"channels": 64, "layers": 3},
        "objective": {"cycle": {"weight": 10.0}, "identity": {"weight": 5.0}},
        "train": {"batch_size": 1, "learning_rate": 2e-4, "ema": 0.9999, "ema_share": 0.1},
    }
    why |= {
        "generator.channels, generator.blocks": "recipe paper: as published for 256 px",
        "train.batch_size": "as published; with a tenth of its 200,000 steps at least, no trial",
    }
    yield Candidate(settings, PAPER_STEPS, PAPER_SECONDS, why)


def _codec(looks: Looks, window: int) -> tuple[dict[str, Any], dict[str, str]]:
    """How pictures become windows, and why so."""
    codec: dict[str, Any] = {"crop": window, "channels": looks.channels}
    pictures = f"pictures are {looks.short} px on their shorter side (median)"
    if looks.short > SHRUNK * window:
        codec["preprocess"] = "crop"
        share = f"{window / looks.short:.0%}"
        why = f"{pictures}; windows are {share} of that, at the scale that is translated later"
    else:
        square = looks.aspect <= SQUARE
        codec["preprocess"] = "resize_and_crop" if square else "scale_shortside"
        codec["resize"] = window
        why = f"{pictures}: they are seen whole" if square else f"{pictures}: as much as fits"
    reasons = {"codec.crop, codec.preprocess": why, "codec.channels": looks.channels_reason}
    if looks.deep:
        codec["bits"] = 16
        reasons["codec.bits"] = "files have 16 bits"
    return codec, reasons


def _layers_reason(window: int) -> str:
    if window >= 64:
        return "patches of 142 px, the best of four sizes in the trials"
    return f"as many as {window} px have room for; 4 at 64 px in the trials"
