"""Tables beside the data that recipes name: where they are, and their text."""

from pathlib import Path

from cyclekit.errors import DataError
from cyclekit.storage.handle import open_file

MOST_BYTES = 2**28  # of a table; CelebA's attributes have 26 MB


def table_file(named: str, root: Path | str | None) -> Path:
    """Where a table is: in the data's folder, or where it says."""
    path = Path(named).expanduser()
    inside = Path(root or "") / path
    return inside if inside.is_file() else path


def table_text(file: Path, setting: str) -> str:
    """What a table says.

    Raises:
        DataError: If it cannot be read, is no text, or has no end; names the setting.
    """
    try:
        if not file.is_file():
            what = "is a folder" if file.is_dir() else "does not exist"
            raise DataError(f"{setting}: {file} {what}. Expected a table.")
        if file.stat().st_size > MOST_BYTES:
            raise DataError(f"{setting}: {file} has more than {MOST_BYTES >> 20} MiB.")
        with open_file(file, follow=True) as opened:
            return opened.read().decode().removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise DataError(f"{setting}: {file} is no text, but a table is expected.") from error
    except OSError as error:
        raise DataError(f"{setting}: {file} cannot be read ({error.strerror}).") from error
