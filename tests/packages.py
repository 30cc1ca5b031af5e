"""Packages as strangers have them: built by pip, installed into a folder of their own."""

import io
import os
import subprocess
import sys
import tokenize
from pathlib import Path

BIN = Path(sys.executable).parent


def run(folder: Path, site: Path, *command: object) -> str:
    """A command in an environment that has the packages in ``site`` besides this one's."""
    done = subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(site), "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def install(package: Path, site: Path) -> None:
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    run(package, site, *pip, "--target", site, package)


def lines_of_code(source: str) -> int:
    """Lines that hold more than blanks, comments or docstrings."""
    found: set[int] = set()
    previous = tokenize.NEWLINE
    skipped = {tokenize.NL, tokenize.COMMENT, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        starts = previous in (tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT)
        docstring = token.type == tokenize.STRING and starts
        if token.type not in skipped | {tokenize.NEWLINE} and not docstring:
            found.update(range(token.start[0], token.end[0] + 1))
        if token.type not in (tokenize.NL, tokenize.COMMENT):
            previous = token.type
    return len(found)
