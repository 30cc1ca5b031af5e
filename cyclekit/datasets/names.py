"""Names in archives and catalogues: paths that stay inside of a folder."""

from pathlib import PureWindowsPath

DEEPEST = 20  # folders in folders
LONGEST = 255  # bytes of one name, as file systems have it


def inner_path(name: str) -> tuple[str, ...]:
    """The parts of a path inside of a folder.

    Raises:
        ValueError: If it leads out of the folder, on any system, or cannot be made.
    """
    windows = PureWindowsPath(name)
    if name.startswith("/") or windows.drive or windows.root:
        raise ValueError("is an absolute path")
    if ".." in windows.parts:  # which split at both kinds of slashes
        raise ValueError("leads out of its folder")
    parts = tuple(part for part in name.split("/") if part not in ("", "."))
    if not parts or "\0" in name:
        raise ValueError("is no name of a file")
    if len(parts) > DEEPEST:
        raise ValueError(f"is more than {DEEPEST} folders deep")
    if any(len(part.encode(errors="surrogateescape")) > LONGEST for part in parts):
        raise ValueError(f"has a name of more than {LONGEST} bytes")
    return parts
