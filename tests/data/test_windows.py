"""Windows beyond the memory allowed lie in a file, and read the same."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from cyclekit.data.cache import Cache
from cyclekit.data.stored import InMemory
from cyclekit.data.windows import Balanced, Joined, Windows
from cyclekit.errors import DataError
from cyclekit.storage.folder import Storage


def tensors(count: int) -> list[Tensor]:
    kinds = (torch.uint8, torch.float32, torch.int16)
    return [
        torch.arange(4 + n, dtype=torch.float32).reshape(1, 4 + n).to(kinds[n % 3])
        for n in range(count)
    ]


def kept(where: str, folder: Path, held: list[Tensor], domain: str = "a") -> Windows:
    if where == "memory":
        return Windows(domain, InMemory(held))
    cache = Cache(Storage(folder), [])
    with cache.writing(domain) as writer:
        assert writer is not None
        writer.add(held, {})
    found = cache.find(domain, [Path("file")])
    assert found is not None
    return Windows(domain, found.tensors)


@pytest.mark.parametrize("where", ["memory", "disk"])
def test_what_was_put_in_comes_out(where: str, tmp_path: Path) -> None:
    windows = kept(where, tmp_path, tensors(10))
    assert len(windows) == 10
    for window, tensor in zip(windows, tensors(10), strict=True):
        assert window.domain == "a"
        assert window.sample.tensor.dtype == tensor.dtype
        assert torch.equal(window.sample.tensor, tensor)
    assert windows[windows.smallest].sample.tensor.numel() == 4


def test_a_window_read_from_the_file_can_be_changed(tmp_path: Path) -> None:
    windows = kept("disk", tmp_path, [torch.zeros(1, 4)])
    windows[0].sample.tensor.add_(1)
    assert windows[0].sample.tensor.sum() == 0


def test_a_file_that_is_cut_short_meanwhile_is_an_error(tmp_path: Path) -> None:
    windows = kept("disk", tmp_path, [torch.zeros(1, 4), torch.zeros(1, 4)])
    (data,) = tmp_path.glob("*/windows.bin")
    with data.open("r+b") as file:
        file.truncate(20)
    assert windows[0].sample.tensor.sum() == 0
    with pytest.raises(DataError, match="was cut short"):
        windows[1]


def test_domains_join_in_order(tmp_path: Path) -> None:
    where = (("a", "memory", 2), ("b", "memory", 0), ("extra", "disk", 3))
    parts = [kept(place, tmp_path, tensors(count), name) for name, place, count in where]
    joined = Joined(parts)
    assert [window.domain for window in joined] == ["a", "a", "extra", "extra", "extra"]
    assert [window.domain for window in joined[1:3]] == ["a", "extra"]
    assert joined[-1].sample.tensor.numel() == 6
    with pytest.raises(IndexError):
        joined[5]


def test_domains_come_equally_often(tmp_path: Path) -> None:
    where = (("a", "memory", 2), ("b", "memory", 0), ("extra", "disk", 3))
    balanced = Balanced(
        [kept(place, tmp_path, tensors(count), name) for name, place, count in where]
    )
    assert [window.domain for window in balanced] == ["a", "extra"] * 3
    assert [balanced.origin(index)[1] for index in range(6)] == [0, 0, 1, 1, 0, 2]
    for index in (*balanced.firsts, balanced.smallest):
        _, place = balanced.origin(index)
        assert torch.equal(balanced[index].sample.tensor, tensors(3)[place])
    assert {balanced.origin(index) for index in balanced.firsts} == {
        (name, place) for name, count in (("a", 2), ("extra", 3)) for place in range(count)
    }
    assert balanced.origin(balanced.smallest) == ("a", 0)
    assert not len(Balanced([]))
