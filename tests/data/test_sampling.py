"""Unpaired sampling: addressed by step and position, whatever the ranks."""

from collections import Counter
from typing import Any

import pytest
import torch
from torch import Tensor

from cyclekit.contract.tensors import Sample, TensorSpec
from cyclekit.data.sampling import Batches, Order
from cyclekit.data.windows import Window
from cyclekit.errors import DataError, PluginError

CPU = torch.device("cpu")


class NoisyCodec:
    """Adds a random number, so that augmentation can be recognised."""

    def spec(self, domain: str) -> TensorSpec:
        return TensorSpec(1, (None,))

    def augment(self, tensor: Tensor, domain: str, rng: torch.Generator) -> Tensor:
        return tensor + torch.rand((), generator=rng)

    def to_network(self, tensor: Tensor, domain: str) -> Tensor:
        return tensor + (100 if domain == "b" else 0)


def windows(count: int, domain: str = "a", size: int = 1) -> list[Window]:
    return [Window(Sample(torch.full((1, size), float(n))), domain) for n in range(count)]


def batches(count: int = 10, **settings: Any) -> Batches:
    streams = {"a": windows(count), "b": windows(count, "b")}
    return Batches(NoisyCodec(), streams, **({"seed": 1, "batch_size": 2} | settings))  # type: ignore[arg-type]


def test_every_item_comes_once_an_epoch() -> None:
    order = Order(12, 4, "seed")
    drawn = [order(step, position) for step in range(3) for position in range(4)]
    assert sorted(drawn) == list(range(12))
    again = [order(step, position) for step in range(3, 6) for position in range(4)]
    assert sorted(again) == list(range(12))
    assert drawn != again


@pytest.mark.parametrize("length", [4, 5, 7, 11])
def test_no_item_twice_in_a_global_batch(length: int) -> None:
    order = Order(length, 4, "seed")
    for step in range(50):
        assert len({order(step, position) for position in range(4)}) == 4


def test_all_items_are_drawn_where_a_batch_does_not_divide_them() -> None:
    order = Order(7, 4, "seed")
    counts = Counter(order(step, position) for step in range(700) for position in range(4))
    assert len(counts) == 7
    assert min(counts.values()) > 300  # 400 expected


def test_fewer_items_than_a_batch() -> None:
    order = Order(3, 8, "seed")
    counts = Counter(order(step, position) for step in range(3) for position in range(8))
    assert counts == {0: 8, 1: 8, 2: 8}


def test_a_batch_is_the_same_whenever_it_is_asked_for() -> None:
    first, second = batches(), batches()
    for step in (0, 1, 30):
        first.batch(step, 0, CPU)
    assert torch.equal(first.batch(7, 0, CPU)["a"], second.batch(7, 0, CPU)["a"])
    other_seed = batches(seed=2)
    assert not torch.equal(other_seed.batch(7, 0, CPU)["a"], second.batch(7, 0, CPU)["a"])


def test_domains_are_unpaired() -> None:
    made = batches(count=100, batch_size=50).batch(0, 0, CPU)
    a, b = made["a"].flatten().floor(), made["b"].flatten().floor() - 100
    assert (a == b).float().mean() < 0.2


def test_ranks_and_accumulation_share_out_the_same_global_batch() -> None:
    whole = batches(batch_size=8).batch(5, 0, CPU)["a"]
    parts = []
    for micro in range(2):
        for rank in range(2):
            share = batches(batch_size=2, accumulate=2, ranks=2, rank=rank)
            parts.append(share.batch(5, micro, CPU)["a"])
    assert torch.equal(torch.cat(parts), whole)


def test_a_mixed_stream_knows_each_samples_domain() -> None:
    streams = {"mixed": windows(5) + windows(5, "b")}
    made = Batches(NoisyCodec(), streams, seed=0, batch_size=10)  # type: ignore[arg-type]
    values = made.batch(0, 0, CPU)["mixed"].flatten()
    assert (values >= 100).sum() == 5


def test_windows_of_different_sizes_cannot_be_stacked() -> None:
    streams = {"a": windows(2, size=3) + windows(2, size=4)}
    mixed = Batches(NoisyCodec(), streams, seed=0, batch_size=4)  # type: ignore[arg-type]
    with pytest.raises(DataError, match=r"one size, but A gave \(1, 3\) and \(1, 4\)"):
        mixed.batch(0, 0, CPU)


@pytest.mark.parametrize("accumulate", [1, 2])
def test_drawing_ahead_changes_nothing(accumulate: int) -> None:
    plain = batches(accumulate=accumulate)
    ahead = batches(accumulate=accumulate, workers=3)
    for step in (0, 1, 2, 5, 6, 7, 1):  # as after a resumption, and back
        for micro in range(accumulate):
            one, other = (b.batch(step, micro, CPU) for b in (plain, ahead))
            assert all(torch.equal(one[name], other[name]) for name in "ab")


def test_what_fails_ahead_is_told_when_it_is_asked_for() -> None:
    class Fragile(NoisyCodec):
        def augment(self, tensor: Tensor, domain: str, rng: torch.Generator) -> Tensor:
            if tensor.item() == 3:
                raise ValueError("three")
            return tensor

    streams = {"a": windows(4), "b": windows(2)}
    made = Batches(Fragile(), streams, seed=0, batch_size=1, workers=1)  # type: ignore[arg-type]
    (step,) = (step for step in range(4) if made.window("a", step, 0) == 3)
    with pytest.raises(PluginError, match=r"augment failed .*three"):
        made.batch(step, 0, CPU)
