"""The engine knows no modality, and plugins use no private door."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import cyclekit

ENGINE = Path(cyclekit.__file__).parent
PLUGINS = ENGINE.parent / "plugins"
MODALITIES = {
    "PIL", "librosa", "torchaudio", "soundfile", "pretty_midi", "symusic", "torchvision",
    "cyclekit_image", "cyclekit_audio", "cyclekit_music",
}  # fmt: skip


def imports(folder: Path) -> Iterator[tuple[Path, str]]:
    for file in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                yield from ((file, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                yield file, node.module


def test_the_engine_imports_no_modality() -> None:
    files = {file for file, _ in imports(ENGINE)}
    assert len(files) > 30  # the reading itself works
    found = [
        (file.name, module)
        for file, module in imports(ENGINE)
        if module.partition(".")[0] in MODALITIES and "template" not in file.parts
    ]
    assert found == []


def test_plugins_import_the_public_api_alone() -> None:
    found = [
        (file.name, module)
        for file, module in imports(PLUGINS)
        if module.partition(".")[0] == "cyclekit" and module != "cyclekit.api"
    ]
    assert found == []


NAMES_OF_DOMAINS = {"a", "b", "A", "B", "a2b", "b2a", "trainA", "trainB", "testA", "testB"}
ELEMENTS = "element"  # of pages: links and bold text are called a and b


def spelt_domains(file: Path) -> Iterator[str]:
    """Domains of some objective that a module spells: as texts, or at the ends of its names."""
    tree = ast.parse(file.read_text())
    elements = {
        id(node.args[0])
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and node.args and ast.unparse(node.func) == ELEMENTS
    }
    for node in ast.walk(tree):
        is_text = isinstance(node, ast.Constant) and isinstance(node.value, str)
        if is_text and id(node) not in elements and node.value in NAMES_OF_DOMAINS:
            yield f"{node.lineno}: {node.value!r}"
        name = getattr(node, "id", getattr(node, "arg", getattr(node, "attr", None)))
        if isinstance(name, str) and name.endswith(("_a", "_b", "a2b", "b2a")):
            yield f"{node.lineno}: {name}"  # type: ignore[attr-defined]


def test_only_objectives_know_what_domains_are_called() -> None:
    # What comes in from elsewhere is imported into the cycle: one module says how.
    knowing = (ENGINE / "objectives", ENGINE / "importing/roles.py")
    engine = [file for file in ENGINE.rglob("*.py") if not set(knowing) & {file, *file.parents}]
    assert [(file.name, spelt) for file in engine for spelt in spelt_domains(file)] == []
    assert list(spelt_domains(ENGINE / "objectives/cycle_networks.py"))  # the reading itself works


def test_fabric_is_loaded_in_one_place() -> None:
    """Elsewhere it would bring what it only asks for its version, and takes a second to load."""
    loading = {
        file.name
        for folder in (ENGINE, PLUGINS)
        for file, module in imports(folder)
        if module.partition(".")[0] == "lightning_fabric"
    }
    assert loading == {"lightning.py"}


@pytest.mark.slow
def test_fabric_does_not_bring_torchmetrics() -> None:
    code = "import sys, cyclekit.engine.lightning; print('torchmetrics' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}; import torchmetrics"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == "False\n"
