"""Every command on the pages for users is one, and does what the page says."""

import re
import subprocess
import sys
import tomllib
from itertools import pairwise
from pathlib import Path

import pytest
from docs_support import (
    PAGES,
    PLACEHOLDERS,
    ROOT,
    Command,
    commands,
    furnish,
    of_cyclekit,
    parse,
    reduced,
)
from support import Cli

from cyclekit.datasets.catalogue import find_offer
from cyclekit.plugins.discovery import find_plugin, installed_plugins
from cyclekit.recipe.finding import find_recipes

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
TARGETS = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.M))
OTHERS = {"cd", "curl", "eval", "hf", "python", "python3", "scontrol", "source", "tensorboard"}
EVERY = [command for page in PAGES for command in commands(page)]
OWN_RECIPES = {"mine.toml", "./series.toml"}  # that a reader makes, by the line before
FIRST = "docs/start/first-run.md"  # whose commands name the runs that they make
EVALUATED = {
    FIRST,
    "docs/how-to/fine-tune.md",
    "docs/how-to/runs.md",
}  # which go on with figures, or the best
# What needs a network, several machines, or files of others; each is tried by tests of its own.
ELSEWHERE = re.compile(
    r"data get|zoo:|^import|latest_net|/shared|--devices|hifigan|whisper|recogniser|inception|"
    r"^serve|^card|^push|hf:|--minutes|train.log|"
    r"runs/theirs|runs/celeba|runs/shoes|--recipe arctic|horse2zebra$|^--version|clip|\./series"
)


def test_there_are_commands() -> None:
    assert len(PAGES) > 20
    assert len(EVERY) > 100


@pytest.mark.parametrize("command", EVERY, ids=lambda command: f"{command.page}: {command}")
def test_every_command_is_one(command: Command) -> None:
    told = of_cyclekit(command)
    if told is None:
        require_program(command)
        return
    context = parse(told)
    plugin = context.params.get("plugin")
    recipe = context.params.get("recipe")
    if plugin and not plugin.endswith(".py"):
        find_plugin(plugin)
    if recipe and recipe not in OWN_RECIPES and not recipe.startswith("RUN/"):
        infos = [find_plugin(plugin)] if plugin else installed_plugins()
        assert recipe in {name for info in infos for name in find_recipes(info)}
    if context.command_path.endswith("data get"):
        find_offer(context.params["name"])


def require_program(command: Command) -> None:
    """Another program's command names what is there: an extra, a target, a file that we write."""
    first, *rest = command.words
    if first in ("pip", "uv"):
        extras = [found for word in rest for found in re.findall(r"\[(.+)\]", word)]
        named = {name for extra in extras for name in extra.split(",")}
        assert named <= set(PROJECT["optional-dependencies"]), command
    elif first == "make":
        assert rest[0] in TARGETS, command
    elif first == "docker":
        dockerfile = (ROOT / "Dockerfile").read_text()
        for option, target in pairwise(rest):
            assert option != "--target" or f" AS {target}" in dockerfile, command
    else:
        assert first in OTHERS, command


@pytest.mark.proof
@pytest.mark.parametrize("page", [page for page in PAGES if "explanation" not in page])
def test_the_commands_of_a_page_work(
    page: str,
    cli: Cli,
    trained: Path,
    folders: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = page == FIRST
    furnish(tmp_path, None if first else trained, folders)
    monkeypatch.chdir(tmp_path)
    for command in commands(page):
        told = of_cyclekit(command)
        if not command.to_run:
            continue
        if command.words[0] == "python":
            done = subprocess.run(
                [sys.executable, *command.words[1:]], capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, f"{command}\n{done.stderr}"
            continue
        if told is None or ELSEWHERE.search(" ".join(told)):
            continue
        outcome = cli(*with_runs(reduced(told, evaluated=page in EVALUATED)))
        assert outcome.code == 0, f"{command}\n{outcome.err}"


def with_runs(arguments: list[str]) -> list[str]:
    """The newest run in place of RUN, the one before it in place of RUN2."""
    runs = sorted(Path("runs").glob("*"), reverse=True)
    stand_for = dict(zip(sorted(PLACEHOLDERS), runs, strict=False))
    made = []
    for word in arguments:
        first, slash, rest = word.partition("/")
        made.append(f"{stand_for.get(first, first)}{slash}{rest}")
    return made
