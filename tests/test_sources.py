"""What the sources may not do: write past the storage, or unpickle."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import cyclekit

HOME = Path(cyclekit.__file__).parent
SOURCES = [
    file
    for package in (HOME, *(HOME.parent / "plugins").glob("cyclekit_*"))
    for file in sorted(package.rglob("*.py"))
]
# Where files are written that need a path: into a private folder, which the storage then moves.
WRITERS = {
    "storage/handle.py", "storage/folder.py", "storage/tree.py", "temporary.py", "links.py",
    "data/cache.py", "data/corrupted.py", "judging/kept.py", "runs/checkpoints.py",
    "runs/divergence.py",
}  # fmt: skip
# In temporary folders that are their own.
TEMPORARY = {"judging/judge.py", "runs/supervisor.py", "testing"}
WRITING = {
    "write_text", "write_bytes", "save_file", "symlink_to", "hardlink_to", "rename", "unlink",
    "rmtree", "touch", "mkdir", "rmdir", "copyfile", "copytree", "move", "makedirs",
}  # fmt: skip
PICKLES = {"pickle", "dill", "joblib", "shelve", "marshal", "yaml"}


def name(file: Path) -> str:
    return file.relative_to(HOME if file.is_relative_to(HOME) else HOME.parent).as_posix()


def calls(file: Path) -> Iterator[tuple[ast.Call, str, str]]:
    """Every call of a module, with what is called: its last name, and the whole."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            whole = ast.unparse(node.func)
            yield node, whole.rpartition(".")[2], whole


@pytest.mark.parametrize("file", SOURCES, ids=name)
def test_nothing_is_unpickled(file: Path) -> None:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    imported = {
        alias.name.partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
    } | {
        (node.module or "").partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
    }
    found = {whole for _, _, whole in calls(file)} & {"torch.load", "torch.save", "torch.jit.load"}
    allowed = {
        "runs/old_state.py": {"pickle", "torch.load"},  # cyclekit 0.1's checkpoints
        "plugins/cyclekit_image/features.py": {"torch.load", "torch.jit.load"},
        "plugins/cyclekit_audio/vocoder.py": {"torch.jit.load"},
    }
    assert (imported & PICKLES) | found <= allowed.get(name(file), set())
    for call, _, whole in calls(file):
        if whole == "torch.load":
            assert "weights_only=True" in ast.unparse(call)


@pytest.mark.parametrize("file", [f for f in SOURCES if f.is_relative_to(HOME)], ids=name)
def test_nothing_is_written_past_the_storage(file: Path) -> None:
    if name(file) in WRITERS or {name(file), name(file).partition("/")[0]} & TEMPORARY:
        return
    found = [
        f"line {call.lineno}: {whole}"
        for call, last, whole in calls(file)
        if last in WRITING and "storage" not in whole.lower() and "place" not in whole
    ]
    assert not found
