"""Files are encoded once; bad ones are skipped, counted and named."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from cyclekit.contract import Codec, Options, Sample, TensorSpec
from cyclekit.data.encoded import SampleCache, encode_domain
from cyclekit.errors import BadSample, DataError, PluginError


class NumberOptions(Options):
    scale: float = 1.0


class NumberCodec(Codec[float]):
    """A number in a text file; two windows each."""

    Options = NumberOptions
    loaded: list[Path]

    def __init__(self, options: NumberOptions) -> None:
        super().__init__(options)
        self.loaded = []

    def spec(self, domain: str) -> TensorSpec:
        return TensorSpec(1, (1,))

    def load(self, path: Path) -> float:
        self.loaded.append(path)
        text = path.read_text()
        if text == "crash":
            raise ZeroDivisionError("by accident")
        try:
            return float(text)
        except ValueError:
            raise BadSample(path, "is no number") from None

    def encode(self, item: float, domain: str) -> Sample:
        return Sample(torch.tensor([[item * self.options.scale]]))

    def windows(self, sample: Sample) -> list[Sample]:
        return [sample, sample]

    def decode(self, tensor: Tensor, domain: str, meta: Any) -> float:
        return tensor.item()

    def save(self, item: float, path: Path) -> Path:
        path.write_text(str(item))
        return path


def files(folder: Path, *texts: str) -> list[Path]:
    made = []
    for number, text in enumerate(texts):
        made.append(folder / f"{number}.txt")
        made[-1].write_text(text)
    return made


def plain(things: Any, total: int) -> Any:
    return things


def test_windows_come_in_the_order_of_the_files(tmp_path: Path) -> None:
    cache = SampleCache(NumberCodec(NumberOptions(scale=2)))
    windows, bad = encode_domain(cache, files(tmp_path, "1", "2", "3"), "a", plain)
    assert [window.tensor.item() for window in windows] == [2, 2, 4, 4, 6, 6]
    assert bad == []


def test_a_file_is_read_again_only_when_it_changes(tmp_path: Path) -> None:
    codec = NumberCodec(NumberOptions())
    cache = SampleCache(codec)
    (file,) = files(tmp_path, "1")
    for _ in range(3):
        assert cache.windows(file, "a")[0].tensor.item() == 1
    assert len(codec.loaded) == 1
    file.write_text("17")
    assert cache.windows(file, "a")[0].tensor.item() == 17
    assert len(codec.loaded) == 2


def test_bad_files_are_skipped_and_returned(tmp_path: Path) -> None:
    cache = SampleCache(NumberCodec(NumberOptions()))
    paths = files(tmp_path, "1", "2", "3", "4", "oops")
    windows, bad = encode_domain(cache, paths, "a", plain)
    assert len(windows) == 8
    assert [(error.path.name, error.why) for error in bad] == [("4.txt", "is no number")]


def test_more_than_a_fifth_bad_stops(tmp_path: Path) -> None:
    cache = SampleCache(NumberCodec(NumberOptions()))
    paths = files(tmp_path, "1", "2", "3", "oops")
    with pytest.raises(DataError, match=r"1 of 4 files of domain A.*3\.txt: is no number"):
        encode_domain(cache, paths, "a", plain)


def test_a_codec_that_breaks_is_named_with_the_file(tmp_path: Path) -> None:
    cache = SampleCache(NumberCodec(NumberOptions()))
    said = r"NumberCodec\.load failed on .*0\.txt: ZeroDivisionError: by accident"
    with pytest.raises(PluginError, match=said):
        encode_domain(cache, files(tmp_path, "crash"), "a", plain)
