"""Nothing is written by halves, nor anywhere but below the folder that was named."""

import contextlib
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from cyclekit.storage import handle
from cyclekit.storage.folder import Storage
from cyclekit.storage.handle import Refused, open_file
from cyclekit.storage.tree import load_tree, save_tree

Write = Callable[[Storage], object]

WRITES: dict[str, Write] = {
    "text": lambda storage: storage.below("in").write_text("file", "new"),
    "lines": lambda storage: storage.below("in").append_text("file", "new"),
    "point": lambda storage: storage.below("in").point("file", "new"),
    "clean": lambda storage: storage.below("in").clean(),
    "remove": lambda storage: storage.below("in").remove("precious"),
    "aside": lambda storage: made_aside(storage.below("in")),
}


def made_aside(storage: Storage) -> None:
    with storage.aside() as aside:
        (aside.path / "file").write_text("new")
        aside.keep("file")


def test_what_links_lead_to_is_not_flushed(tmp_path: Path) -> None:
    (tmp_path / "nowhere").symlink_to(tmp_path / "missing")
    handle.flush(tmp_path)


def test_a_link_to_what_is_open_is_not_replaced(tmp_path: Path) -> None:
    link = tmp_path / "stdout"
    link.symlink_to("/proc/self/fd/1")
    with pytest.raises(handle.Refused, match="a symbolic link"):
        Storage(tmp_path).write_text("stdout", "page")
    assert link.is_symlink()


def test_what_a_living_process_writes_is_not_cleaned_up(tmp_path: Path) -> None:
    storage = Storage(tmp_path)
    (tmp_path / ".incoming-of-a-killed-one").mkdir()
    with storage.aside() as aside:
        storage.clean()
        assert [file.name for file in tmp_path.iterdir()] == [aside.path.name]
    assert not list(tmp_path.iterdir())


