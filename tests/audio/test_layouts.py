"""Published corpora are read from the folders that their archives unpack to."""

from pathlib import Path

import pytest
from support import find_two as find_collections

from cyclekit.data.folders import Collections
from cyclekit.preparing.planning import plan_training


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def found(recipe: str) -> Collections:
    return find_collections(plan_training("audio", recipe, []).recipe.data)


def touch(folder: Path, *names: str) -> None:
    folder.mkdir(parents=True)
    for name in names:
        (folder / f"{name}.wav").touch()


def test_vcc2018(here: Path) -> None:
    root = here / "datasets/vcc2018"
    touch(root / "vcc2018_training/VCC2SF3", "10001", "10002")
    touch(root / "vcc2018_training/VCC2TM1", "20001", "20002", "20003")
    touch(root / "vcc2018_evaluation/VCC2SF3", "30001", "30002")
    touch(root / "vcc2018_reference/VCC2TM1", "30001", "30002")
    voices = found("vcc2018")
    assert [len(domain.train) for domain in voices.domains.values()] == [2, 3]
    assert {name: pair[1].parent.name for name, pair in voices.pairs("a", "b").items()} == {
        "30001": "VCC2TM1",
        "30002": "VCC2TM1",
    }


def test_arctic_holds_out_the_same_sentences_of_both(here: Path) -> None:
    names = [f"arctic_a{n:04d}" for n in range(1, 31)]
    for voice in ("slt", "rms"):
        touch(here / f"datasets/arctic/cmu_us_{voice}_arctic/wav", *names)
    voices = found("arctic")
    assert [len(domain.train) for domain in voices.domains.values()] == [27, 27]
    assert len(voices.pairs("a", "b")) == 3


def test_own_folders_take_the_place_of_all_of_a_recipes(here: Path) -> None:
    from cyclekit.preparing.planning import data_settings

    for letter in "AB":
        touch(here / f"mine/train{letter}", *"abcdefghij")
    plan = plan_training("audio", "arctic", data_settings(here / "mine"))
    assert find_collections(plan.recipe.data).pairs("a", "b") == {}
