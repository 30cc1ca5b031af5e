"""Windows beyond the memory allowed lie in a file, and read the same."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from cyclekit.contract import Sample
from cyclekit.data.windows import Joined, Storage, Windows


def tensors(count: int) -> list[Tensor]:
    kinds = (torch.uint8, torch.float32, torch.int16)
    return [
        torch.arange(4 + n, dtype=torch.float32).reshape(1, 4 + n).to(kinds[n % 3])
        for n in range(count)
    ]


@pytest.mark.parametrize("memory", [0, 60, 10_000])
def test_what_was_put_in_comes_out(memory: int, tmp_path: Path) -> None:
    windows = Windows("a", Storage(memory, tmp_path))
    for tensor in tensors(10):
        windows.append(Sample(tensor))
    assert len(windows) == 10
    for window, tensor in zip(windows, tensors(10), strict=True):
        assert window.domain == "a"
        assert window.sample.tensor.dtype == tensor.dtype
        assert torch.equal(window.sample.tensor, tensor)
    assert windows.smallest.sample.tensor.numel() == 4


def test_the_file_has_no_name_and_takes_what_memory_does_not(tmp_path: Path) -> None:
    storage = Storage(0, tmp_path)
    windows = Windows("a", storage)
    windows.append(Sample(torch.zeros(1, 1000)))
    assert windows[0].sample.tensor.shape == (1, 1000)
    windows.append(Sample(torch.ones(1, 1000)))  # after the first was read
    assert windows[-1].sample.tensor.sum() == 1000
    assert not list(tmp_path.iterdir())


def test_a_window_read_from_the_file_can_be_changed(tmp_path: Path) -> None:
    windows = Windows("a", Storage(0, tmp_path))
    windows.append(Sample(torch.zeros(1, 4)))
    windows[0].sample.tensor.add_(1)
    assert windows[0].sample.tensor.sum() == 0


def test_domains_join_in_order(tmp_path: Path) -> None:
    storage = Storage(10, tmp_path)
    parts = [Windows(name, storage) for name in ("a", "b", "extra")]
    for part, count in zip(parts, (2, 0, 3), strict=True):
        for tensor in tensors(count):
            part.append(Sample(tensor))
    joined = Joined(parts)
    assert [window.domain for window in joined] == ["a", "a", "extra", "extra", "extra"]
    assert [window.domain for window in joined[1:3]] == ["a", "extra"]
    assert joined[-1].sample.tensor.numel() == 6
    with pytest.raises(IndexError):
        joined[5]
