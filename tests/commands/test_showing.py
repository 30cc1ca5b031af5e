"""What commands say about plugins, recipes and versions, and what the shell completes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from support import Cli

import cyclekit
from cyclekit.plugins.discovery import installed_plugins
from cyclekit.recipe.listing import described_recipes

COMMAND = Path(sys.executable).with_name("cyclekit")


def test_a_plugin_shows_all_that_it_brings(cli: Cli) -> None:
    shown = cli("plugins", "show", "image")
    assert shown.code == 0, shown.err
    for said in ("generators", "unet_256", "pix2pix's U-Net", "objectives", "stargan", "metrics",
                 "l1 (lower is better)", "corruptions", "A gaussian blur", "builtin:shapes",
                 "horse2zebra", "settings of metrics"):  # fmt: skip
        assert said in shown.out, said
    found = json.loads(cli("plugins", "show", "music", "--json").out)
    assert {"brunner", "tiny"} <= {each["name"] for each in found["generators"]}


def test_one_thing_shows_its_settings_with_what_they_mean(cli: Cli) -> None:
    shown = cli("plugins", "show", "image", "resnet")
    assert "Residual blocks" in shown.out or "blocks" in shown.out
    assert "unet_256" not in shown.out
    assert any("channels" in line and "[64]" in line for line in shown.out.splitlines())


def test_an_extension_is_shown_too(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "rules.py"
    file.write_text(
        "from cyclekit import api\n"
        "@api.hookimpl\n"
        "def cyclekit_metrics(modality):\n"
        "    yield api.Metric('ruler', {'length': True}, lambda shown, fitted: {'length': 1})\n"
    )
    shown = cli("plugins", "show", "image", "--extension", file)
    assert "length (higher is better)" in shown.out


def test_every_recipe_says_what_it_needs() -> None:
    rows = [
        row
        for info in installed_plugins()
        if info.distribution == "cyclekit"
        for row in described_recipes(info)
    ]
    assert len(rows) > 40
    for row in rows:
        assert row["needs"], row
        assert row["data"], row


def test_recipes_are_listed_with_their_needs(cli: Cli) -> None:
    listed = cli("recipes", "list", "image").out
    assert "needs: one CPU core; 9 minutes; 1.1 GB of memory" in listed
    assert "data: cyclekit data get horse2zebra" in listed
    assert "data: none: made on the spot" in listed
    found = json.loads(cli("recipes", "list", "music", "--json").out)
    assert {row["plugin"] for row in found} == {"music"}


def test_the_version_names_torch_and_the_device(cli: Cli) -> None:
    from importlib.metadata import version

    told = cli("--version")
    assert told.code == 0
    assert told.out.startswith(f"cyclekit {version('cyclekit')}, Python {sys.version_info[0]}.")
    assert f"torch {torch.__version__}" in told.out
    assert ("device: cuda" if torch.cuda.is_available() else "device: ") in told.out


@pytest.mark.slow
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_shell_gets_a_script(shell: str) -> None:
    made = completed({"_CYCLEKIT_COMPLETE": f"{shell}_source"})
    assert "_CYCLEKIT_COMPLETE" in made
    page = (Path(cyclekit.__file__).parents[1] / "docs/start/install.md").read_text()
    assert f"_CYCLEKIT_COMPLETE={shell}_source cyclekit" in page


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("cyclekit tra", {"train", "translate"}),
        ("cyclekit train --plugin im", {"image"}),
        ("cyclekit train --plugin audio --recipe slt", {"slt2rms"}),
        ("cyclekit recipes copy horse", {"horse2zebra"}),
        ("cyclekit resume runs/00001", {"runs/00001-image-demo"}),
        ("cyclekit data get monet", {"monet2photo"}),
    ],
)
def test_what_the_shell_offers(typed: str, offered: set[str], tmp_path: Path) -> None:
    run = tmp_path / "runs/00001-image-demo"
    run.mkdir(parents=True)
    (run / "recipe.toml").write_text("")
    given = {
        "_CYCLEKIT_COMPLETE": "bash_complete",
        "COMP_WORDS": typed,
        "COMP_CWORD": str(len(typed.split()) - 1),
    }
    lines = completed(given, tmp_path).split()
    assert {line.partition(",")[2] for line in lines} == offered


def test_the_shell_offers_the_directions_of_a_run(trained: Path) -> None:
    for begun, offered in (("", "plain,a2b\nplain,b2a\n"), ("b", "plain,b2a\n")):
        typed = f"cyclekit export {trained} --direction {begun}"
        given = {"_CYCLEKIT_COMPLETE": "bash_complete", "COMP_WORDS": typed, "COMP_CWORD": "4"}
        assert completed(given) == offered


def completed(given: dict[str, str], place: Path | None = None) -> str:
    """What the command answers a shell that completes."""
    script = "import sys\nsys.argv = ['cyclekit']\nfrom cyclekit.cli import main\nmain()"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False,
        cwd=place, env=os.environ | given,
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    return done.stdout
