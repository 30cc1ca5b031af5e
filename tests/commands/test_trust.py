"""Code that only a run or a recipe names is not loaded; what a person named is while it is so."""

import json
import os
import py_compile
import shutil
from pathlib import Path
from typing import Annotated

import pytest
import torch
from audio_support import SMALL_AUDIO, write_voices
from pydantic import Field
from support import SMALL, Cli, as_options, copied

from cyclekit import trust
from cyclekit.contract.options import Options, RunsCode


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Another person's machine: nothing has been named."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(trust, "_named", set())


def forget(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in the next process."""
    monkeypatch.setattr(trust, "_named", set())


def test_ones_own_run_opens_without_a_word_until_its_code_changes(
    cli: Cli, folders: Path, tmp_path: Path, elsewhere: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    observer = tmp_path / "observer.py"
    observer.write_text("seen = 1\n")
    run = tmp_path / "run"
    done = cli("train", "--plugin=image", "--recipe=horse2zebra", f"--data={folders}",
               f"--run-dir={run}", "--accelerator=cpu", f"--set=extensions=['{observer}']",
               *as_options(SMALL))  # fmt: skip
    assert done.code == 0, done.err
    translate = ("translate", run, folders / "testA/0.png", "-o", tmp_path / "out",
                 "--direction=a2b", "--accelerator=cpu")  # fmt: skip
    forget(monkeypatch)
    assert cli(*translate).code == 0
    observer.write_text("seen = 2\n")
    refused = cli(*translate)
    assert refused.code == 2
    assert f"If you trust it: --trust {observer}" in refused.err
    assert cli(*translate, "--trust", observer).code == 0
    forget(monkeypatch)
    assert cli(*translate).code == 0
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "another"))
    forget(monkeypatch)
    assert cli(*translate).code == 2


def test_a_home_that_cannot_be_written_is_no_hindrance(
    cli: Cli, folders: Path, tmp_path: Path, elsewhere: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "state").write_text("a file where a folder should be")
    plugin = tmp_path / "observer.py"
    plugin.write_text("seen = 1\n")
    done = cli("train", "--plugin=image", "--recipe=horse2zebra", f"--data={folders}",
               f"--run-dir={tmp_path / 'run'}", "--accelerator=cpu", "--steps=1",
               f"--set=extensions=['{plugin}']", *as_options(SMALL))  # fmt: skip
    assert done.code == 0, done.err
    assert cli("translate", tmp_path / "run", folders / "testA/0.png", "-o", tmp_path / "out",
               "--direction=a2b", "--accelerator=cpu").code == 0  # fmt: skip


def test_a_recipe_does_not_name_its_plugin_into_trust(
    cli: Cli, tmp_path: Path, elsewhere: None
) -> None:
    (tmp_path / "evil.py").write_text(f"open({str(tmp_path / 'OWNED')!r}, 'w')")
    recipe = tmp_path / "sent.toml"
    recipe.write_text(f"plugin = {str(tmp_path / 'evil.py')!r}")
    for command in (("check",), ("show", "--resolved")):
        refused = cli("recipes", *command, recipe)
        assert (refused.code, "names the code" in refused.err) == (2, True)
    assert not (tmp_path / "OWNED").exists()


def test_what_lies_compiled_beside_a_plugin_is_not_run(
    cli: Cli, tmp_path: Path, elsewhere: None
) -> None:
    plugin = tmp_path / "mine.py"
    plugin.write_text(f"open({str(tmp_path / 'OWNED')!r}, 'w')")
    py_compile.compile(str(plugin), invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
    plugin.write_text("")
    assert "must yield one Modality" in cli("recipes", "schema", f"--plugin={plugin}").err
    assert not (tmp_path / "OWNED").exists()


class Deep(Options):
    one: Annotated[str, RunsCode()] = "1"
    maybe: Annotated[str, RunsCode()] | None = "2"
    many: tuple[Annotated[str, RunsCode()], ...] = ("3", "4")
    plain: str = "no"


class Deeper(Options):
    tables: list[Deep] = Field(default_factory=lambda: [Deep()])
    named: dict[str, Deep] = Field(default_factory=lambda: {"x": Deep(one="5")})


def test_code_is_found_however_deep_it_is_named() -> None:
    assert [file for _, file in trust.code_files(Deeper())] == [*"1234", *"5234"]


@pytest.mark.slow
def test_a_sent_run_chooses_no_place_to_write(
    cli: Cli, trained: Path, tmp_path: Path, elsewhere: None
) -> None:
    outside = tmp_path / "outside"
    run = copied(trained, tmp_path / "run")
    recipe = run / "recipe.toml"
    recipe.write_text(
        recipe.read_text().replace(
            "memory_mib = 2048", f"memory_mib = 0\ncache = {str(outside / 'new')!r}"
        )
    )
    done = cli("resume", run, "--steps=5", "--accelerator=cpu")
    assert done.code == 0, done.err
    assert "is no cache so far" in done.err
    assert not outside.exists()
    mine = tmp_path / "mine"
    done = cli("resume", run, "--steps=6", f"--set=data.cache={mine}",
               "--accelerator=cpu")  # fmt: skip
    assert done.code == 0, done.err
    assert list(mine.glob("*/windows.bin"))


class Vocoder(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        torch.save(torch.zeros(3), "OWNED")
        return torch.zeros(x.shape[0], 1, x.shape[2] * 256)


def test_torchscript_that_a_recipe_names_is_not_loaded(
    cli: Cli, tmp_path: Path, elsewhere: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.jit.script(Vocoder()).save("vocoder.pt")
    mels = {"sampling_rate": 22050, "n_fft": 1024, "hop_size": 256, "win_size": 1024,
            "num_mels": 80, "fmin": 0, "fmax": 8000}  # fmt: skip
    (tmp_path / "config.json").write_text(json.dumps(mels))
    (tmp_path / "downloaded.toml").write_text(
        'extends = "demo"\n[codec]\nmel = "hifigan"\n'
        'vocoder = {name = "torchscript", file = "vocoder.pt"}\n'
    )
    check = ("recipes", "check", "downloaded.toml", "--plugin=audio")
    refused = cli(*check)
    assert refused.code == 2, refused.err
    assert f"names the code {tmp_path / 'vocoder.pt'}" in refused.err
    named = cli(*check, "--trust", "vocoder.pt")
    assert named.code == 0, named.err
    forget(monkeypatch)
    assert cli(*check).code == 0
    data = write_voices(tmp_path / "data")
    own = SMALL_AUDIO | {"codec.mel": "hifigan", "train.steps": 1, "train.preview_every": 0}
    trained = cli("train", "--plugin=audio", "--recipe=demo", f"--data={data}", "--run-dir=run",
                  "--accelerator=cpu", *as_options(own),
                  "--set=codec.vocoder.name=torchscript",
                  "--set=codec.vocoder.file=vocoder.pt")  # fmt: skip
    assert trained.code == 0, trained.err
    shutil.rmtree(os.environ["XDG_STATE_HOME"])
    forget(monkeypatch)
    opened = cli("translate", "run", *data.glob("testA/*"), "-o", "out", "--direction=a2b")
    assert opened.code == 2
    assert "names the code" in opened.err
