"""Files are encoded once; bad ones are skipped, counted and named."""

import os
import re
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from cyclekit.contract.codec import Codec
from cyclekit.contract.options import Options
from cyclekit.contract.tensors import Sample, TensorSpec
from cyclekit.data.cache import Cache
from cyclekit.data.encoded import EncodedDomain, Memory, encode_domain, list_bad
from cyclekit.errors import BadSample, DataError, PluginError
from cyclekit.storage.folder import Storage


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


def encoded(
    codec: NumberCodec, paths: list[Path], folder: Path, memory: int = 1000, maker: str = "1"
) -> EncodedDomain:
    cache = Cache(Storage(folder / "cache"), [maker])
    return encode_domain(codec, paths, "a", Memory(memory), cache, plain)


def test_windows_come_in_the_order_of_the_files(tmp_path: Path) -> None:
    codec = NumberCodec(NumberOptions(scale=2))
    domain = encoded(codec, files(tmp_path, "1", "2", "3"), tmp_path)
    assert [window.sample.tensor.item() for window in domain.windows] == [2, 2, 4, 4, 6, 6]
    assert domain.bad == []


def test_a_file_that_a_library_failed_to_read_once_is_read_again(tmp_path: Path) -> None:
    class Unsafe(NumberCodec):
        """Fails once with every file, as libraries do now and then beside other threads."""

        def load(self, path: Path) -> float:
            if path not in asked:
                asked.add(path)
                raise SystemError("AST constructor recursion depth mismatch (before=42, after=39)")
            return super().load(path)

    asked: set[Path] = set()
    domain = encoded(Unsafe(NumberOptions()), files(tmp_path, "1", "2", "3"), tmp_path)
    assert domain.bad == []
    assert [window.sample.tensor.item() for window in domain.windows] == [1, 1, 2, 2, 3, 3]


def test_facts_are_kept_by_file_and_averaged(tmp_path: Path) -> None:
    domain = encoded(NumberCodec(NumberOptions()), files(tmp_path, "1", "2", "6"), tmp_path)
    assert domain.counts == [2, 2, 2]
    assert domain.facts == [{"size": 1}, {"size": 2}, {"size": 6}]
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


def test_a_codec_that_breaks_with_every_file_is_named(tmp_path: Path) -> None:
    said = r"NumberCodec\.load failed on .*0\.txt: ZeroDivisionError: by accident .*all 1 others"
    with pytest.raises(PluginError, match=said):
        encoded(NumberCodec(NumberOptions()), files(tmp_path, "crash", "crash"), tmp_path)


def test_a_codec_that_breaks_with_one_file_does_without_it(tmp_path: Path) -> None:
    paths = files(tmp_path, "1", "2", "3", "4", "crash")
    domain = encoded(NumberCodec(NumberOptions()), paths, tmp_path)
    assert len(domain.windows) == 8
    (bad,) = domain.bad
    assert bad.path.name == "4.txt"
    assert "NumberCodec.load failed: ZeroDivisionError: by accident" in bad.why


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "is empty"),
        ("<!DOCTYPE html><html>404", "it begins like a web page"),
        ("version https://git-lfs.github.com/spec/v1\noid sha256:0", "git-lfs pull|git lfs pull"),
    ],
)
def test_what_is_not_what_its_name_says_is_named(tmp_path: Path, content: str, said: str) -> None:
    paths = files(tmp_path, "1", "2", "3", "4", content)
    (bad,) = encoded(NumberCodec(NumberOptions()), paths, tmp_path).bad
    assert re.search(said, bad.why)


@pytest.mark.parametrize("damage", ["about", "index"])
def test_a_cache_that_was_changed_is_made_again(tmp_path: Path, damage: str) -> None:
    paths = files(tmp_path, "1", "2", "3", "4", "oops", "6")
    encoded(NumberCodec(NumberOptions()), paths, tmp_path, memory=0)
    (about,) = tmp_path.glob("cache/*/about.json")
    if damage == "about":
        about.write_text(about.read_text().replace('"bad":[[4,', '"bad":[[3,'))
    else:
        index = load_file(about.with_name("index.safetensors"))
        index["places"][0] += 4
        save_file(index, about.with_name("index.safetensors"))
    domain = encoded(NumberCodec(NumberOptions()), paths, tmp_path, memory=0)
    numbers = [window.sample.tensor.item() for window in domain.windows]
    assert numbers == [number for number in (1, 2, 3, 4, 6) for _ in range(2)]
    assert [error.path.name for error in domain.bad] == ["4.txt"]


class Counting(NumberCodec):
    calls = 0

    def load(self, path: Path) -> float:
        self.calls += 1
        return super().load(path)


