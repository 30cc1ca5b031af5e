"""The pages for plugin authors do what they say: every block is written or run, in order."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import cyclekit

PAGES = Path(cyclekit.__file__).parents[1] / "docs" / "authors"


@dataclass(frozen=True)
class Command:
    """A line that begins with a dollar sign, and what its output must contain."""

    line: str
    expected: list[str]


def blocks(page: str) -> Iterator[tuple[str, str, str]]:
    """Language, file name and content of every fenced block."""
    for opening, content in re.findall(r"^```(\S[^\n]*)\n(.*?)^```", page, re.S | re.M):
        language, _, title = opening.partition(" ")
        yield language, title.removeprefix('title="').removesuffix('"'), content


def commands(content: str) -> list[Command]:
    found: list[Command] = []
    for line in content.splitlines():
        if line.startswith("$ "):
            found.append(Command(line[2:], []))
        else:
            found[-1].expected.append(line)
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [pytest.param("tutorial.md", marks=pytest.mark.proof), "further.md", "objectives.md"]
)
def test_every_block_works(name: str, tmp_path: Path) -> None:
    site = tmp_path / "site"
    work = tmp_path / "work"
    work.mkdir()
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(site),
        "OMP_NUM_THREADS": "1",
        # What the page installs goes into a folder of its own, from what is here already.
        "PIP_TARGET": str(site),
        "PIP_NO_DEPS": "1",
        "PIP_NO_BUILD_ISOLATION": "0",
    }
    exported: list[str] = []
    ran = 0
    for language, file, content in blocks((PAGES / name).read_text(encoding="utf-8")):
        if language == "console":
            for command in commands(content):
                ran += 1
                if command.line.startswith("export "):
                    exported.append(command.line)
                    continue
                script = "\n".join(["set -e -o pipefail", *exported, command.line])
                done = subprocess.run(
                    ["bash", "-c", script], capture_output=True, text=True, check=False,
                    cwd=work, env=environment,
                )  # fmt: skip
                said = done.stdout + done.stderr
                assert done.returncode == 0, f"$ {command.line}\n{said}"
                for line in command.expected:
                    assert line in said, f"$ {command.line}\nwants: {line}\n{said}"
        else:
            assert file, f"a block of {language} in {name} names no file"
            assert shlex.quote(file) == file
            (work / file).parent.mkdir(parents=True, exist_ok=True)
            (work / file).write_text(content, encoding="utf-8")
            ran += 1
    assert ran >= 3
