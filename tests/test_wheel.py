"""The wheel built from the sdist, installed elsewhere, has its recipes and trains one."""

import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest
from support import SMALL, as_options

import cyclekit

ROOT = Path(cyclekit.__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    # Without --wheel, build makes the sdist first and the wheel from it.
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", out, ROOT]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (made,) = out.glob("*.whl")
    return made


@pytest.mark.slow
def test_what_is_in_it(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    recipes = {"cyclekit_image/recipes/demo.toml", "cyclekit_image/recipes/horse2zebra.toml"}
    assert recipes <= {*names}
    assert {f"cyclekit_{name}/datasets.toml" for name in ("image", "audio", "music")} <= {*names}
    assert {f"cyclekit/reporting/page.{kind}" for kind in ("html", "css", "js")} <= {*names}
    packages = ("cyclekit", "cyclekit_audio", "cyclekit_image", "cyclekit_music")
    assert {f"{package}/py.typed" for package in packages} <= {*names}
    (entry_points,) = [name for name in names if name.endswith("entry_points.txt")]
    declared = zipfile.ZipFile(wheel).read(entry_points).decode()
    assert "cyclekit = cyclekit.cli:main" in declared
    assert "image = cyclekit_image" in declared
    assert "audio = cyclekit_audio" in declared
    assert "music = cyclekit_music" in declared
    tops = {name.partition("/")[0] for name in names if ".dist-info" not in name}
    assert tops == {*packages}


@pytest.mark.slow
def test_installed_elsewhere_it_lists_and_trains(
    wheel: Path, folders: Path, tmp_path: Path
) -> None:
    # A fresh environment that sees this one's packages: torch need not be installed twice.
    venv.create(tmp_path / "env", with_pip=False, symlinks=True)
    site = next((tmp_path / "env").glob("lib/python*/site-packages"))
    zipfile.ZipFile(wheel).extractall(site)
    here = next(Path(entry) for entry in sys.path if entry.endswith("site-packages"))
    # Added after the environment's own folder; .pth files of that one are not read, so the
    # editable installation stays out of sight.
    (site / "neighbours.pth").write_text(f"{here}\n")
    python = tmp_path / "env" / "bin" / "python"
    clean = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(python), "-m", "cyclekit", *arguments],
            capture_output=True, text=True, cwd=tmp_path, env=clean, check=False,
        )  # fmt: skip

    listed = run("recipes", "list")
    assert "horse2zebra" in listed.stdout, listed.stderr
    assert "classical2jazz" in listed.stdout, listed.stderr
    trained = run("train", "--plugin=image", "--recipe=horse2zebra", f"--data={folders}",
                  "--run-dir=run", *as_options(SMALL))  # fmt: skip
    assert trained.returncode == 0, trained.stderr
    assert (tmp_path / "run/checkpoints/latest/generator_b2a.safetensors").exists()
    assert str(site) in trained.stderr, "the recipe came from the wheel"
