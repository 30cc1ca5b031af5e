"""An author's type checker sees cyclekit's types, and says what is wrong with a plugin."""

import subprocess
import sys
from pathlib import Path

import packages
import pytest

from cyclekit.scaffold import write_plugin

ROOT = Path(__file__).parents[2]


def checked(site: Path, package: str) -> subprocess.CompletedProcess[str]:
    """What mypy says of an installed package, far from this project's settings."""
    cache = ROOT / ".mypy_cache" / "authors"
    options = [
        "--check-untyped-defs",
        "--config-file=",
        "--follow-imports=silent",
        f"--cache-dir={cache}",
    ]
    return subprocess.run(
        [sys.executable, "-m", "mypy", *options, f"--cache-dir={cache}", "-p", package],
        capture_output=True, text=True, check=False, cwd=site,
    )  # fmt: skip


@pytest.mark.slow
def test_mypy_knows_the_types_of_the_contract(tmp_path: Path) -> None:
    site = tmp_path / "site"
    packages.install(write_plugin("eeg", 1, tmp_path), site)
    found = checked(site, "cyclekit_eeg")
    assert found.returncode == 0, found.stdout
    module = site / "cyclekit_eeg" / "__init__.py"
    wrong = "\n\nWRONG: str = api.TensorSpec(channels=1, sizes=(None,))\n"
    module.write_text(module.read_text() + wrong)
    broken = checked(site, "cyclekit_eeg")
    assert 'has type "TensorSpec", variable has type "str"' in broken.stdout
