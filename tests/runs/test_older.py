"""Runs of the first release, and of version 1 of the contract, open, go on and translate."""

import json
import shutil
from pathlib import Path

import pytest
from PIL import Image
from support import Cli, copied, draw, records

DATA = Path(__file__).parents[1] / "data"
OLDER = {name: DATA / name for name in ("run-0.1.0", "run-contract-1")}
MOVED = {
    "run-0.1.0": {"data.root", "data.parallel"},
    "run-contract-1": {
        "data.root",
        "data.parallel",
        *(f"data.{table}.{domain}" for table in ("domains", "tests") for domain in "ab"),
    },
}


@pytest.fixture(params=list(OLDER))
def name(request: pytest.FixtureRequest) -> str:
    made: str = request.param
    return made


@pytest.fixture
def older(name: str, folders: Path, tmp_path: Path) -> Path:
    """A copy whose data is where the test's is: the same pictures, held to be pairs."""
    run, data = tmp_path / "older", copied(folders, tmp_path / "data")
    for index in range(3):
        draw(data / f"testB/{index}.png", 300 + index)
    shutil.copytree(OLDER[name], run, symlinks=True)
    recipe = (run / "recipe.toml").read_text()
    assert "[history]" in recipe
    assert 'root = "/data"' in recipe
    recipe = recipe.replace('"/data', f'"{data}').replace("parallel = false", "parallel = true")
    (run / "recipe.toml").write_text(recipe)
    return run


def test_it_translates(older: Path, folders: Path, tmp_path: Path, cli: Cli) -> None:
    source = folders / "testA/0.png"
    done = cli("translate", older, source, "-o", tmp_path / "out", "--direction=a2b",
               "--checkpoint=best", "--accelerator=cpu")  # fmt: skip
    assert done.code == 0, done.err
    assert Image.open(tmp_path / "out/0.png").size == Image.open(source).size


@pytest.mark.slow
def test_it_goes_on_to_where_it_ended(name: str, older: Path, cli: Cli) -> None:
    shutil.rmtree(older / "checkpoints/step-00000004")
    done = cli("resume", older, "--accelerator=cpu")
    assert done.code == 0, done.err
    changes = map(json.loads, (older / "changes.jsonl").read_text().splitlines())
    assert {change["key"] for change in changes} == MOVED[name]  # nothing that is only newer
    assert "is called" not in done.err  # whoever has an old run need not write it anew
    assert "[history]" not in (older / "recipe.toml").read_text()
    before, after = records(OLDER[name]), records(older)
    assert [record.keys() for record in after] == [record.keys() for record in before]
    # The last bits are those of the processor that made it.
    assert after[1] == pytest.approx(before[1], rel=1e-2)
    for direction in ("a2b", "b2a"):
        figures = (lines[2]["evaluation"][direction] for lines in (after, before))
        assert next(figures) == pytest.approx(next(figures), rel=1e-2)


def test_it_is_evaluated(older: Path, cli: Cli) -> None:
    done = cli("evaluate", older, "--json", "--quick", "--accelerator=cpu")
    assert done.code == 0, done.err
    figures = json.loads(done.out)
    stored = json.loads((older / "checkpoints/latest/checkpoint.json").read_text())["evaluation"]
    for way in ("a2b", "b2a"):
        assert figures[way]["l1"] == pytest.approx(stored[way]["l1"], rel=1e-2)


def test_it_is_reported(older: Path, cli: Cli) -> None:
    assert cli("report", older).code == 0
    assert "32-true" in (older / "report.html").read_text()
