"""Whether translated pictures, as a collection, look like the target's: KID, FID, features."""

import warnings
from pathlib import Path

from pydantic import field_validator

from cyclekit.api import Estimate, Metric, Options, Translations, install_command, kernel_estimate
from cyclekit_image import lite
from cyclekit_image.arrays import Item
from cyclekit_image.features import (
    Seen,
    can_see,
    cosines,
    frechet_distance,
    inception_features,
    lite_features,
)

LEAST = 2  # pictures, without which nothing is known about a distribution


class ImageMetricOptions(Options):
    """Settings of `cyclekit evaluate --set metrics.KEY=VALUE`."""

    inception: str = ""
    """TorchScript file of the Inception-v3 that FID and KID are defined on, such as StyleGAN's
    `inception-2015-12-05.pt`; adds `fid` and `kid`. Loading it runs code from it: name only a file
    that you trust. No recipe can."""

    @field_validator("inception")
    @classmethod
    def _expanded(cls, path: str) -> str:
        return str(Path(path).expanduser().resolve()) if path else ""


def score_lite0(
    pictures: Translations[Item], seen: Seen
) -> dict[str, float | list[float] | Estimate]:
    """``kid_lite0``: the kernel distance of EfficientNet-Lite0's features to all test pictures of
    the target. ``feature_cosine``: on pairs, the mean cosine with the truth's.

    Neither is the FID's or KID's number: those are of Inception-v3.
    """
    if not _can_judge(0, pictures, "kid_lite0 and feature_cosine are"):
        return {}
    made = seen.of(pictures.outputs)
    figures: dict[str, float | list[float] | Estimate] = {}
    if _enough(pictures, "kid_lite0 is"):
        figures["kid_lite0"] = kernel_estimate(made, seen.of_fixed(pictures.targets))
    if pictures.truths:
        figures["feature_cosine"] = cosines(made, seen.of_fixed(pictures.truths))
    return figures


def score_lite2(pictures: Translations[Item], seen: Seen) -> dict[str, Estimate]:
    """``kid_lite2``: the same distance by a larger network, trained on the same pictures."""
    if not _can_judge(2, pictures, "kid_lite2 is") or not _enough(pictures, "kid_lite2 is"):
        return {}
    made, real = seen.of(pictures.outputs), seen.of_fixed(pictures.targets)
    return {"kid_lite2": kernel_estimate(made, real)}


def _can_judge(size: int, pictures: Translations[Item], what: str) -> bool:
    """Whether weights are there, and pictures that they can be shown."""
    able = can_see(pictures.outputs)
    if not lite.available(size):
        warnings.warn(f"{what} left out: {install_command('metrics')}", stacklevel=3)
    elif not able:
        warnings.warn(f"{what} left out: for pictures of 1 or 3 channels", stacklevel=3)
    return lite.available(size) and able


def _enough(pictures: Translations[Item], what: str) -> bool:
    """Whether both sides have pictures enough to be compared as collections."""
    few = min(len(pictures.outputs), len(pictures.targets))
    if few < LEAST:
        warnings.warn(
            f"{what} left out: {few} test picture{'s' * (few != 1)}, {LEAST} are needed; "
            f"patch_distance needs one",
            stacklevel=3,
        )
    return few >= LEAST


def score_inception(
    pictures: Translations[Item], known: dict[str, Seen]
) -> dict[str, float | Estimate]:
    """``fid`` and ``kid``, where the user has named an Inception file."""
    options = pictures.options
    file = options.inception if isinstance(options, ImageMetricOptions) else ""
    if not file or not _enough(pictures, "fid and kid are"):
        return {}
    if not can_see(pictures.outputs):
        warnings.warn("fid and kid are left out: for pictures of 1 or 3 channels", stacklevel=2)
        return {}
    if file not in known:
        known[file] = Seen(inception_features(Path(file)))
    made, wanted = known[file].of(pictures.outputs), known[file].of_fixed(pictures.targets)
    return {"fid": frechet_distance(made, wanted), "kid": kernel_estimate(made, wanted)}


METRICS = (
    Metric(
        "lite0",
        {"kid_lite0": False, "feature_cosine": True},
        score_lite0,
        fit=lambda *_: Seen(lite_features(0)),
        costly=True,
        protocol=(
            "kid_lite0: outputs against all test pictures of the target; EfficientNet-Lite0, "
            "224 px bicubic antialiased, ImageNet's mean and deviation, 1280 pooled features, "
            "kernel (x.y/d + 1)^3, unbiased, no subsets; no FID. feature_cosine: "
            "the same features, pair by pair"
        ),
        pretrained=(lite.PRETRAINED,),
    ),
    Metric(
        "lite2",
        {"kid_lite2": False},
        score_lite2,
        fit=lambda *_: Seen(lite_features(2)),
        costly=True,
        protocol="kid_lite2: as kid_lite0, by EfficientNet-Lite2 at 260 px",
        pretrained=(lite.PRETRAINED,),
    ),
    Metric(
        "inception",
        {},
        score_inception,
        fit=lambda *_: {},
        costly=True,
        protocol=(
            "fid, kid: features by the file of metrics.inception, of outputs against "
            "all test pictures of the target; kid unbiased, no subsets; fid is biased upward with "
            "few pictures"
        ),
    ),
)
