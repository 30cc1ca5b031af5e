"""Find plugins by their metadata, and import those that are asked for."""

import hashlib
import importlib.util
import re
import sys
from dataclasses import dataclass
from importlib.metadata import (
    EntryPoint,
    PackageNotFoundError,
    distribution,
    distributions,
    version,
)
from pathlib import Path
from types import ModuleType
from typing import Any

from cyclekit.describe import describe_exception
from cyclekit.errors import PluginError, UsageError, suggest
from cyclekit.extras import install_command

GROUP = "cyclekit"


@dataclass(frozen=True)
class PluginInfo:
    """What is known about a plugin without importing it.

    Attributes:
        name: The ``--plugin`` value.
        distribution: Name of the installed package that brings it, or the file's path.
        version: Of that package; empty for a single file.
        entry_point: How to import it; ``None`` for a single file.
    """

    name: str
    distribution: str
    version: str
    entry_point: EntryPoint | None = None

    @property
    def package(self) -> str | None:
        """Top-level import name, or ``None`` for a single file."""
        # Not ``entry_point.module``, which fails on what is no module's name.
        return re.split(r"[.:\s]", self.entry_point.value)[0] if self.entry_point else None

    def require_installed(self) -> None:
        """Raise ``PluginError`` if there is no such package, whatever its metadata says."""
        if self.package and importlib.util.find_spec(self.package) is None:
            raise PluginError(
                f"{called(self)}: its entry point names the package "
                f"{self.package!r}, which cannot be found. Reinstall {self.distribution}, or "
                f"correct the entry point in its pyproject.toml."
            )

    def fingerprint(self) -> str:
        """Of the plugin's Python files, and of the versions of what it requires."""
        digest = hashlib.sha256()
        for file in self._source_files():
            digest.update(file.read_bytes())
        for named in _requirements(self.distribution) if self.entry_point else ():
            digest.update(named.encode())
        return digest.hexdigest()

    def _source_files(self) -> list[Path]:
        if self.file:
            return [self.file]
        spec = importlib.util.find_spec(self.package or "")
        if spec is None:
            return []
        folders = list(spec.submodule_search_locations or ())
        if not folders and spec.origin:
            return [Path(spec.origin)]
        return sorted(file for folder in folders for file in Path(folder).rglob("*.py"))

    @property
    def reference(self) -> str:
        """What a recipe calls it: its name, or its file."""
        return self.name if self.entry_point else self.distribution

    @property
    def file(self) -> Path | None:
        """The plugin's file when it is a single one."""
        return None if self.entry_point else Path(self.distribution)


def _requirements(name: str) -> list[str]:
    """What a distribution requires, with the versions that are installed."""
    lines = distribution(name).requires or ()
    found = []
    for required in sorted({re.split(r"[^\w.-]", line, maxsplit=1)[0] for line in lines}):
        try:
            found.append(f"{required} {version(required)}")
        except PackageNotFoundError:
            continue  # an extra that nobody asked for
    return found


def installed_plugins() -> list[PluginInfo]:
    """Every installed plugin by name, read from package metadata; imports nothing."""
    found = {
        PluginInfo(entry.name, package.metadata["Name"], package.version, entry)
        for package in distributions()
        for entry in package.entry_points
        if entry.group == GROUP
    }
    # A path that is listed twice shows a distribution twice.
    unique = {(info.name, info.distribution): info for info in found}
    return [unique[key] for key in sorted(unique)]


def find_plugin(name: str) -> PluginInfo:
    """Look up a plugin by name, or by the path of a single ``.py`` file; imports nothing.

    Raises:
        UsageError: If there is none; suggests the nearest names.
        PluginError: If two distributions claim the name.
    """
    if name.endswith(".py"):
        file = Path(name).expanduser().resolve()
        if not file.is_file():
            raise UsageError(f"No plugin file {name}. Give the path of an existing Python file.")
        return PluginInfo(file.stem, str(file), "")
    plugins = installed_plugins()
    named = [info for info in plugins if info.name == name]
    if not named:
        raise UsageError(
            f"No plugin called {name!r}. {suggest(name, [info.name for info in plugins])} "
            f"See `cyclekit plugins list`; a single file is given as a path ending in .py."
        )
    if len(named) > 1:
        raise PluginError(
            f"Two packages bring a plugin called {name!r}: "
            f"{' and '.join(info.distribution for info in named)}. Uninstall one of them."
        )
    return named[0]


def import_plugin(info: PluginInfo, who: str = "") -> Any:
    """Import what a plugin's entry point names, or its file.

    Args:
        info: The plugin.
        who: What it is called in messages; default: by its name.

    Raises:
        PluginError: If that fails; says what to do.
    """
    info.require_installed()
    try:
        return info.entry_point.load() if info.entry_point else _import_file(info.distribution)
    except (Exception, SystemExit) as error:
        # Not only ImportError: a torchaudio that does not fit its torch raises OSError.
        raise failure(info, who or called(info), "cannot be imported", error) from error


def _import_file(path: str) -> ModuleType:
    name = f"cyclekit_plugin_{Path(path).stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pydantic look their module up by name
    # From the text itself: what lies compiled beside it may be something else.
    exec(compile(Path(path).read_bytes(), path, "exec"), module.__dict__)
    return module


def origin_of(info: PluginInfo) -> str:
    """Which package or file brings a plugin, for messages."""
    return f"{info.distribution} {info.version}".strip()


def called(info: PluginInfo) -> str:
    """A plugin, for messages."""
    return f"Plugin {info.name!r} ({origin_of(info)})"


def failure(info: PluginInfo, who: str, what: str, error: BaseException) -> PluginError:
    """What a plugin's code did wrong, and what to do.

    Args:
        info: The plugin that is to blame.
        who: What it is called here.
        what: It did.
        error: Was raised.
    """
    return PluginError(f"{who} {what}: {describe_exception(error)}. {_remedy(info, error)}")


def _remedy(info: PluginInfo, error: BaseException) -> str:
    if info.file:
        return "Correct the file."
    if info.distribution == "cyclekit":
        return f"Install what it needs: {install_command(info.name)}"
    if isinstance(error, ModuleNotFoundError):
        return f"Install what it needs, or reinstall {info.distribution}."
    return f"Reinstall or upgrade {info.distribution}, or tell its author."
