"""The same items on every sheet, whatever happens to the files meanwhile."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support import SMALL, Cli, draw, training

arguments = training("image", "horse2zebra", SMALL | {"train.steps": 2, "train.preview_every": 2})


def sources(run: Path, step: int) -> Any:
    """The left column of a sheet: real items of A, which training does not change."""
    sheet = np.asarray(Image.open(run / f"samples/step-{step:08d}/sheet.png"))
    return sheet[:, : sheet.shape[1] // 8]


@pytest.fixture
def begun(cli: Cli, folders: Path, tmp_path: Path) -> tuple[Path, Path]:
    """A run of two steps and its data."""
    data = Path(shutil.copytree(folders, tmp_path / "data"))
    assert cli(*arguments(data, tmp_path / "run")).code == 0
    return data, tmp_path / "run"


@pytest.mark.slow
def test_a_resumed_run_shows_the_same_though_files_were_added(
    cli: Cli, begun: tuple[Path, Path]
) -> None:
    data, run = begun
    chosen = json.loads((run / "preview.json").read_text())
    assert [len(chosen[domain]) for domain in "ab"] == [2, 2]
    for index in range(8):
        for side in "AB":
            draw(data / f"test{side}" / f"!{index}.png", 400 + index)  # sorts before the others
    assert cli("resume", run, "--steps", 4).code == 0
    assert json.loads((run / "preview.json").read_text()) == chosen
    assert np.array_equal(sources(run, 0), sources(run, 4))


def test_an_item_that_is_gone_is_replaced_alone(cli: Cli, begun: tuple[Path, Path]) -> None:
    _, run = begun
    first, second = json.loads((run / "preview.json").read_text())["a"]
    Path(first).unlink()
    assert cli("resume", run, "--steps", 4).code == 0
    now = json.loads((run / "preview.json").read_text())["a"]
    assert len(now) == 2
    assert second in now
    assert first not in now


@pytest.mark.slow
def test_a_damaged_list_is_an_error_that_names_it(cli: Cli, begun: tuple[Path, Path]) -> None:
    _, run = begun
    (run / "preview.json").write_text('{"a": [')
    done = cli("resume", run, "--steps", 4)
    assert (done.code, "preview.json cannot be read" in done.err) == (1, True)
    (run / "preview.json").write_text('{"a": 3, "b": [4, "nothing"]}')
    assert cli("resume", run, "--steps", 4).code == 0
    assert len(json.loads((run / "preview.json").read_text())["b"]) == 2


def test_built_in_data_moves_with_its_run(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cyclekit_image.shapes.TRAIN", 6)
    monkeypatch.setattr("cyclekit_image.shapes.TEST", 4)
    small = training("image", "demo", SMALL | {"train.evaluate_every": 0, "train.steps": 2})
    done = cli(*[a for a in small(tmp_path, tmp_path / "run") if not a.startswith("--data")])
    assert done.code == 0, done.err
    chosen = json.loads((tmp_path / "run/preview.json").read_text())
    assert all((tmp_path / "run" / name).is_file() for names in chosen.values() for name in names)
    (tmp_path / "run").rename(tmp_path / "moved")
    shutil.copy(tmp_path / "moved" / chosen["a"][0], tmp_path / "moved/data/testA/!.png")
    assert cli("resume", tmp_path / "moved", "--steps", 4).code == 0
    assert json.loads((tmp_path / "moved/preview.json").read_text()) == chosen
