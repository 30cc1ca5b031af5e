"""Samples of any size are fit to a network and cut back."""

import pytest
import torch

from cyclekit.engine.padding import crop_to, pad_to_multiple


@pytest.mark.parametrize("sizes", [(30, 34), (1, 1), (5, 64), (16, 16), (3, 200)])
def test_pads_to_the_multiple_and_back(sizes: tuple[int, int]) -> None:
    x = torch.randn(2, 3, *sizes)
    padded = pad_to_multiple(x, (4, 4))
    assert all(size % 4 == 0 and size >= 16 for size in padded.shape[2:])
    assert torch.equal(crop_to(padded, sizes), x)


def test_mirrors_without_repeating_the_edge() -> None:
    x = torch.arange(5.0).view(1, 1, 5)
    padded = pad_to_multiple(x, (4,))
    assert padded.flatten().tolist() == [0, 1, 2, 3, 4, 3, 2, 1, 0, 1, 2, 3, 4, 3, 2, 1]


def test_leaves_alone_what_already_fits() -> None:
    x = torch.randn(1, 1, 16, 20, 24)
    assert pad_to_multiple(x, (4, 4, 4)) is x
    odd = torch.randn(1, 1, 7)
    assert pad_to_multiple(odd, (1,)) is odd


def test_a_network_may_be_content_with_one_multiple() -> None:
    x = torch.randn(1, 1, 40, 64)
    assert pad_to_multiple(x, (64, 64)).shape[2:] == (256, 256)
    assert pad_to_multiple(x, (64, 64), fewest=1).shape[2:] == (64, 64)
