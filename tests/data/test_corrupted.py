"""One collection, and its corrupted twin."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from support import find_two as find_collections
from torch import Tensor

from cyclekit.contract.codec import Codec
from cyclekit.contract.modality import Modality
from cyclekit.contract.options import Options
from cyclekit.contract.tensors import Sample, TensorSpec
from cyclekit.data.corrupted import left_out
from cyclekit.data.generated import made_root
from cyclekit.errors import BadSample, DataError, PluginError
from cyclekit.nets import PATCHGAN, RESNET
from cyclekit.recipe.settings import DataSettings

AB = ("a", "b")


def test_whoever_has_two_collections_is_told_that_one_is_not_used(tmp_path: Path) -> None:
    settings = DataSettings(root=str(tmp_path), corruption="noisy")
    (tmp_path / "trainB").mkdir()
    assert left_out(settings, AB) == []
    (tmp_path / "trainA").mkdir()
    (said,) = left_out(settings, AB)
    assert f"{tmp_path}/trainA is not used" in said
    assert left_out(settings.model_copy(update={"corruption": None}), AB) == []


class NumberCodec(Codec[float]):
    def spec(self, domain: str) -> TensorSpec:
        return TensorSpec(1, (None,))

    def load(self, path: Path) -> float:
        try:
            return float(path.read_text())
        except ValueError:
            raise BadSample(path, "is no number") from None

    def encode(self, item: float, domain: str) -> Sample:
        return Sample(torch.tensor([[item]]))

    def decode(self, tensor: Tensor, domain: str, meta: Mapping[str, Any]) -> float:
        return tensor.item()

    def save(self, item: float, path: Path) -> Path:
        path.with_suffix(".txt").write_text(str(item))
        return path.with_suffix(".txt")


MODALITY = Modality(
    "numbers", 2, "", NumberCodec, [RESNET], [PATCHGAN],
    corruptions={"noisy": lambda item, rng: item + 1000 + rng.random(), "broken": lambda *_: 1 / 0},
)  # fmt: skip


def collection(folder: Path, count: int, first: int = 0) -> Path:
    folder.mkdir(parents=True)
    for number in range(first, first + count):
        (folder / f"{number}.txt").write_text(str(number))
    return folder


def made(root: Path, folder: Path, corruption: str = "noisy", **settings: Any) -> dict[str, Any]:
    """The numbers of each part of what was made."""
    data = DataSettings(root=str(root), corruption=corruption, **settings)
    found = find_collections(
        data, root=made_root(data, MODALITY, NumberCodec(Options()), folder, AB)
    )
    parts = {}
    for name, domain in found.domains.items():
        for part in ("train", "test"):
            parts[part + name] = [float(file.read_text()) for file in getattr(domain, part)]
    parts["pairs"] = [
        tuple(float(f.read_text()) for f in pair) for pair in found.pairs("a", "b").values()
    ]
    return parts


def test_one_folder_gives_unpaired_training_and_paired_tests(tmp_path: Path) -> None:
    parts = made(collection(tmp_path / "mine", 40), tmp_path / "data")
    assert (len(parts["traina"]), len(parts["trainb"])) == (18, 18)
    assert all(number >= 1000 for number in parts["traina"] + parts["testa"])
    assert sorted(
        int(n) % 1000 for n in parts["traina"] + parts["trainb"] + parts["testb"]
    ) == list(range(40)), "every file once"
    assert len(parts["pairs"]) == 4
    assert all(int(spoilt) - 1000 == whole for spoilt, whole in parts["pairs"])


def test_it_is_the_same_whenever_it_is_made(tmp_path: Path) -> None:
    root = collection(tmp_path / "mine", 12)
    assert made(root, tmp_path / "one") == made(root, tmp_path / "two")


def test_a_folder_in_the_usual_layout_keeps_its_test_files(tmp_path: Path) -> None:
    root = tmp_path / "mine"
    collection(root / "trainB", 10)
    collection(root / "testB", 3, first=100)
    collection(root / "trainA", 5, first=500)  # of no use here
    parts = made(root, tmp_path / "data")
    assert (len(parts["traina"]), len(parts["trainb"])) == (5, 5)
    assert sorted(parts["testb"]) == [100, 101, 102]


def test_what_cannot_be_made_is_said(tmp_path: Path) -> None:
    root = collection(tmp_path / "mine", 10)
    with pytest.raises(DataError, match=r"has none called 'nosy'. Did you mean 'noisy'"):
        made(root, tmp_path / "data", "nosy")
    with pytest.raises(
        PluginError, match=r"Corruption 'broken' failed on .*txt: ZeroDivisionError"
    ):
        made(root, tmp_path / "data", "broken")
    assert not (tmp_path / "data").exists()
    with pytest.raises(DataError, match=r"of good files, but .*nowhere is none"):
        made(tmp_path / "nowhere", tmp_path / "data")
    bare = replace(MODALITY, corruptions={})
    data = DataSettings(root=str(root), corruption="noisy")
    with pytest.raises(DataError, match=r"has none called 'noisy'. There are none"):
        made_root(data, bare, NumberCodec(Options()), tmp_path / "data", AB)


def test_files_that_cannot_be_read_are_left_out(tmp_path: Path) -> None:
    root = collection(tmp_path / "mine", 20)
    (root / "bad.txt").write_text("no number")
    data = DataSettings(root=str(root), corruption="noisy")
    folder = made_root(data, MODALITY, NumberCodec(Options()), tmp_path / "data", AB)
    assert folder is not None
    assert len(list(folder.glob("*A/*"))) + len(list(folder.glob("trainB/*"))) in (20, 21)


def test_without_a_folder_nothing_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(collection(tmp_path / "here", 10))
    data = DataSettings(corruption="noisy")
    with pytest.raises(DataError, match=r"none was named. Name one with --data DIR"):
        made_root(data, MODALITY, NumberCodec(Options()), tmp_path / "data", AB)
    with pytest.raises(ValueError, match=r"give one folder, as data.root"):
        DataSettings(corruption="noisy", domains={"a": "x", "b": "y"})


def test_what_runs_have_written_is_not_learned_from(tmp_path: Path) -> None:
    root = collection(tmp_path / "mine", 20)
    collection(root / "runs/1/data/trainA", 5, first=5000)
    (root / "runs/1/run.json").write_text("{}")
    parts = made(root, tmp_path / "data")
    assert len(parts["traina"]) + len(parts["trainb"]) + len(parts["testb"]) == 20
