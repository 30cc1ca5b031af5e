"""Translating and measuring with a trained run."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from support import SMALL, Cli, copied, draw, results

import cyclekit
from cyclekit.errors import CyclekitError


@pytest.mark.parametrize("size", [(40, 40), (37, 51), (1, 1), (7, 90), (128, 64)])
def test_any_size_comes_back_as_it_was(
    cli: Cli, trained: Path, tmp_path: Path, size: tuple[int, int]
) -> None:
    draw(tmp_path / "in.jpg", 0, size)
    outcome = cli(
        "translate", trained, tmp_path / "in.jpg", "-o", tmp_path / "out", "--direction=a2b"
    )
    assert outcome.code == 0, outcome.err
    with Image.open(tmp_path / "out" / "in.png") as made:
        assert made.size == size


def test_folders_keep_their_layout_and_batches_change_nothing(
    cli: Cli, trained: Path, tmp_path: Path
) -> None:
    for index, name in enumerate(("x.png", "deep/x.png", "deep/y.png", "deep/y.jpg")):
        draw(tmp_path / "in" / name, index, (40, 40 + 8 * (index % 2)))
    for number, batch in enumerate((1, 3)):
        outcome = cli("translate", trained, tmp_path / "in", "-o", tmp_path / f"out{number}",
                      "--direction=b2a", f"--batch-size={batch}")  # fmt: skip
        assert outcome.code == 0, outcome.err
    names = ["deep/x.png", "deep/y.jpg.png", "deep/y.png.png", "x.png"]
    for number in range(2):
        out = tmp_path / f"out{number}"
        assert sorted(p.relative_to(out).as_posix() for p in out.rglob("*.png")) == names
    for name in names:
        one, three = (
            np.asarray(Image.open(tmp_path / f"out{n}" / name)).astype(int) for n in (0, 1)
        )
        assert np.abs(one - three).max() <= 1


def test_a_bad_file_costs_only_itself(cli: Cli, trained: Path, tmp_path: Path) -> None:
    draw(tmp_path / "good.png", 0)
    (tmp_path / "bad.png").write_text("no picture")
    inputs = [tmp_path / name for name in ("bad.png", "good.png", "missing.png")]
    outcome = cli("translate", trained, *inputs, "-o", tmp_path / "out", "--direction=a2b")
    assert outcome.code == 1
    assert "bad.png: is no picture" in outcome.err
    assert "missing.png" in outcome.err
    assert "1 of 3 files translated" in outcome.err
    assert [path.name for path in results(tmp_path / "out")] == ["good.png"]


def test_inputs_are_never_replaced(cli: Cli, trained: Path, tmp_path: Path) -> None:
    file = draw(tmp_path / "x.png", 0)
    before = file.read_bytes()
    outcome = cli("translate", trained, file, "-o", tmp_path, "--direction=a2b")
    assert outcome.code == 2
    assert "name another folder" in outcome.err
    assert file.read_bytes() == before


def test_originals_behind_links_are_never_replaced(cli: Cli, trained: Path, tmp_path: Path) -> None:
    original = draw(tmp_path / "originals/x.png", 0)
    before = original.read_bytes()
    (tmp_path / "in").mkdir()
    (tmp_path / "in/linked.png").symlink_to(original)
    for out in (tmp_path / "in", tmp_path / "in/../in"):
        outcome = cli("translate", trained, tmp_path / "in", "-o", out, "--direction=a2b")
        assert outcome.code == 2
    assert original.read_bytes() == before


def test_pictures_from_python_are_treated_like_files(trained: Path, tmp_path: Path) -> None:
    pixels = np.zeros((40, 30, 4), dtype=np.uint8)
    pixels[:20, :, 3] = 255
    picture = Image.fromarray(pixels)
    exif = Image.Exif()
    exif[0x0112] = 6
    picture.save(tmp_path / "x.png", exif=exif)
    model = cyclekit.load(trained)
    from_file = model.translate(tmp_path / "x.png", "a2b")
    with Image.open(tmp_path / "x.png") as opened:
        from_object = model.translate(opened, "a2b")
    assert from_file.size == (40, 30)
    np.testing.assert_array_equal(np.asarray(from_file), np.asarray(from_object))


def test_a_run_copied_with_its_links_followed(cli: Cli, trained: Path, tmp_path: Path) -> None:
    shutil.copytree(trained, tmp_path / "copy", symlinks=False)
    assert cyclekit.load(tmp_path / "copy").step == 4


def test_python_and_command_line_agree(cli: Cli, trained: Path, tmp_path: Path) -> None:
    file = draw(tmp_path / "x.png", 0)
    cli("translate", trained, file, "-o", tmp_path / "out", "--direction=a2b")
    written = np.asarray(Image.open(tmp_path / "out/x.png"))
    model = cyclekit.load(trained)
    with Image.open(file) as picture:
        np.testing.assert_array_equal(
            np.asarray(model.translate(picture, direction="a2b")), written
        )
    np.testing.assert_array_equal(np.asarray(model.translate(str(file), direction="a2b")), written)
    assert model.step == 4


@pytest.mark.slow
def test_averaged_weights_are_used_where_there_are_any(
    cli: Cli, folders: Path, tmp_path: Path
) -> None:
    settings = SMALL | {"train.ema": 0.5, "train.learning_rate": 0.01}
    result = cyclekit.train(
        "image", "horse2zebra", data=folders, run_dir=tmp_path / "run", quiet=True, set=settings
    )
    picture = Image.open(folders / "testA/0.png")
    averaged = cyclekit.load(result.run).translate(picture, "a2b")
    latest = tmp_path / "run/checkpoints/latest"
    about = json.loads((latest / "checkpoint.json").read_text())
    file = latest / "generator_a2b.safetensors"
    save_file({key: torch.zeros_like(x) for key, x in load_file(file).items()}, file)
    about["files"][file.name] = hashlib.sha256(file.read_bytes()).hexdigest()
    (latest / "checkpoint.json").write_text(json.dumps(about))
    assert cyclekit.load(result.run).translate(picture, "a2b").tobytes() == averaged.tobytes()
    about["files"] = {name: sum for name, sum in about["files"].items() if ".ema." not in name}
    (latest / "checkpoint.json").write_text(json.dumps(about))
    with pytest.raises(CyclekitError, match=r"generator_\w+.ema.safetensors is damaged"):
        cyclekit.load(result.run)
    for file in latest.glob("*.ema.safetensors"):
        file.unlink()
    with pytest.raises(CyclekitError, match=r"generator_\w+.ema.safetensors is damaged"):
        cyclekit.load(result.run)


def test_evaluate_scores_what_translate_writes(
    cli: Cli, folders: Path, trained: Path, tmp_path: Path
) -> None:
    run = copied(trained, tmp_path / "run")
    outcome = cli("evaluate", run, "--quick", "--json")
    assert outcome.code == 0, outcome.err
    report = json.loads(outcome.out)
    assert (report["checkpoint"], report["step"]) == ("step-00000004", 4)
    saved = json.loads((run / "evaluations/step-00000004.json").read_text())
    assert saved == report

    cli("translate", run, folders / "testA", "-o", tmp_path / "out", "--direction=a2b")

    def picture(path: Path) -> Any:
        return np.asarray(Image.open(path)).astype(float) / 255

    errors = [
        np.abs(picture(tmp_path / "out" / file.name) - picture(file)).mean()
        for file in (folders / "testB").iterdir()
    ]
    assert report["a2b"]["l1"] == pytest.approx(np.mean(errors), rel=1e-4)
    identity = [
        np.abs(picture(folders / "testA" / file.name) - picture(file)).mean()
        for file in (folders / "testB").iterdir()
    ]
    for way in ("a2b", "b2a"):
        measured = report["baselines"]["identity"][way]["l1"]
        assert measured == pytest.approx(np.mean(identity), rel=1e-4)
    assert set(report["baselines"]) == {"identity", "colour"}


@pytest.mark.slow
def test_evaluate_on_other_data_and_without_pairs(cli: Cli, trained: Path, tmp_path: Path) -> None:
    for split in ("trainA", "trainB", "testA", "testB"):
        draw(tmp_path / "data" / split / f"{split}.png", len(split))
    run = copied(trained, tmp_path / "run")
    cli("evaluate", run, "--quick")
    other = ("--quick", "--json", "--data", tmp_path / "data")
    report = json.loads(cli("evaluate", run, *other).out)
    assert set(report["a2b"]) == {"cycle_l1", "patch_distance"}
    shown = cli("evaluate", run, "--quick")
    assert shown.code == 0
    assert "identity" in shown.out
    assert json.loads((run / "evaluations/step-00000004.json").read_text())["a2b"]["l1"] > 0
    (tmp_path / "data/testB/testB.png").write_text("no picture")
    unreadable = cli("evaluate", run, "--data", tmp_path / "data")
    assert (unreadable.code, "None of domain B's 1 test files" in unreadable.err) == (1, True)
    shutil.rmtree(tmp_path / "data/testA")
    shutil.rmtree(tmp_path / "data/trainA")
    draw(tmp_path / "data/trainA/only.png", 0)
    refused = cli("evaluate", run, "--data", tmp_path / "data")
    assert (refused.code, "Domain A has no test files" in refused.err) == (1, True)


def evil(run: Path) -> Path:
    """Code that somebody put into a run."""
    file = run / "evil.py"
    file.write_text("import pathlib\npathlib.Path('/tmp/cyclekit-was-here').touch()\n")
    return file


class Payload:
    def __reduce__(self) -> Any:
        return Path.touch, (Path("/tmp/cyclekit-was-here"),)


@pytest.mark.parametrize(
    ("damage", "code", "said"),
    [
        ("missing", 1, "does not exist: expected a folder that `cyclekit train` made"),
        ("no run", 1, "is no run"),
        ("no checkpoint", 1, "has no checkpoint yet"),
        ("pickle", 1, "could run code"),
        ("truncated weights", 1, "is damaged.*one before it .step 2.*--checkpoint 2"),
        ("flipped state", 1, "codec.safetensors is damaged"),
        ("missing weights", 1, "generator_a2b.safetensors is damaged: No such file"),
        ("other plugin", 1, "was written by plugin 'audio'"),
        ("other version", 1, "cyclekit 7.0 , but|cyclekit 7.0, but 0.2.0 is installed"),
        ("other format", 1, "checkpoint format 99; this cyclekit reads 2 and 3"),
        ("other size", 1, "does not fit what the run's recipe describes"),
        (
            "plugin gone",
            2,
            "was made with plugin 'gone' .cyclekit-gone 3.1.*pip install 'cyclekit-gone==3.1'",
        ),
        ("damaged json", 1, "run.json cannot be read"),
        ("empty json", 1, "run.json does not say which plugin wrote it"),
        ("plugin inside", 2, "names the code .*evil.py, which could do anything.*--trust"),
        ("plugin beside", 2, "names the code .*evil.py, which could do anything.*--trust"),
        ("extension inside", 2, "names the code .*evil.py, which could do anything.*--trust"),
        ("no writer", 1, "checkpoint.json is damaged: .*plugin: Field required"),
    ],
)
def test_runs_that_cannot_be_used(
    cli: Cli,
    trained: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    damage: str,
    code: int,
    said: str,
) -> None:
    import re

    run = copied(trained, tmp_path / "run")
    latest = run / "checkpoints/latest"

    def edit(file: Path, change: Callable[[Any], None]) -> None:
        content = json.loads(file.read_text())
        change(content)
        file.write_text(json.dumps(content))

    if damage == "missing":
        shutil.rmtree(run)
    elif damage == "no run":
        (run / "run.json").unlink()
    elif damage == "no checkpoint":
        shutil.rmtree(run / "checkpoints")
    elif damage == "pickle":
        # Somebody who makes such a file makes its checksum, too.
        torch.save(Payload(), latest / "state.pt")
        checksum = hashlib.sha256((latest / "state.pt").read_bytes()).hexdigest()
        edit(
            latest / "checkpoint.json",
            lambda about: about.update(format=2, files=about["files"] | {"state.pt": checksum}),
        )
    elif damage == "truncated weights":
        file = latest / "generator_a2b.safetensors"
        file.write_bytes(file.read_bytes()[:100])
    elif damage == "flipped state":
        content = bytearray((latest / "codec.safetensors").read_bytes())
        content[len(content) // 2] ^= 1
        (latest / "codec.safetensors").write_bytes(content)
    elif damage == "missing weights":
        (latest / "generator_a2b.safetensors").unlink()
    elif damage == "other plugin":
        edit(latest / "checkpoint.json", lambda about: about["plugin"].update(name="audio"))
    elif damage == "other version":
        edit(latest / "checkpoint.json", lambda about: about["plugin"].update(version="7.0"))
    elif damage == "plugin inside":
        edit(run / "run.json", lambda about: about["plugin"].update(distribution=str(evil(run))))
    elif damage == "plugin beside":
        edit(run / "run.json", lambda about: about["plugin"].update(distribution="evil.py"))
        monkeypatch.chdir(evil(run).parent)
    elif damage == "extension inside":
        recipe = (run / "recipe.toml").read_text()
        assert "extensions = []" in recipe
        named = recipe.replace("extensions = []", f"extensions = ['{evil(run)}']")
        (run / "recipe.toml").write_text(named)
    elif damage == "other format":
        edit(latest / "checkpoint.json", lambda about: about.update(format=99))
    elif damage == "other size":
        recipe = (run / "recipe.toml").read_text()
        (run / "recipe.toml").write_text(recipe.replace("blocks = 1", "blocks = 2"))
    elif damage == "plugin gone":
        gone = {"name": "gone", "distribution": "cyclekit-gone", "version": "3.1"}
        edit(run / "run.json", lambda about: about.update(plugin=gone))
    elif damage == "damaged json":
        (run / "run.json").write_text("{")
    elif damage == "empty json":
        (run / "run.json").write_text("{}")
    elif damage == "no writer":
        edit(latest / "checkpoint.json", lambda about: about.pop("plugin"))
    file = draw(tmp_path / "x.png", 0)
    outcome = cli("translate", run, file, "-o", tmp_path / "out", "--direction=a2b")
    assert outcome.code == code, outcome.err
    assert re.search(said, outcome.err), outcome.err
    assert "Traceback" not in outcome.err
    assert not Path("/tmp/cyclekit-was-here").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "Say which direction to translate in: a2b, b2a"),
        (["--direction=a2c"], "No direction 'a2c'. Did you mean 'a2b'"),
        (["--direction=a2b", "--checkpoint=newest"], "No checkpoint 'newest': expected latest"),
        (["--direction=a2b", "--checkpoint=²"], "No checkpoint '²': expected latest"),
    ],
)
def test_wrong_usage(
    cli: Cli, trained: Path, tmp_path: Path, arguments: list[str], said: str
) -> None:
    import re

    file = draw(tmp_path / "x.png", 0)
    outcome = cli("translate", trained, file, "-o", tmp_path / "out", *arguments)
    assert outcome.code == 2
    assert re.search(said, outcome.err), outcome.err
    assert not (tmp_path / "out").exists()


def test_a_checkpoint_that_is_not_there(cli: Cli, trained: Path, tmp_path: Path) -> None:
    file = draw(tmp_path / "x.png", 0)
    outcome = cli("translate", trained, file, "-o", tmp_path / "out", "--direction=a2b",
                  "--checkpoint=7")  # fmt: skip
    assert (outcome.code, "There are: latest, 2, 4" in outcome.err) == (1, True)


def test_output_that_is_a_file(cli: Cli, trained: Path, tmp_path: Path) -> None:
    file = draw(tmp_path / "x.png", 0)
    before = file.read_bytes()
    outcome = cli("translate", trained, file, "-o", file, "--direction=a2b")
    assert outcome.code == 2
    assert "is the input, which the result would replace" in outcome.err
    assert file.read_bytes() == before
    (tmp_path / "out").touch()
    outcome = cli("translate", trained, file, "-o", tmp_path / "out", "--direction=a2b")
    assert (outcome.code, "is a file; -o names the folder" in outcome.err) == (2, True)


def test_other_checkpoints(cli: Cli, trained: Path, tmp_path: Path) -> None:
    file = draw(tmp_path / "x.png", 0)
    for which in ("2", "best"):
        out = tmp_path / which
        outcome = cli(
            "translate", trained, file, "-o", out, "--direction=a2b", "--checkpoint", which
        )
        assert outcome.code == 0
    assert (tmp_path / "2/x.png").read_bytes() != (tmp_path / "best/x.png").read_bytes()
