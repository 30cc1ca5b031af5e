"""From Python: what the command line does, types in as types out, errors as one sentence."""

from pathlib import Path

import pytest
from cyclekit_image.codec import ImageCodec
from PIL import Image
from support import copied, draw

import cyclekit
from cyclekit.errors import CyclekitError, UsageError
from cyclekit.preparing.planning import Plan


@pytest.mark.slow
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


def test_grey_stays_grey_where_training_saw_colours(trained: Path, tmp_path: Path) -> None:
    model = cyclekit.load(trained, accelerator="cpu")
    picture = Image.open(draw(tmp_path / "x.png", 3))
    assert model.translate(picture.convert("L"), "a2b").mode == "L"
    assert model.translate(picture.convert("LA"), "a2b").mode == "L"
    assert model.translate(picture, "a2b").mode == "RGB"


def test_what_is_no_item_is_one_sentence(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = cyclekit.load(trained, accelerator="cpu")
    with pytest.raises(CyclekitError, match=r"a PIL picture or an array is wanted, not 3\.0"):
        model.translate(3.0, "a2b")
    # Other codecs may not look at what they are given.
    monkeypatch.setattr(ImageCodec, "encode", lambda self, item, domain: item.samples)
    with pytest.raises(CyclekitError, match=r"'float'.*ImageCodec works with .*PIL.*, or files by"):
        model.translate(3.0, "a2b")
    with pytest.raises(CyclekitError, match="ImageCodec works with"):
        model.save("x", tmp_path / "x.png")
    assert not list(tmp_path.iterdir())


def test_a_result_is_saved_into_a_new_folder(trained: Path, tmp_path: Path) -> None:
    model = cyclekit.load(trained, accelerator="cpu")
    made = model.translate(Image.open(draw(tmp_path / "x.png", 3)), "a2b")
    file = model.save(made, tmp_path / "new" / "er" / "y.jpg", format="png")
    assert file == tmp_path / "new/er/y.png"
    assert Image.open(file).size == made.size


@pytest.mark.slow
def test_training_takes_its_steps(tmp_path: Path) -> None:
    small = {"generator.channels": 2, "generator.blocks": 1, "discriminator.channels": 2}
    cut = {"codec.crop": 32, "codec.resize": 32, "train.evaluate_every": 0, "train.batch_size": 1}
    result = cyclekit.train("image", "demo", steps=1, set=small | cut, quiet=True,
                            run_dir=tmp_path / "run")  # fmt: skip
    assert cyclekit.load(result.run, accelerator="cpu").step == 1
    assert cyclekit.load(result.run, checkpoint=1, accelerator="cpu").step == 1
    with pytest.raises(CyclekitError, match=r"is finished: 1 steps are done.*train.batch_size"):
        cyclekit.resume(result.run, set={"train.batch_size": 2}, quiet=True)


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


def test_a_plan_without_a_plugin_is_made_by_the_one_that_knows_the_files(
    folders: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[tuple[Plan, float | None]] = []
    monkeypatch.setattr(
        "cyclekit.python_api.start_training",
        lambda plan, *_, minutes: asked.append((plan, minutes)),
    )
    cyclekit.train(data=folders, minutes=2)
    ((plan, minutes),) = asked
    assert (plan.host.modality.name, minutes) == ("image", 2)
    assert plan.recipe.data.root == str(folders)
    assert plan.settings is not None, "the rest is to be planned"
    assert "read by the plugin image" in "".join(capsys.readouterr())
    with pytest.raises(UsageError, match="Name a plugin, or the data"):
        cyclekit.train(minutes=2)
