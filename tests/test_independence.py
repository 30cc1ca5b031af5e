"""The engine knows no modality, and plugins use no private door."""

import ast
from collections.abc import Iterator
from pathlib import Path

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
