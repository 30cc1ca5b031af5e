"""Pictures and sounds of a run as data: addresses, within a limit."""

import base64
import os
import stat
from collections.abc import Sequence
from pathlib import Path

from cyclekit.storage.handle import open_file

MEBIBYTE = 2**20
MOST_BYTES = 20 * MEBIBYTE
MOST_STEPS = 12

PICTURES = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg"}
SOUNDS = {".wav": "audio/wav"}
DOWNLOADS = {".mid": "audio/midi", ".midi": "audio/midi"}
KINDS = PICTURES | SOUNDS | DOWNLOADS


class Attachments:
    """Files that are put into the page as long as there is room.

    Attributes:
        left_out: How many files were left out.
        left_out_bytes: Their size.

    Args:
        limit: Bytes in all, before they become text.
    """

    def __init__(self, limit: int = MOST_BYTES) -> None:
        self._room = limit
        self.left_out = 0
        self.left_out_bytes = 0

    def embed(self, file: Path) -> str | None:
        """A file's ``data:`` address, or ``None`` if there is no room for it."""
        with open_file(file) as stream:
            content = stream.read(self._room + 1)
            size = max(len(content), os.fstat(stream.fileno()).st_size)
        if size > self._room:
            self.left_out += 1
            self.left_out_bytes += size
            return None
        self._room -= size
        return f"data:{KINDS[file.suffix.lower()]};base64,{base64.b64encode(content).decode()}"


def files_in(folder: Path) -> list[Path]:
    """The plain files of a folder, sorted.

    Links are passed over: whoever made the run may have let them point anywhere, and the page is
    meant to be passed on.
    """
    return sorted(file for file in folder.iterdir() if stat.S_ISREG(file.lstat().st_mode))


def of_kind(files: Sequence[Path], kinds: dict[str, str]) -> list[Path]:
    """Those of the files that have one of the suffixes."""
    return [file for file in files if file.suffix.lower() in kinds]


def spread(steps: Sequence[int], most: int = MOST_STEPS) -> list[int]:
    """At most ``most`` of the steps, evenly, the first and the last among them."""
    if len(steps) <= most:
        return list(steps)
    return [steps[round(index * (len(steps) - 1) / (most - 1))] for index in range(most)]
