"""Files are encoded once; bad ones are skipped, counted and named."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from cyclekit.contract import Codec, Options, Sample, TensorSpec
from cyclekit.data.encoded import EncodedDomain, encode_domain, list_bad
from cyclekit.data.windows import Storage
from cyclekit.errors import BadSample, DataError, PluginError


class NumberOptions(Options):
    scale: float = 1.0


class NumberCodec(Codec[float]):
    """A number in a text file; two windows each."""

    Options = NumberOptions

    def spec(self, domain: str) -> TensorSpec:
        return TensorSpec(1, (1,))

    def load(self, path: Path) -> float:
        text = path.read_text()
        if text == "crash":
            raise ZeroDivisionError("by accident")
        try:
            return float(text)
        except ValueError:
            raise BadSample(path, "is no number") from None

    def encode(self, item: float, domain: str) -> Sample:
        return Sample(torch.tensor([[item * self.options.scale]]), facts={"size": item})

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


def encoded(codec: NumberCodec, paths: list[Path], folder: Path) -> EncodedDomain:
    return encode_domain(codec, paths, "a", Storage(1000, folder), plain)


def test_windows_come_in_the_order_of_the_files(tmp_path: Path) -> None:
    codec = NumberCodec(NumberOptions(scale=2))
    domain = encoded(codec, files(tmp_path, "1", "2", "3"), tmp_path)
    assert [window.sample.tensor.item() for window in domain.windows] == [2, 2, 4, 4, 6, 6]
    assert domain.bad == []


def test_facts_are_kept_by_file_and_averaged(tmp_path: Path) -> None:
    domain = encoded(NumberCodec(NumberOptions()), files(tmp_path, "1", "2", "6"), tmp_path)
    assert [(file.windows, file.facts) for file in domain.files] == [
        (2, {"size": 1}), (2, {"size": 2}), (2, {"size": 6})
    ]  # fmt: skip
    assert domain.mean_facts == {"size": 3}


def test_bad_files_are_skipped_and_returned(tmp_path: Path) -> None:
    paths = files(tmp_path, "1", "2", "3", "4", "oops")
    domain = encoded(NumberCodec(NumberOptions()), paths, tmp_path)
    assert len(domain.windows) == 8
    assert [(error.path.name, error.why) for error in domain.bad] == [("4.txt", "is no number")]


def test_more_than_a_fifth_bad_stops(tmp_path: Path) -> None:
    paths = files(tmp_path, "1", "2", "3", "oops")
    with pytest.raises(DataError, match=r"1 of 4 files of domain A.*3\.txt: is no number"):
        encoded(NumberCodec(NumberOptions()), paths, tmp_path)


def test_a_codec_that_breaks_is_named_with_the_file(tmp_path: Path) -> None:
    said = r"NumberCodec\.load failed on .*0\.txt: ZeroDivisionError: by accident"
    with pytest.raises(PluginError, match=said):
        encoded(NumberCodec(NumberOptions()), files(tmp_path, "crash"), tmp_path)


def test_files_with_one_reason_are_told_together() -> None:
    bad = [BadSample(f"{n}.txt", "is empty") for n in range(6)]
    said = list_bad([*bad, BadSample("odd.txt", "is no text")])
    assert said == "0.txt, 1.txt, 2.txt, 3.txt and 2 more: is empty; odd.txt: is no text"
