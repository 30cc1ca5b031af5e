"""A run that the release 0.1.0 made opens, goes on and translates."""

import json
import shutil
from pathlib import Path

import pytest
from PIL import Image
from support import Cli, copied, draw, records

OLDER = Path(__file__).parents[1] / "data" / "run-0.1.0"


@pytest.fixture
def older(folders: Path, tmp_path: Path) -> Path:
    """A copy whose data is where the test's is: the same pictures, held to be pairs."""
    run, data = tmp_path / "older", copied(folders, tmp_path / "data")
    for index in range(3):
        draw(data / f"testB/{index}.png", 300 + index)
    shutil.copytree(OLDER, run, symlinks=True)
    recipe = (run / "recipe.toml").read_text()
    assert 'root = "/data"' in recipe
    recipe = recipe.replace('"/data"', f'"{data}"').replace("parallel = false", "parallel = true")
    (run / "recipe.toml").write_text(recipe)
    return run


def test_it_translates(older: Path, folders: Path, tmp_path: Path, cli: Cli) -> None:
    source = folders / "testA/0.png"
    done = cli("translate", older, source, "-o", tmp_path / "out", "--direction=a2b",
               "--checkpoint=best", "--accelerator=cpu")  # fmt: skip
    assert done.code == 0, done.err
    assert Image.open(tmp_path / "out/0.png").size == Image.open(source).size


def test_it_goes_on_to_where_it_ended(older: Path, cli: Cli) -> None:
    shutil.rmtree(older / "checkpoints/step-00000004")
    done = cli("resume", older, "--accelerator=cpu")
    assert done.code == 0, done.err
    changes = map(json.loads, (older / "changes.jsonl").read_text().splitlines())
    assert {change["key"] for change in changes} == {
        "data.root",
        "data.parallel",
    }  # nothing that is only newer
    before, after = records(OLDER), records(older)
    assert [record.keys() for record in after] == [record.keys() for record in before]
    # The last bits are those of the processor that made it.
    assert after[1] == pytest.approx(before[1], rel=1e-2)
    for direction in ("a2b", "b2a"):
        figures = (lines[2]["evaluation"][direction] for lines in (after, before))
        assert next(figures) == pytest.approx(next(figures), rel=1e-2)


def test_it_is_reported(older: Path, cli: Cli) -> None:
    assert cli("report", older).code == 0
    assert "32-true" in (older / "report.html").read_text()
