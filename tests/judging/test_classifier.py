"""The classifier of A against B, on items that no plugin here knows."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from cyclekit.api import Codec, Sample, TensorSpec
from cyclekit.errors import BadSample
from cyclekit.judging import classifier as module
from cyclekit.judging.classifier import Classifier, ClassifierNetwork, build_network, has_windows
from cyclekit.judging.kernel import kernel_distance, kernel_estimate

Array = np.ndarray[Any, Any]


class ArrayCodec(Codec[Array]):
    """Arrays ``(channels, *sizes)``, normalised by their own domain's mean; empty ones are bad."""

    def spec(self, domain: str) -> TensorSpec:
        return TensorSpec(1, sizes=(None,), range=None)

    def load(self, path: Path) -> Array:
        raise NotImplementedError

    def encode(self, item: Array, domain: str) -> Sample:
        return Sample(torch.from_numpy(item))

    def decode(self, tensor: Tensor, domain: str, meta: Mapping[str, Any]) -> Array:
        raise NotImplementedError

    def save(self, item: Array, path: Path) -> Path:
        raise NotImplementedError

    def windows(self, sample: Sample) -> Sequence[Sample]:
        half = sample.tensor.shape[-1] // 2
        tensor = sample.tensor
        return [Sample(tensor[..., :half]), Sample(tensor[..., half:])] if half else []

    def augment(self, tensor: Tensor, domain: str, rng: torch.Generator) -> Tensor:
        return tensor.flip(-1) if torch.rand((), generator=rng) < 0.5 else tensor

    def to_network(self, tensor: Tensor, domain: str) -> Tensor:
        """A hint in the encoding itself, which the classifier must not get."""
        return tensor.float() + (1000.0 if domain == "b" else 0.0)


def items(count: int, seed: int, rough: bool, sizes: tuple[int, ...]) -> list[Array]:
    """Noise that neighbours share (smooth) or do not, equal in mean and spread."""
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal((count, 1, *sizes)).astype(np.float32)
    if not rough:
        for axis in range(2, noise.ndim):
            noise = (noise + np.roll(noise, 1, axis)) / np.sqrt(np.float32(2))
    return list(noise)


def trained(dims: int, **domains: list[Array]) -> Classifier:
    network = build_network(TensorSpec(1, sizes=(None,) * dims, range=None), 2, seed=0)
    classifier = Classifier(ArrayCodec(None), network, ("a", "b"), seed=0)
    classifier.train(domains)
    return classifier


SIZES = {1: (64,), 2: (8, 32), 3: (4, 8, 16)}


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STEPS", 150)
    monkeypatch.setattr(module, "BATCH", 8)


@pytest.mark.slow
@pytest.mark.parametrize("dims", [1, 2, 3])
def test_it_tells_collections_apart_over_any_number_of_axes(dims: int, quick: None) -> None:
    sizes = SIZES[dims]
    smooth, rough = (items(40, seed, seed == 1, sizes) for seed in (0, 1))
    classifier = trained(dims, a=smooth, b=rough)
    tests = {"a": items(20, 2, False, sizes), "b": items(20, 3, True, sizes)}
    classifier.examine(tests)
    assert classifier.accuracy > 0.85
    assert classifier.share(tests["a"], "b") == 1 - classifier.share(tests["a"], "a") < 0.3


def test_the_way_of_encoding_tells_it_nothing(quick: None) -> None:
    alike, others = (items(40, seed, True, (64,)) for seed in (0, 1))
    classifier = trained(1, a=alike, b=others)
    with pytest.warns(UserWarning, match="means little"):
        classifier.examine({"a": items(30, 2, True, (64,)), "b": items(30, 3, True, (64,))})


def test_it_is_the_same_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STEPS", 3)
    data = {"a": items(5, 0, False, (64,)), "b": items(4, 1, True, (64,))}
    states = []
    for noise in (1, 2):
        torch.manual_seed(noise)
        before = torch.get_rng_state()
        states.append(trained(1, **data).network.state_dict())
        assert torch.equal(before, torch.get_rng_state()), "nobody else's draws change"
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_windows_of_many_sizes_and_of_too_large_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "STEPS", 3)
    monkeypatch.setattr(module, "LARGEST", 100)
    seen: list[int] = []
    forward = ClassifierNetwork.forward

    def watched(self: ClassifierNetwork, x: Tensor) -> Tensor:
        seen.append(x[0, 0].numel())
        return forward(self, x)

    monkeypatch.setattr(ClassifierNetwork, "forward", watched)
    data = {
        name: [*items(2, seed, True, (1, 64)), *items(2, seed, True, (9, 300))]
        for seed, name in enumerate("ab")
    }
    classifier = trained(2, **data)
    assert 0 <= classifier.share(data["a"], "b") <= 1
    assert {32} < set(seen)
    assert max(seen) <= 100


def test_an_item_without_a_window_is_taken_for_neither(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "STEPS", 1)
    classifier = trained(1, a=items(3, 0, True, (64,)), b=items(3, 1, True, (64,)))
    silent = [np.zeros((1, 0), np.float32)]
    assert (classifier.share(silent, "a"), classifier.share(silent, "b")) == (0, 0)


def test_a_codec_that_keeps_the_domains_apart_is_said() -> None:
    class Strict(ArrayCodec):
        def encode(self, item: Array, domain: str) -> Sample:
            raise BadSample("item", "is of domain B")

    classifier = Classifier(Strict(None), ClassifierNetwork(1, 1, 2), ("a", "b"), seed=0)
    with pytest.raises(ValueError, match=r"cannot be encoded as domain A's: item: is of domain B"):
        classifier.train({"a": items(1, 0, True, (64,)), "b": []})


def test_its_features_are_near_those_of_the_same_kind(quick: None) -> None:
    smooth, rough = (items(40, seed, seed == 1, (64,)) for seed in (0, 1))
    classifier = trained(1, a=smooth, b=rough)
    seen = {
        name: classifier.features(items(20, seed, name == "rough", (64,)))
        for seed, name in enumerate(("smooth", "rough"), start=2)
    }
    again = classifier.features(items(20, 9, True, (64,)))
    near, far = (kernel_distance(again, seen[name]) for name in ("rough", "smooth"))
    found = kernel_estimate(again, seen["smooth"], seed=0)
    assert near < found.low < found.value == far < found.high
    assert kernel_estimate(again, seen["smooth"], seed=0) == found
    shares = [classifier.share(items(20, 9, True, (64,)), name) for name in "ab"]
    assert shares == [sum(classifier.verdicts(again, name)) / 20 for name in "ab"]
    empty = classifier.features([np.zeros((1, 0), np.float32)])
    assert not has_windows(empty).any()
    assert classifier.verdicts(empty, "a") == classifier.verdicts(empty, "b") == [0]
