"""A small network that tells items of each domain from the others', over any number of axes.

Every item, real or made, is encoded as the first domain's: otherwise the way it is encoded, such as
a normalisation by its domain's statistics, would already tell what it is.
"""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cyclekit.contract.codec import Codec
from cyclekit.contract.tensors import Sample, TensorSpec
from cyclekit.data.sampling import Order
from cyclekit.errors import CyclekitError
from cyclekit.names import heading
from cyclekit.nets.blocks import conv, norm_layers
from cyclekit.randomness import derive_seed, numpy_generator, torch_generator

STEPS = 400
BATCH = 16  # windows of each domain in a step, as far as POSITIONS_PER_STEP allows
LEAST = 4
POSITIONS_PER_STEP = 2**17  # positions in a step: 32 pictures of 64 x 64
LARGEST = 2**14  # positions of a window; what has more is averaged down
WINDOWS_PER_JUDGED_ITEM = 4  # windows, cropped at random as in training, by which an item is judged
WINDOWS_PER_TRAINING_ITEM = 16  # windows of a training item
MEMORY = 2**29  # bytes of a domain's windows, twice that of all; else some items are left out
WIDTHS = (16, 32, 64, 128)
RATE = 2e-3
UNSEEN = torch.full((1, WIDTHS[-1]), torch.nan)  # features of an item without windows
TRUSTED = 0.75  # accuracy on real test items below which a verdict means little


