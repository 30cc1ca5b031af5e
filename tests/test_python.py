"""From Python: what the command line does, types in as types out, errors as one sentence."""

from pathlib import Path

import pytest
from PIL import Image
from support import copied, draw

import cyclekit
from cyclekit.errors import CyclekitError


def test_everything_that_the_command_line_does(trained: Path, tmp_path: Path) -> None:
    run = copied(trained, tmp_path / "run")
    result = cyclekit.resume(run, steps=5, set={"objective.cycle.weight": 5}, quiet=True)
    assert (result.run, set(result.evaluation)) == (run, {"a2b", "b2a"})
    measured = cyclekit.evaluate(run, quick=True, quiet=True)
    assert measured["a2b"]["l1"] == pytest.approx(result.evaluation["a2b"]["l1"], abs=1e-5)
    assert "identity" in measured["baselines"]
    page = cyclekit.report(run)
    assert page == run / "report.html"
    assert "<html" in page.read_text()


def test_a_list_gives_a_list(trained: Path, tmp_path: Path) -> None:
    model = cyclekit.load(trained, accelerator="cpu")
    file = draw(tmp_path / "x.png", 3)
    picture = Image.open(file)
    made = model.translate([picture, str(file), file], "a2b")
    assert [one.size for one in made] == [picture.size] * 3
    assert made[0].tobytes() == made[1].tobytes() == model.translate(picture, "a2b").tobytes()
    assert model.translate([], "a2b") == []


def test_a_model_says_what_it_is(trained: Path) -> None:
    model = cyclekit.load(trained, accelerator="cpu")
    assert repr(model) == f"<image {trained}, step 4: a2b, b2a>"
    assert model.directions == ["a2b", "b2a"]


def test_a_notebook_shows_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(CyclekitError) as raised:
        cyclekit.load(tmp_path / "nowhere")
    (shown,) = raised.value._render_traceback_()
    assert shown.startswith("CheckpointError: ")
    assert "does not exist" in shown
