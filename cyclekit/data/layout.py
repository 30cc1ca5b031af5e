"""What folders of domains are called, and by which names files of two domains are pairs."""

from collections.abc import Sequence
from pathlib import Path

from cyclekit.names import heading

Folders = dict[str, tuple[str | Path, str | Path | None]]
"""Training and test folder of each domain."""


def layout_folder(split: str, domain: str) -> str:
    """The folder of a domain's training or test files below a root: ``trainA``, ``testWinter``."""
    return f"{split}{domain[:1].upper()}{domain[1:]}"


def layout(domains: Sequence[str]) -> str:
    """What is expected below a root, in words."""
    names = [layout_folder(split, domain) for split in ("train", "test") for domain in domains]
    return f"{', '.join(names[:-1])} and {names[-1]}"


def pair_name(file: Path, folder: Path, domain: str) -> str:
    """A file's path inside its folder, without suffix and without its domain at the end."""
    name = file.relative_to(folder).with_suffix("").as_posix()
    return name.removesuffix(f"_{heading(domain)}")
