"""A card, and runs that are pushed to a hub and come back from it."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hub_support import Hub, hub
from support import Cli, copied, draw

import cyclekit
from cyclekit.console import Console
from cyclekit.errors import CyclekitError, DataError, UsageError
from cyclekit.hub.fetching import address_of, fetch
from cyclekit.hub.pushing import push
from cyclekit.storage.folder import Storage

pytest.importorskip("huggingface_hub", reason="needs cyclekit[hub]")


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_TOKEN", "hf_none")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    with hub() as held:
        yield held


def test_a_card_tells_what_the_report_knows(
    cli: Cli, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = copied(trained, tmp_path / "run")
    assert cli("evaluate", run, "--quick").code == 0
    done = cli("card", run)
    assert done.code == 0, done.err
    card = (run / "README.md").read_text()
    assert "library_name: cyclekit" in card
    assert "3 of A and 3 of B" in card
    assert "| a2b | translated | identity |" in card
    assert "| l1 ↓ |" in card
    assert "6 training files" in card
    assert str(tmp_path) not in card
    (shown,) = [line for line in card.splitlines() if line.startswith("![")]
    assert (run / shown.partition("](")[2].rstrip(")")).is_file()
    again = cli("card", run)
    assert again.code == 2
    assert "is there already" in again.err


def test_names_in_a_run_are_no_markdown(cli: Cli, trained: Path, tmp_path: Path) -> None:
    run = copied(trained, tmp_path / "<script>alert(1)</script>|x](y)")
    assert cli("card", run, "-o", tmp_path / "card.md").code == 0
    assert "<script>" not in (tmp_path / "card.md").read_text().replace("\\<script", "")


def test_a_run_comes_back_from_a_hub(trained: Path, tmp_path: Path, held: Hub) -> None:
    run = copied(trained, tmp_path / "run")
    Storage(run).write_text("README.md", "Filled in by somebody.\n")
    where = push(run, "hf:me/shapes", "latest", False, Console(True), held.address)
    repository, commit = address_of(where)
    files = held.commits[repository][str(commit)]
    assert {name.rpartition(".")[2] for name in files} <= {"safetensors", "json", "toml", "md"}
    assert not any("state" in name or "discriminator" in name for name in files)
    assert files["README.md"] == b"Filled in by somebody.\n"
    assert not any(str(tmp_path).encode() in content for content in files.values())

    held.commit(repository, {"evil.py": b"raise SystemExit", "a/pytorch_model.bin": b"\x80"})
    fetched = fetch("hf:me/shapes", Console(True), held.address)
    assert not [file for file in fetched.rglob("*") if file.suffix in (".py", ".bin")]
    picture = draw(tmp_path / "x.png", 0)
    np.testing.assert_array_equal(
        np.asarray(cyclekit.load(fetched).translate(picture, "a2b")),
        np.asarray(cyclekit.load(trained).translate(picture, "a2b")),
    )
    pinned = fetch(where, Console(True), held.address)
    assert pinned.name == commit != fetched.name
    held.asked.clear()
    assert fetch(where, Console(True), held.address) == pinned
    assert held.asked == []  # what is pinned and there needs nobody


def test_averages_are_what_is_passed_on(folders: Path, tmp_path: Path, held: Hub) -> None:
    from support import SMALL

    settings = SMALL | {"train.ema": 0.5, "train.evaluate_every": 0, "train.steps": 2}
    made = cyclekit.train(
        "image", "horse2zebra", data=folders, run_dir=tmp_path / "run", quiet=True, set=settings
    )
    push(made.run, "hf:me/averaged", "latest", False, Console(True), held.address)
    fetched = fetch("hf:me/averaged", Console(True), held.address)
    picture = draw(tmp_path / "x.png", 0)
    own, theirs = (cyclekit.load(run).translate(picture, "a2b") for run in (made.run, fetched))
    assert own.tobytes() == theirs.tobytes()


@pytest.mark.slow
def test_every_verb_that_translates_takes_it(trained: Path, tmp_path: Path, held: Hub) -> None:
    import os

    where = push(trained, "hf:me/shapes", "latest", False, Console(True), held.address)
    picture = draw(tmp_path / "x.png", 0)
    command = [sys.executable, "-m", "cyclekit.cli", "translate", where, str(picture),
               "-o", str(tmp_path / "out"), "--direction=a2b"]  # fmt: skip
    done = subprocess.run(
        command, env=os.environ | {"HF_ENDPOINT": held.address}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out/x.png").is_file()


@pytest.mark.parametrize("name", ["hf:", "hf:me", "hf:a/b/c", "hf:../x", "hf:me/x@../y"])
def test_places_that_are_none(name: str) -> None:
    with pytest.raises(UsageError, match="expected hf:USER/NAME"):
        address_of(name)


def test_what_is_no_run_is_not_fetched(held: Hub) -> None:
    held.commit("me/other", {"pytorch_model.bin": b"\x80", "README.md": b"x"})
    with pytest.raises(DataError, match="no run of cyclekit"):
        fetch("hf:me/other", Console(True), held.address)
    with pytest.raises(CyclekitError, match="hf:me/nothing: "):
        fetch("hf:me/nothing", Console(True), held.address)


def test_code_is_not_passed_on(cli: Cli, tmp_path: Path, held: Hub) -> None:
    plugin = Path(cyclekit.__file__).parents[1] / "examples/single_file.py"
    trained = cli("train", f"--plugin={plugin}", "--recipe=demo", f"--run-dir={tmp_path / 'run'}",
                  "--accelerator=cpu", "--steps=1", "--set=train.preview_every=0",
                  "--set=train.evaluate_every=0")  # fmt: skip
    assert trained.code == 0, trained.err
    with pytest.raises(UsageError, match="no code is passed on"):
        push(tmp_path / "run", "hf:me/code", "latest", False, Console(True), held.address)
    assert held.asked == []
