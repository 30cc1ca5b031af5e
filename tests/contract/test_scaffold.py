"""What ``cyclekit plugins new`` writes works as it is, installed as a stranger would install it."""

import sys
from pathlib import Path

import pytest
from packages import BIN, install, lines_of_code, run
from support import Cli

from cyclekit.testing import check_modality
from cyclekit.testing.checks import CHECKS


def test_code_is_counted_as_people_would() -> None:
    source = '"""Doc.\n\nMore."""\n\nimport os  # why\n\n# a comment\nx = """a\nb"""\n'
    assert lines_of_code(source) == 3
    assert lines_of_code('def f():\n    """Doc."""\n    return 1\n') == 2


@pytest.mark.slow
@pytest.mark.parametrize("dims", [1, 2, 3])
def test_a_new_plugin_works_as_generated(cli: Cli, tmp_path: Path, dims: int) -> None:
    site = tmp_path / "site"
    made = cli("plugins", "new", "cloud_maps", f"--dims={dims}", "-o", tmp_path)
    assert made.code == 0, made.err
    package = tmp_path / "cyclekit-cloud-maps"
    module = (package / "cyclekit_cloud_maps/__init__.py").read_text()
    assert lines_of_code(module) <= 60
    run(package, site, BIN / "ruff", "check", package)
    run(package, site, BIN / "ruff", "format", "--check", package)
    if dims == 2:  # between the others: without the time that installing takes
        check_modality(str(package / "cyclekit_cloud_maps/__init__.py"))
        return
    install(package, site)
    assert "cloud_maps   cyclekit-cloud-maps 0.1.0" in run(
        tmp_path, site, BIN / "cyclekit", "plugins", "list"
    )
    tested = run(package, site, sys.executable, "-m", "pytest", "-q", "tests")
    assert "2 passed" in tested
    if dims == 3:
        return
    trained = run(
        tmp_path, site, BIN / "cyclekit", "train", "--plugin", "cloud_maps", "--recipe", "demo",
        "--steps=40", "--accelerator=cpu",
    )  # fmt: skip
    assert "run: runs/00001-cloud_maps-demo" in trained
    assert "on the test set" in trained
    run(tmp_path, site, BIN / "cyclekit", "translate", "runs/00001-cloud_maps-demo",
        "runs/00001-cloud_maps-demo/data/testA", "-o", "out", "--direction", "a2b")  # fmt: skip
    assert len(list((tmp_path / "out").glob("*.npy"))) == 10


@pytest.mark.slow
def test_a_new_objective_works_as_generated(cli: Cli, tmp_path: Path) -> None:
    site = tmp_path / "site"
    made = cli("plugins", "new", "far_away", "--objective", "-o", tmp_path)
    assert made.code == 0, made.err
    assert "plugins check image --extension far_away" in made.out
    package = tmp_path / "cyclekit-far-away"
    assert lines_of_code((package / "cyclekit_far_away/__init__.py").read_text()) <= 50
    run(package, site, BIN / "ruff", "check", package)
    run(package, site, BIN / "ruff", "format", "--check", package)
    install(package, site)
    assert "2 passed" in run(package, site, sys.executable, "-m", "pytest", "-q", "tests")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("3d", "must be a Python identifier in lower case"),
        ("depth-maps", "must be a Python identifier in lower case"),
        ("EEG", "must be a Python identifier in lower case"),
        ("é", "must be a Python identifier in lower case"),
        ("_", "must be a Python identifier in lower case"),
        ("class", "must be a Python identifier in lower case"),
        ("image", "a plugin called 'image' already, from cyclekit"),
    ],
)
def test_names_that_cannot_be_used(cli: Cli, tmp_path: Path, name: str, said: str) -> None:
    refused = cli("plugins", "new", name, "-o", tmp_path)
    assert (refused.code, said in refused.err) == (2, True), refused.err
    assert not list(tmp_path.iterdir())


def test_nothing_is_overwritten(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "cyclekit-eeg").mkdir()
    refused = cli("plugins", "new", "eeg", "-o", tmp_path)
    assert (refused.code, "exists already" in refused.err) == (2, True)


@pytest.mark.slow
def test_built_in_plugins_keep_the_contract(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    from cyclekit_audio import speakers
    from cyclekit_image import shapes
    from cyclekit_music import compose, genre

    monkeypatch.setattr(genre, "STEPS", 50)
    for made in (shapes, compose, speakers):  # a few files are enough
        monkeypatch.setattr(made, "TRAIN", 6)
        monkeypatch.setattr(made, "TEST", 4)
    for plugin in ("image", "audio", "music"):
        checked = cli("plugins", "check", plugin)
        assert checked.code == 0, checked.out
        assert checked.out.count("ok  ") == len(CHECKS) + 1
