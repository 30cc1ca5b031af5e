"""Write a new plugin package: what ``cyclekit plugins new`` does."""

import importlib.util
import keyword
import re
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from string import Template

from packaging.version import Version

from cyclekit.errors import UsageError
from cyclekit.plugins.discovery import installed_plugins
from cyclekit.storage.folder import Storage

TEMPLATES = {
    "pyproject.toml": "pyproject.toml.txt",
    "README.md": "README.md.txt",
    "cyclekit_{name}/__init__.py": "module.py.txt",
    "cyclekit_{name}/recipes/demo.toml": "demo.toml.txt",
    "tests/test_{name}.py": "test.py.txt",
}
OBJECTIVE_TEMPLATES = {
    "pyproject.toml": "pyproject.toml.txt",
    "README.md": "objective_README.md.txt",
    "cyclekit_{name}/__init__.py": "objective.py.txt",
    "tests/test_{name}.py": "objective_test.py.txt",
}
SIZES = {  # by axes: in words, numbers along each axis of a window and an item, the demo's length
    1: {"axes": "one axis", "window": 32, "side": 64, "steps": 200, "batch": 4, "odd": "(101,)"},
    2: {"axes": "two axes", "window": 32, "side": 48, "steps": 200, "batch": 4, "odd": "(50, 37)"},
    3: {"axes": "three axes", "window": 16, "side": 24, "steps": 100, "batch": 2,
        "odd": "(20, 17, 33)"},
}  # fmt: skip


def write_plugin(name: str, dims: int, parent: Path, objective: bool = False) -> Path:
    """Write the package ``cyclekit-NAME`` into ``parent``; returns its folder.

    Args:
        name: What ``--plugin`` will call it: an identifier in lower case that is not taken.
        dims: Axes of its arrays, 1 to 3.
        parent: Where the new folder is made.
        objective: Whether it has an objective for others' modalities, and none of its own.

    Raises:
        UsageError: If the name cannot be used, or the folder is there already.
    """
    _require_usable(name)
    folder = parent / f"cyclekit-{_dashed(name)}"
    if folder.exists():
        raise UsageError(f"{folder} exists already. Take another name, or another folder with -o.")
    words = {
        "name": name,
        "dashed": _dashed(name),
        "title": name.replace("_", " ").capitalize(),
        "classname": "".join(part.capitalize() for part in name.split("_")),
        "dims": dims,
        "versions": _versions(),
        **SIZES[dims],
    }
    with Storage(parent).aside() as aside:
        made = aside.make(folder.name)
        templates = OBJECTIVE_TEMPLATES if objective else TEMPLATES
        for target, template in templates.items():
            text = files("cyclekit").joinpath("template", template).read_text(encoding="utf-8")
            *inside, file = target.format(name=name).split("/")
            storage = Storage(made, *inside)
            storage.write_text(file, Template(text).substitute(words))
        return aside.keep(folder.name)


def _require_usable(name: str) -> None:
    if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name) or keyword.iskeyword(name):
        raise UsageError(
            f"{name!r} cannot be a plugin's name: it must be a Python identifier in lower case, "
            f"such as eeg or depth_maps."
        )
    taken = {info.name: info.distribution for info in installed_plugins()}
    if name in taken:
        raise UsageError(f"There is a plugin called {name!r} already, from {taken[name]}.")
    if importlib.util.find_spec(f"cyclekit_{name}") is not None:
        raise UsageError(f"There is a package called cyclekit_{name} already. Take another name.")


def _dashed(name: str) -> str:
    return name.replace("_", "-")


def _versions() -> str:
    """The versions of cyclekit that keep this one's promises to plugins."""
    release = Version(version("cyclekit"))
    above = f"0.{release.minor + 1}" if release.major == 0 else f"{release.major + 1}"
    return f">={release.major}.{release.minor},<{above}"