def nearby_cleaning(name: str, storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have another process clean up whenever this one is about to call a function."""
    owner = handle if name == "hold" else handle.Handle
    original, cleaning = getattr(owner, name), [False]

    def called(*args: Any) -> object:
        if not cleaning[0]:
            cleaning[0] = True
            storage.clean(alone=False)
            cleaning[0] = name.startswith("hold")  # else it would never come to hold anything
        return original(*args)

    monkeypatch.setattr(owner, name, called)


@pytest.mark.parametrize("moment", ["hold", "holding", "move", "remove"])
@pytest.mark.parametrize("write", ["text", "aside"])
def test_whoever_cleans_up_at_the_same_time_takes_nothing(
    write: str, moment: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = Storage(tmp_path)
    nearby_cleaning(moment, storage.below("in"), monkeypatch)
    WRITES[write](storage)
    assert [file.name for file in (tmp_path / "in").iterdir()] == ["file"]
    assert (tmp_path / "in/file").read_text() == "new"


@pytest.fixture(params=[True, False], ids=["handles", "paths"])
def handles(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """With handles of folders, and as on a system without."""
    if not request.param:
        monkeypatch.setattr(handle, "_HANDLES", False)
        monkeypatch.setattr(handle, "_NO_LINK", 0)
    return bool(request.param)


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "precious").write_text("old")
    (folder / ".incoming-precious").write_text("old")
    return folder


def untouched(folder: Path) -> bool:
    names = {file.name for file in folder.iterdir()}
    return names == {"precious", ".incoming-precious"} and all(
        file.read_text() == "old" for file in folder.iterdir()
    )


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_a_folder_that_is_a_link_is_refused(
    write: Write, handles: bool, tmp_path: Path, elsewhere: Path
) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "in").symlink_to(elsewhere)
    with pytest.raises(Refused, match="in is a symbolic link and was left alone"):
        write(Storage(run))
    assert untouched(elsewhere)


@pytest.mark.parametrize("name", ["text", "lines", "point", "aside"])
def test_a_file_that_is_a_link_is_replaced_or_refused(
    name: str, handles: bool, tmp_path: Path, elsewhere: Path
) -> None:
    inside = tmp_path / "run/in"
    inside.mkdir(parents=True)
    (inside / "file").symlink_to(elsewhere / "precious")
    try:
        WRITES[name](Storage(tmp_path / "run"))
    except Refused:
        assert name == "lines"
    assert untouched(elsewhere)


@pytest.mark.parametrize("name", ["text", "lines", "point", "aside"])
def test_pipes_and_what_leads_to_devices_stay(name: str, handles: bool, tmp_path: Path) -> None:
    inside = tmp_path / "run/in"
    inside.mkdir(parents=True)
    os.mkfifo(inside / "file")
    with pytest.raises(Refused, match="a named pipe"):
        WRITES[name](Storage(tmp_path / "run"))
    (inside / "file").unlink()
    (inside / "file").symlink_to("/dev/full")
    if name != "point":
        with pytest.raises(Refused, match="a symbolic link"):
            WRITES[name](Storage(tmp_path / "run"))
        assert (inside / "file").is_symlink()
    assert not list(inside.glob(".incoming-*"))


def test_the_folder_itself_may_be_named_by_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    Storage(tmp_path / "link").write_text("file", "new")
    assert (tmp_path / "real/file").read_text() == "new"


def test_a_folder_in_another_ones_place_is_refused(handles: bool, tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    storage = Storage(run)
    inner = storage.below("checkpoints")
    storage.remember()
    inner.write_text("file", "mine")
    run.rename(tmp_path / "moved")
    run.mkdir()
    for mine in (storage, inner, storage.below("samples")):
        with pytest.raises(Refused, match="is not the folder any more"):
            mine.write_text("file", "mine")
    assert not list(run.iterdir())


def test_a_folder_replaces_a_folder_and_what_was_begun_is_removed(
    handles: bool, tmp_path: Path
) -> None:
    storage = Storage(tmp_path)
    for content in ("one", "two"):
        with storage.aside() as aside:
            (aside.path / "sheet").mkdir()
            (aside.path / "sheet" / content).write_text(content)
            (aside.path / "rest").write_text("is not kept")
            aside.keep("sheet")
    assert [file.name for file in (tmp_path / "sheet").iterdir()] == ["two"]
    with contextlib.suppress(ZeroDivisionError), storage.aside() as aside:
        (aside.path / "file").write_text("half")
        raise ZeroDivisionError
    assert [file.name for file in tmp_path.iterdir()] == ["sheet"]


@pytest.mark.parametrize("name", ["..", ".", "", "a/b", "a\0b"])
def test_names_that_lead_elsewhere_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is no name in a folder"):
        Storage(tmp_path).below(name)


def test_readers_open_files_alone(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("content")
    (tmp_path / "link").symlink_to("file")
    os.mkfifo(tmp_path / "pipe")
    with open_file(tmp_path / "file") as file:
        assert file.read() == b"content"
    for name in ("link", "pipe", ".", "missing"):
        done = threading.Event()

        def attempt(path: Path = tmp_path / name, done: threading.Event = done) -> None:
            with pytest.raises(OSError):
                open_file(path)
            done.set()

        threading.Thread(target=attempt, daemon=True).start()
        assert done.wait(10), name  # a pipe without a writer keeps nobody waiting


def test_states_come_back_as_they_were(tmp_path: Path) -> None:
    state = {
        "numbers": {0: torch.arange(3), 7: torch.tensor(True)},
        "pair": (1, None),
        "list": [2.5, float("inf"), "text", [], {}],
        "$tensor": "a name that is used for something else",
        "laid": torch.rand(2, 3, 4, 5).to(memory_format=torch.channels_last),
        "view": torch.rand(4, 6).t(),
        "empty": torch.empty(0, 3),
    }
    save_tree(state, tmp_path / "state")
    from safetensors.torch import load_file

    text = (tmp_path / "state.json").read_bytes()
    again = load_tree(text, load_file(tmp_path / "state.safetensors"))
    assert again.keys() == state.keys()
    for key, value in state.items():
        if isinstance(value, torch.Tensor):
            assert torch.equal(again[key], value)
            assert again[key].stride() == value.stride()
        elif key != "numbers":
            assert again[key] == value
    assert again["numbers"].keys() == {0, 7}
    assert again["numbers"][7].dtype == torch.bool


@pytest.mark.parametrize(
    "text",
    [b"", b"{", b'{"$tensor": "x"}', b'{"$tensor": []}', b'{"$items": [1]}', b'{"$tuple": 3}',
     b'{"$tensor": "a", "$strides": [1, 2, 3]}', b"[" * 100_000, b'{"$items": [[[], 1]]}'],
)  # fmt: skip
def test_damaged_states_are_one_kind_of_error(text: bytes) -> None:
    with pytest.raises(ValueError):
        load_tree(text, {"a": torch.zeros(2)})


def test_what_cannot_come_back_is_named(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"objective.1.thing is of type set"):
        save_tree({"objective": [0, {"thing": {1, 2}}]}, tmp_path / "state")
