"""Odd files, names, numbers and surroundings: each is one sentence, and one file's problem."""

import errno
import os
import shutil
import signal
import socket
from pathlib import Path

import pytest
from PIL import Image
from support import SMALL, Cli, as_options, draw, results

from cyclekit import memory
from cyclekit.storage.folder import Storage
from cyclekit.temporary import temporary_folder

LEFT_OUT = {
    "pipe.png": "is a named pipe",
    "socket.png": "is a socket",
    "zero.png": "is a device",
    "gone.png": "no such file or directory",
}


def put_odd_files(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(folder / "pipe.png")
    monkeypatch.chdir(folder)  # a socket's path is short
    with socket.socket(socket.AF_UNIX) as made:
        made.bind("socket.png")
    (folder / "zero.png").symlink_to("/dev/zero")
    (folder / "gone.png").symlink_to("nowhere")


def test_pipes_sockets_and_devices_are_named_and_passed_over(
    cli: Cli, folders: Path, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(folders, tmp_path / "data")
    for number in range(20, 40):
        draw(tmp_path / f"data/trainA/{number}.png", number)
    put_odd_files(tmp_path / "data/trainA", monkeypatch)
    done = cli("train", "--plugin=image", "--recipe=horse2zebra", f"--data={tmp_path / 'data'}",
               f"--run-dir={tmp_path / 'run'}", "--accelerator=cpu", "--steps=1",
               *as_options(SMALL))  # fmt: skip
    assert done.code == 0, done.err
    put_odd_files(tmp_path / "data/testA", monkeypatch)
    translated = cli("translate", trained, tmp_path / "data/testA", "-o", tmp_path / "out",
                     "--direction=a2b", "--accelerator=cpu")  # fmt: skip
    assert translated.code == 1
    for name, why in LEFT_OUT.items():
        assert f"{name}: {why}" in done.err
        assert f"{name}: {why}" in translated.err
    assert len(results(tmp_path / "out")) == 3


def test_names_that_cannot_be_written_cost_one_file(
    cli: Cli, trained: Path, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    draw(data / "a.png", 1)
    shutil.copy(data / "a.png", data / ("y" * 255))
    draw(data / "z.png", 2)
    done = cli("translate", trained, data, "-o", tmp_path / "out", "--direction=a2b")
    assert done.code == 1
    assert "its result cannot be written: File name too long" in done.err
    assert {file.name for file in results(tmp_path / "out")} == {"a.png", "z.png"}


def test_what_needs_too_much_memory_costs_one_file(
    cli: Cli, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "data"
    draw(data / "a.png", 1)
    Image.new("RGB", (1, 50_000)).save(data / "narrow.png")
    monkeypatch.setattr("cyclekit.engine.room.available_memory", lambda: 2**25)
    done = cli("translate", trained, data, "-o", tmp_path / "out", "--direction=a2b")
    assert done.code == 1
    assert "narrow.png: needs 0.0 GiB of memory, and 0.0 GiB are free" in done.err
    assert (tmp_path / "out/a.png").exists()
    assert memory.is_out_of_memory(
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried")
    )
    assert memory.available_memory() is None or memory.available_memory() > 2**20


def test_cached_files_of_a_container_count_as_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = tmp_path / "jobs" / "mine"
    group.mkdir(parents=True)
    (tmp_path / "own").write_text("4:cpu:/\n0::/jobs/mine\n")
    for folder, limit in ((group, "max"), (group.parent, str(2**30))):
        (folder / "memory.max").write_text(limit)
        (folder / "memory.current").write_text(str(2**30 - 2**20))
        (folder / "memory.stat").write_text(f"anon 5\ninactive_file {2**29}\n")
    monkeypatch.setattr(memory, "GROUP", tmp_path)
    monkeypatch.setattr(memory, "OWN_GROUPS", tmp_path / "own")
    assert memory.available_memory() == 2**20 + 2**29


def test_names_that_are_no_text_are_used_or_shown_escaped(
    cli: Cli, folders: Path, trained: Path, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    shutil.copytree(folders, data)
    good = draw(tmp_path / "good.png", 3)
    for number in range(20):
        draw(data / f"trainA/more{number}.png", number)
    shutil.copy(good, os.fsencode(data / "trainA") + b"/good\xff.png")
    for name in (b"bad\xfe.png", b"\x1b[31mred.png", b"\x1b]0;title\x07.png"):
        (data / "trainA" / os.fsdecode(name)).write_bytes(b"junk")
    run = tmp_path / "run"
    done = cli("train", "--plugin=image", "--recipe=horse2zebra", f"--data={data}",
               f"--run-dir={run}", "--accelerator=cpu", *as_options(SMALL))  # fmt: skip
    assert done.code == 0, done.err
    assert "\x1b" not in done.err
    assert r"\x1b[31mred.png" in done.err
    assert r"bad\udcfe.png" in done.err
    assert b"bad\xfe.png" in (run / "skipped.txt").read_bytes()
    shown = cli("translate", run, data / "trainA", "-o", tmp_path / "out", "--direction=a2b")
    assert shown.code == 1
    assert "\x1b" not in shown.err
    assert (os.fsencode(tmp_path / "out") + b"/good\xff.png") in [
        os.fsencode(file) for file in results(tmp_path / "out")
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = " + "[" * 90_000, "nested too deeply"),
        ("x = " + "9" * 5_000, "is not valid TOML"),
        ("x" + ".x" * 40 + " = 1", "nested more than 20 deep"),
        ("#" * 200_000, "is larger than 100,000 bytes"),
        ("\0", "is not valid TOML"),
    ],
)
def test_recipes_beyond_any_use(cli: Cli, tmp_path: Path, text: str, said: str) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(text)
    done = cli("train", "--plugin=image", "--recipe", recipe, "--dry-run")
    assert done.code == 2
    assert said in done.err


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("train.steps=" + "9" * 5_000, "train.steps (from --set"),
        ("a" + ".a" * 2_000 + "=1", "--set needs key=value"),
        ("train.batch_size=1000000000", "at most 65536"),
        ("generator.blocks=1000000", "at most 200"),
        ("train.learning_rate=inf", "train.learning_rate"),
        ("objective.cycle.weight=nan", "finite number"),
        ("codec.tile=1", "tiles must be 0, or 64 pixels and more"),
    ],
)
def test_settings_beyond_any_use(cli: Cli, setting: str, said: str) -> None:
    done = cli("train", "--plugin=image", "--recipe=demo", "--dry-run", "--set", setting)
    assert done.code == 2
    assert said in done.err
    assert len(done.err) < 8_000


def test_a_checkpoint_of_many_digits(cli: Cli, trained: Path, tmp_path: Path) -> None:
    file = draw(tmp_path / "x.png", 0)
    done = cli("translate", trained, file, "-o", tmp_path / "out", "--direction=a2b",
               "--checkpoint", "9" * 5_000)  # fmt: skip
    assert done.code == 1
    assert len(done.err) < 500


def test_a_run_in_a_folder_that_is_no_text(cli: Cli, folders: Path, tmp_path: Path) -> None:
    run = tmp_path / os.fsdecode(b"run\xff")
    done = cli("train", "--plugin=image", "--recipe=horse2zebra", f"--data={folders}",
               f"--run-dir={run}", "--accelerator=cpu", *as_options(SMALL))  # fmt: skip
    assert done.code == 0, done.err
    assert "TensorBoard shows no more from here on: the folder's name is not UTF-8" in done.err
    assert (run / "samples/step-00000004/sheet.png").is_file()
    assert cli("resume", run, "--accelerator=cpu", "--steps=5").code == 0
    assert cli("report", run).code == 0


def test_a_current_folder_that_was_deleted(
    cli: Cli, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    done = cli("resume", trained)
    assert (done.code, "the current folder is not there any more" in done.err) == (1, True)


def test_a_full_disk_is_named_with_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_number: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"No space left on device: '.*metrics.jsonl'"):
        Storage(tmp_path).write_text("metrics.jsonl", "{}")
    assert not list(tmp_path.iterdir())


def test_a_user_without_name_and_home(
    cli: Cli, folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nobody() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", nobody)
    for name in ("XDG_CACHE_HOME", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    done = cli("train", "--plugin=image", "--recipe=horse2zebra", f"--data={folders}",
               f"--run-dir={tmp_path / 'r'}", "--accelerator=cpu",
               *as_options(SMALL | {"data.memory_mib": 0}))  # fmt: skip
    assert done.code == 0, done.err
    assert list((tmp_path / "r" / "cache").glob("*/windows.bin"))


def test_temporary_folders_of_killed_processes_are_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    inside, told = os.pipe()
    child = os.fork()
    if child == 0:
        with temporary_folder() as own:
            (own / "file").touch()
            os.write(told, str(own).encode())
            signal.pause()
    used = Path(os.read(inside, 4096).decode())
    (tmp_path / "cyclekit-of-somebody").mkdir()
    with temporary_folder() as folder:
        assert folder.parent == tmp_path
        assert used.exists()
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    with temporary_folder():
        assert not used.exists()
        assert (tmp_path / "cyclekit-of-somebody").exists()
    assert not folder.exists()