@pytest.mark.parametrize("memory", [0, 8, 1000])
def test_windows_are_the_same_wherever_they_are_kept(tmp_path: Path, memory: int) -> None:
    paths = files(tmp_path, "1", "2", "3", "4", "oops", "6")
    domain = encoded(NumberCodec(NumberOptions()), paths, tmp_path, memory)
    assert domain.on_disk == (memory < 1000)
    assert [window.sample.tensor.item() for window in domain.windows] == [
        number for number in (1, 2, 3, 4, 6) for _ in range(2)
    ]
    assert [file.name for file in domain.files] == [f"{n}.txt" for n in (0, 1, 2, 3, 5)]
    assert [facts["size"] for facts in domain.facts] == [1, 2, 3, 4, 6]
    assert domain.file_of(8).name == "5.txt"
    assert [(error.path.name, error.why) for error in domain.bad] == [("4.txt", "is no number")]


def test_a_second_start_reads_no_file_again(tmp_path: Path) -> None:
    codec = Counting(NumberOptions())
    paths = files(tmp_path, "1", "2", "3")
    for _ in range(2):
        domain = encoded(codec, paths, tmp_path, memory=0)
        assert [window.sample.tensor.item() for window in domain.windows] == [1, 1, 2, 2, 3, 3]
    assert codec.calls == 3


def test_what_was_cached_comes_into_memory_once_that_is_allowed(tmp_path: Path) -> None:
    codec = Counting(NumberOptions())
    paths = files(tmp_path, "1", "2", "3")
    assert encoded(codec, paths, tmp_path, memory=0).on_disk
    domain = encoded(codec, paths, tmp_path, memory=1000)
    assert not domain.on_disk
    assert [window.sample.tensor.item() for window in domain.windows] == [1, 1, 2, 2, 3, 3]
    assert codec.calls == 3


def test_what_has_changed_is_encoded_anew(tmp_path: Path) -> None:
    codec = Counting(NumberOptions())
    paths = files(tmp_path, "1", "2", "3")
    encoded(codec, paths, tmp_path, memory=0)
    paths[1].write_text("20")
    domain = encoded(codec, paths, tmp_path, memory=0)
    assert domain.windows[2].sample.tensor.item() == 20
    encoded(codec, paths, tmp_path, memory=0, maker="another version")
    assert codec.calls == 9


def flipped(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def pointing_out(file: Path) -> None:
    index = load_file(file)
    save_file(index | {"places": index["places"] + 2**40}, file)


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("windows.bin", flipped),
        ("index.safetensors", pointing_out),
        ("index.safetensors", lambda file: save_file({}, file)),
        *(
            ("about.json", lambda file, text=text: file.write_text(text))
            for text in ("[]", "{}", "null", "[" * 10_000, '{"bytes": "many"}', '{"bad": [[9, 1]]}')
        ),
        ("about.json", lambda file: (file.unlink(), os.mkfifo(file))),
    ],
)
def test_a_damaged_cache_is_made_again(
    tmp_path: Path, name: str, damage: Callable[[Path], object]
) -> None:
    codec = Counting(NumberOptions())
    paths = files(tmp_path, "1", "2", "3")
    encoded(codec, paths, tmp_path, memory=0)
    (data,) = (tmp_path / "cache").glob(f"*/{name}")
    damage(data)
    domain = encoded(codec, paths, tmp_path, memory=0)
    assert codec.calls == 6
    assert [window.sample.tensor.item() for window in domain.windows] == [1, 1, 2, 2, 3, 3]
    encoded(codec, paths, tmp_path, memory=0)
    assert codec.calls == 6


@pytest.mark.parametrize("name", ["windows.bin", "about.json", "index.safetensors"])
def test_a_cache_that_was_cut_short_is_made_again(tmp_path: Path, name: str) -> None:
    codec = Counting(NumberOptions())
    paths = files(tmp_path, "1", "2", "3")
    encoded(codec, paths, tmp_path, memory=0)
    (data,) = (tmp_path / "cache").glob(f"*/{name}")
    data.write_bytes(data.read_bytes()[:-1])
    domain = encoded(codec, paths, tmp_path, memory=0)
    assert codec.calls == 6
    assert [window.sample.tensor.item() for window in domain.windows] == [1, 1, 2, 2, 3, 3]


def test_too_many_bad_files_leave_no_cache(tmp_path: Path) -> None:
    paths = files(tmp_path, "1", "2", "3", "oops")
    with pytest.raises(DataError, match="1 of 4 files"):
        encoded(NumberCodec(NumberOptions()), paths, tmp_path, memory=0)
    assert not list((tmp_path / "cache").glob("*/windows.bin"))


def test_a_second_process_waits_and_then_finds_everything(tmp_path: Path) -> None:
    codec = Counting(NumberOptions())
    paths = files(tmp_path, "1", "2", "3")
    started = threading.Barrier(2)

    def start() -> list[float]:
        started.wait()
        domain = encoded(codec, paths, tmp_path, memory=0)
        return [window.sample.tensor.item() for window in domain.windows]

    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(start) for _ in range(2)]
        assert [one.result() for one in both] == [[1, 1, 2, 2, 3, 3]] * 2


def test_files_with_one_reason_are_told_together() -> None:
    bad = [BadSample(f"{n}.txt", "is empty") for n in range(6)]
    said = list_bad([*bad, BadSample("odd.txt", "is no text")])
    assert said == "0.txt, 1.txt, 2.txt, 3.txt and 2 more: is empty; odd.txt: is no text"
