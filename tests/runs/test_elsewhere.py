"""Systems that lack what Linux has: no fcntl, no links, no SIGHUP, no folders to be opened."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
from support import SMALL, Cli, as_options

from cyclekit.errors import UsageError
from cyclekit.links import pointed_at
from cyclekit.locks import locked
from cyclekit.plugins.discovery import find_plugin
from cyclekit.recipe.finding import find_recipe
from cyclekit.recipe.reading import parse_setting
from cyclekit.storage.folder import Storage

HIDING = """
import errno, os, signal, sys
sys.modules["fcntl"] = None
def refused(*arguments, **more):
    raise OSError(errno.EPERM, "no such right")
os.symlink = os.link = refused
opened = os.open
def open_no_folder(path, *arguments, **more):
    if isinstance(path, (str, os.PathLike)) and os.path.isdir(path):
        raise PermissionError(errno.EACCES, "a folder")
    return opened(path, *arguments, **more)
os.open = open_no_folder
del signal.SIGHUP, os.O_NOFOLLOW
from cyclekit.cli import main
main(sys.argv[1:])
"""


def elsewhere(*arguments: object) -> subprocess.CompletedProcess[str]:
    """A command on a system that lacks all of it."""
    done = subprocess.run(
        [sys.executable, "-c", HIDING, *map(str, arguments)],
        capture_output=True, text=True, check=False, env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done


@pytest.mark.slow
def test_a_run_is_made_and_used_without_what_is_linuxs(folders: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    elsewhere("train", "--plugin=image", "--recipe=horse2zebra", f"--data={folders}",
              f"--run-dir={run}", "--accelerator=cpu", *as_options(SMALL))  # fmt: skip
    assert (run / "checkpoints/latest").read_text() == "step-00000004"
    elsewhere("resume", run, "--steps=6", "--accelerator=cpu")
    assert (run / "checkpoints/latest").read_text() == "step-00000006"
    assert (run / "checkpoints/best").is_file()
    elsewhere("translate", run, folders / "testA/0.png", "-o", tmp_path / "out",
              "--direction=a2b", "--checkpoint=best", "--accelerator=cpu")  # fmt: skip
    assert (tmp_path / "out/0.png").is_file()
    elsewhere("report", run)
    assert "(best)" in (run / "report.html").read_text()


def test_a_run_moves_between_systems(
    trained: Path, folders: Path, tmp_path: Path, cli: Cli
) -> None:
    """Begun where there are no links, gone on with where there are."""
    import shutil

    run = tmp_path / "run"
    shutil.copytree(trained, run, symlinks=True)
    for name in ("latest", "best"):
        step = (run / "checkpoints" / name).resolve().name
        (run / "checkpoints" / name).unlink()
        (run / "checkpoints" / name).write_text(step)
    done = cli("resume", run, "--steps=6", "--accelerator=cpu")
    assert done.code == 0, done.err
    assert (run / "checkpoints/latest").is_symlink()
    assert (run / "checkpoints/latest").resolve().name == "step-00000006"


@pytest.mark.slow
def test_what_is_corrupted_is_borrowed_without_links(folders: Path, tmp_path: Path) -> None:
    elsewhere("train", "--plugin=image", "--recipe=gray2color", f"--data={folders / 'trainA'}",
              f"--run-dir={tmp_path / 'run'}", "--accelerator=cpu",
              *as_options(SMALL | {"codec.crop": 16, "generator.residual": "false"}))  # fmt: skip
    borrowed = list((tmp_path / "run/data/trainB").iterdir())
    assert borrowed
    assert not any(file.is_symlink() for file in borrowed)


def test_a_name_for_a_neighbour_leads_nowhere_else(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    inside = tmp_path / "inside"
    (inside / "step-00000002").mkdir(parents=True)
    Storage(inside).point("latest", "step-00000002")
    assert pointed_at(inside / "latest") == inside / "step-00000002"
    for damaged in ("../elsewhere", "..", "", str(tmp_path / "elsewhere")):
        (inside / "best").write_text(damaged)
        assert pointed_at(inside / "best") is None
    assert pointed_at(inside / "missing") is None


@pytest.mark.parametrize("path", [r"C:\recipes\mine", r"..\mine", "C:/recipes/mine"])
def test_paths_of_windows_are_taken_for_paths(path: str) -> None:
    with pytest.raises(UsageError, match="No recipe file"):
        find_recipe(path, find_plugin("image"))
    assert parse_setting(f"data.a={path}")[1] == path


@pytest.mark.parametrize("refusal", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
@pytest.mark.filterwarnings("ignore:flock not supported")
def test_a_disk_without_locks_keeps_nobody_out(
    refusal: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fcntl = pytest.importorskip("fcntl", reason="locks are another module's on this system")

    def refuse(*_: object) -> None:
        raise OSError(refusal, os.strerror(refusal))

    monkeypatch.setattr(fcntl, "flock", refuse)
    for _ in range(2):  # and nothing stays that would
        with locked(tmp_path / "lock", wait=False):
            (tmp_path / "done").touch()


def test_a_lock_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="too long"), locked(tmp_path / ("x" * 300), wait=False):
        pass