class ClassifierNetwork(nn.Module):
    """Map ``(batch, channels, *sizes)`` of any sizes to ``(batch, domains)`` logits."""

    def __init__(self, dims: int, channels: int, domains: int) -> None:
        super().__init__()
        self._dims = dims
        layers: list[nn.Module] = []
        before = channels
        for number, width in enumerate(WIDTHS):
            layers.append(conv(dims, before, width, 3, stride=2, padding=1))
            layers += norm_layers("batch" if number else "none", dims, width)
            layers.append(nn.LeakyReLU(0.2))
            before = width
        self.layers = nn.Sequential(*layers)
        self.head = nn.Linear(before, domains)
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("deviation", torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        logits: Tensor = self.head(self.features(x))
        return logits

    def features(self, x: Tensor) -> Tensor:
        """``(batch, features)`` that the logits are linear in."""
        by_channel = (1, -1) + (1,) * self._dims
        x = (x - self.mean.view(by_channel)) / self.deviation.view(by_channel)
        features: Tensor = self.layers(x).flatten(2).mean(2)
        return features

    def standardize(self, windows: Sequence[Tensor]) -> None:
        """Take over each channel's mean and deviation in ``(channels, *sizes)`` windows."""
        values = torch.cat([window.flatten(1) for window in windows], dim=1)
        self.mean = values.mean(1)
        self.deviation = values.std(1).clamp(min=1e-6)


def build_network(spec: TensorSpec, domains: int, seed: int) -> ClassifierNetwork:
    """An untrained network for tensors of ``spec``; the same seed gives the same weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "classifier"))
        return ClassifierNetwork(spec.dims, spec.channels, domains)


class Classifier:
    """Tells items of some domains apart.

    Args:
        codec: Makes windows of items, all as the first domain's.
        network: Untrained.
        domains: In the order of the network's logits.
        seed: Everything random follows from it.

    Attributes:
        network: The one that was given.
        accuracy: On the items that it was last examined on, the mean of all domains.
    """

    def __init__(
        self, codec: Codec[Any], network: ClassifierNetwork, domains: Sequence[str], seed: int
    ) -> None:
        self._codec = codec
        self._domains = domains
        self._seed = seed
        self.network = network.eval()
        self.accuracy = 0.0

    def train(self, items: Mapping[str, Sequence[Any]]) -> None:
        """Train on windows of real items, as many of each domain, augmented as for the GAN."""
        windows = {name: self._windows(items[name], name) for name in self._domains}
        drawn = [self._draw(windows, step, LEAST) for step in range(8)]
        looks = [window for step in drawn for some in step.values() for window in some]
        size = len(windows) * max(look[0].numel() for look in looks)
        batch = max(LEAST, min(BATCH, POSITIONS_PER_STEP // size))
        self.network.standardize(looks)
        optimizer = torch.optim.Adam(self.network.parameters(), lr=RATE)
        schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, STEPS)
        self.network.train()
        for step in range(STEPS):
            some = self._draw(windows, step, batch)
            every = [look for looks in some.values() for look in looks]
            logits = self._each(every, self.network)
            labels = torch.arange(len(some)).repeat_interleave(batch)
            optimizer.zero_grad()
            loss: Any = F.cross_entropy(logits, labels)
            loss.backward()
            optimizer.step()
            schedule.step()
        self.network.eval()

    def examine(self, items: Mapping[str, Sequence[Any]]) -> None:
        """Find out how often it is right about real items."""
        shares = [self.share(items[name], name) for name in self._domains]
        self.accuracy = sum(shares) / len(shares)
        if self.accuracy < TRUSTED:
            warnings.warn(
                f"the classifier is right about {self.accuracy:.0%} of the real test items only, "
                f"less than {TRUSTED:.0%}: taken_for_target means little",
                stacklevel=2,
            )

    def share(self, items: Sequence[Any], domain: str) -> float:
        """The share of ``items`` that it takes for ``domain``'s; an item with no window is not."""
        verdicts = self.verdicts(self.features(items), domain)
        return sum(verdicts) / max(len(verdicts), 1)

    @torch.no_grad()
    def verdicts(self, features: Tensor, domain: str) -> list[float]:
        """Of each item 1 where it takes it for ``domain``'s, else 0; 0 without windows, too."""
        taken = self.network.head(features.float()).argmax(1) == self._domains.index(domain)
        verdicts: list[float] = (taken & has_windows(features)).double().tolist()
        return verdicts

    @torch.no_grad()
    def features(self, items: Sequence[Any]) -> Tensor:
        """``(items, features)`` float64: means over each item's windows, NaN where it has none."""
        found = [torch.empty(0, WIDTHS[-1])]
        for index, item in enumerate(items):
            windows = self._cut(item)
            looks = [
                self._look(
                    windows[number * len(windows) // WINDOWS_PER_JUDGED_ITEM].tensor,
                    torch_generator("judged", self._seed, index, number),
                )
                for number in range(WINDOWS_PER_JUDGED_ITEM if windows else 0)
            ]
            seen = self._each(looks, self.network.features) if looks else UNSEEN
            found.append(seen.mean(0, keepdim=True))
        return torch.cat(found).double()

    def _windows(self, items: Sequence[Any], domain: str) -> list[Tensor]:
        kept: list[Tensor] = []
        left = min(MEMORY, 2 * MEMORY // len(self._domains))
        for index in numpy_generator(self._seed, "classifier", domain).permutation(len(items)):
            windows = self._cut(items[int(index)])
            count = min(len(windows), WINDOWS_PER_TRAINING_ITEM)
            kept += [windows[number * len(windows) // count].tensor for number in range(count)]
            left -= sum(x.numel() * x.element_size() for x in kept[len(kept) - count :])
            if left <= 0:
                break
        return kept

    def _cut(self, item: Any) -> Sequence[Sample]:
        shared = self._domains[0]
        try:
            return self._codec.windows(self._codec.encode(item, shared))
        except CyclekitError as error:  # no fault of the run: the codec keeps the domains apart
            raise ValueError(
                f"an item cannot be encoded as domain {heading(shared)}'s: {error}"
            ) from error

    def _draw(
        self, windows: Mapping[str, Sequence[Tensor]], step: int, count: int
    ) -> dict[str, list[Tensor]]:
        """So many windows of each domain."""
        drawn = {}
        for name, some in windows.items():
            order = Order(len(some), count, self._seed, "classifier", name)
            drawn[name] = [
                self._look(
                    some[order(step, position)],
                    torch_generator("classified", self._seed, step, position, name),
                )
                for position in range(count)
            ]
        return drawn

    def _look(self, window: Tensor, rng: torch.Generator) -> Tensor:
        """A window as networks see it, averaged down where it is large."""
        shared = self._domains[0]
        augmented = self._codec.augment(window, shared, rng)
        x = self._codec.to_network(augmented[None], shared).float().nan_to_num(nan=0.0)
        while x[0, 0].numel() > LARGEST:
            x = _POOL[x.dim() - 2](x, tuple(min(size, 2) for size in x.shape[2:]))
        return x[0]

    def _each(self, looks: Sequence[Tensor], compute: Callable[[Tensor], Tensor]) -> Tensor:
        """``(looks, values)``; those of one size go through the network together."""
        made: list[Tensor] = [torch.empty(0)] * len(looks)
        for places in _alike(looks):
            batch = torch.stack([looks[place] for place in places])
            for place, values in zip(places, compute(batch), strict=True):
                made[place] = values
        return torch.stack(made)


_POOL: dict[int, Any] = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}


def has_windows(features: Tensor) -> Tensor:
    """``(items,)`` bool: which of ``(items, features)`` were seen at all."""
    return ~features.isnan().any(dim=1)


def _alike(tensors: Sequence[Tensor]) -> Iterator[list[int]]:
    """Places of tensors of one shape."""
    by_shape: dict[torch.Size, list[int]] = {}
    for place, tensor in enumerate(tensors):
        by_shape.setdefault(tensor.shape, []).append(place)
    yield from by_shape.values()
