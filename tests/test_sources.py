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
    "data/cache.py", "data/corrupted.py", "judging/trained_once.py", "runs/checkpoints.py",
    "training/nonfinite.py",
}  # fmt: skip
# In temporary folders that are their own.
TEMPORARY = {"judging/judge.py", "training/supervised.py", "testing"}
WRITING = {
    "write_text", "write_bytes", "save_file", "symlink_to", "hardlink_to", "rename", "unlink",
    "rmtree", "touch", "mkdir", "rmdir", "copyfile", "copytree", "move", "makedirs",
}  # fmt: skip
OF_THE_SYSTEM = {"replace", "symlink", "link", "remove", "truncate", "mkfifo", "removedirs"}
PICKLES = {"pickle", "dill", "joblib", "shelve", "marshal", "yaml"}


def name(file: Path) -> str:
    return file.relative_to(HOME if file.is_relative_to(HOME) else HOME.parent).as_posix()


def imports(tree: ast.AST) -> dict[str, str]:
    """What each imported name stands for."""
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                found[alias.asname or alias.name.partition(".")[0]] = (
                    alias.name if alias.asname else alias.name.partition(".")[0]
                )
        elif isinstance(node, ast.ImportFrom):
            found |= {a.asname or a.name: f"{node.module}.{a.name}" for a in node.names}
    return found


def calls(text: str) -> Iterator[tuple[ast.Call, str, str]]:
    """Every call of a module, with what is called: its last name, and the whole."""
    tree = ast.parse(text)
    stand_for = imports(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            first, dot, rest = ast.unparse(node.func).partition(".")
            whole = f"{stand_for.get(first, first)}{dot}{rest}"
            yield node, whole.rpartition(".")[2], whole


def writes(call: ast.Call, last: str, whole: str) -> bool:
    """Whether a call changes a file by its path."""
    through = {part.partition("(")[0].strip("_") for part in whole.split(".")[:-1]}
    if through & {"storage", "Storage", "nonfinite"} or whole.startswith("Storage("):
        return False
    if last == "open":
        modes = [*call.args, *(key.value for key in call.keywords if key.arg == "mode")]
        texts = [m.value for m in modes if isinstance(m, ast.Constant) and isinstance(m.value, str)]
        return any(set(text) <= set("rwxabt+") and set(text) & set("wxa+") for text in texts)
    if last in OF_THE_SYSTEM:
        return whole.partition(".")[0] in ("os", "shutil")
    return last in WRITING


def unpickles(text: str) -> set[str]:
    """What a module uses that runs what it reads."""
    tree = ast.parse(text)
    imported = {whole.partition(".")[0] for whole in imports(tree).values()}
    called = {whole for _, _, whole in calls(text)}
    return (imported & PICKLES) | (called & {"torch.load", "torch.save", "torch.jit.load"})


@pytest.mark.parametrize(
    "text",
    ['path.open("w")', 'open(x, mode="ab")', "import os\nos.replace(a, b)", "path.write_text(x)",
     "import shutil as s\ns.rmtree(x)", "from os import remove\nremove(x)",
     "placeholder.write_text(x)"],
)  # fmt: skip
def test_ways_to_write_are_seen(text: str) -> None:
    assert any(writes(*call) for call in calls(text))


@pytest.mark.parametrize(
    "text", ["import torch as t\nt.load(x)", "from torch import load\nload(x)", "import dill"]
)
def test_ways_to_unpickle_are_seen(text: str) -> None:
    assert unpickles(text)


@pytest.mark.slow
@pytest.mark.parametrize("file", SOURCES, ids=name)
def test_nothing_is_unpickled(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    allowed = {
        "storage/torch_file.py": {"pickle", "torch.load"},  # other people's weights
        "plugins/cyclekit_image/features.py": {"torch.jit.load"},
        "plugins/cyclekit_image/lite.py": {"torch.load"},  # of a package that is installed
        "plugins/cyclekit_audio/vocoder.py": {"torch.jit.load"},
    }
    assert unpickles(text) <= allowed.get(name(file), set())
    for call, _, whole in calls(text):
        if whole == "torch.load":
            assert "weights_only=True" in ast.unparse(call)


@pytest.mark.parametrize("file", [f for f in SOURCES if f.is_relative_to(HOME)], ids=name)
def test_nothing_is_written_past_the_storage(file: Path) -> None:
    if name(file) in WRITERS or {name(file), name(file).partition("/")[0]} & TEMPORARY:
        return
    found = [
        f"line {call.lineno}: {whole}"
        for call, last, whole in calls(file.read_text(encoding="utf-8"))
        if writes(call, last, whole)
    ]
    assert not found
