"""The command that installs what a kind of work needs besides."""

import importlib.metadata
import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname


def install_command(extra: str, distribution: str = "cyclekit") -> str:
    """How to add an extra to what is installed, from wherever it came (PEP 610).

    Args:
        extra: Its name in ``pyproject.toml``, e.g. ``export``.
        distribution: Whose extra it is.

    Returns:
        E.g. ``pip install -e '/home/me/cyclekit[export]'``; the folder that was installed from is
        named, since no other place is sure to have this version.
    """
    origin = _origin(distribution)
    address = str(origin.get("url", ""))
    if "dir_info" in origin:
        folder = Path(url2pathname(urlsplit(address).path))
        editable = "-e " if origin["dir_info"].get("editable") else ""
        if (folder / "pyproject.toml").is_file():
            return f"pip install {editable}'{folder}[{extra}]'"
    if "archive_info" in origin:
        return f"pip install '{distribution}[{extra}] @ {address}'"
    if control := origin.get("vcs_info"):
        at = f"@{control['commit_id']}" if "commit_id" in control else ""
        return f"pip install '{distribution}[{extra}] @ {control['vcs']}+{address}{at}'"
    return f"pip install '{distribution}[{extra}]'"


def _origin(distribution: str) -> dict[str, Any]:
    """Where pip got it; nothing where it came from an index or was never installed."""
    try:
        text = importlib.metadata.distribution(distribution).read_text("direct_url.json")
    except importlib.metadata.PackageNotFoundError:
        return {}
    return json.loads(text) if text else {}
