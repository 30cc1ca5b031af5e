"""Published sets of pictures that are laid out otherwise than training wants them."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from PIL import Image, JpegImagePlugin

from cyclekit.api import DataError

SPLITS = {"train": "train", "test": "test", "val": "val"}
SUFFIXES = {".jpg", ".jpeg", ".png"}
NAMED = 3  # bad pictures in a message
AT_ONCE = 1000  # pictures that wait to be cut


def side_by_side(unpacked: Path, made: Path, settings: Mapping[str, str]) -> list[str]:
    """Cut pictures that hold A on the left and B on the right.

    Where a set has no ``test``, its ``val`` is the test set; where it has both, the latter becomes
    ``valA`` and ``valB``, which training leaves alone.

    Args:
        unpacked: Holds ``NAME/train`` and so on.
        made: ``trainA``, ``trainB`` and so on are made in it.
        settings: None.

    Returns:
        What a person should know.

    Raises:
        DataError: If there is nothing to cut.
    """
    folders = {path.name: path for path in unpacked.glob("*/*") if path.name in SPLITS}
    if "train" not in folders:
        raise DataError("The archive holds no folder train: it has changed.")
    bad: list[str] = []
    for name, folder in folders.items():
        split = "test" if name == "val" and "test" not in folders else name
        for letter in "AB":
            (made / f"{split}{letter}").mkdir()
        files = sorted(file for file in folder.iterdir() if file.suffix.lower() in SUFFIXES)
        bad += _cut_all(files, made, split)
        if not any((made / f"{split}A").iterdir()):
            raise DataError(f"No picture of {name} could be cut into two.")
    if not bad:
        return []
    more = f" and {len(bad) - NAMED} more" if len(bad) > NAMED else ""
    return [f"left out what cannot be cut into two: {'; '.join(bad[:NAMED])}{more}"]


def _cut_all(files: list[Path], made: Path, split: str) -> Iterator[str]:
    """Cut every file on all cores; those that cannot be, each with the reason."""
    with ThreadPoolExecutor() as pool:
        parts = (files[first : first + AT_ONCE] for first in range(0, len(files), AT_ONCE))
        found = (pool.map(partial(_cut, made=made, split=split), part) for part in parts)
        yield from (reason for reason in chain.from_iterable(found) if reason)


def _cut(file: Path, made: Path, split: str) -> str:
    """Write both halves; returns why that cannot be done, or nothing."""
    try:
        with Image.open(file) as whole:
            whole.load()
            half = whole.width // 2
            if whole.width % 2 or not half:
                return f"{file.name}: it is {whole.width} px wide"
            how = _as_it_is(whole, half)
            for letter, left in (("A", 0), ("B", half)):
                part = whole.crop((left, 0, left + half, whole.height))
                suffix = ".jpg" if how else ".png"
                part.save(made / f"{split}{letter}" / f"{file.stem}{suffix}", **how)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        return f"{file.name}: {error}"
    return ""


def _as_it_is(whole: Image.Image, half: int) -> dict[str, Any]:
    """How to write a half as the JPEG that the whole is, where that loses next to nothing.

    With the same tables, and blocks that begin where the whole's do, coefficients are rounded to
    what they were. Else, and of anything but JPEG: nothing, and PNG it is.
    """
    if not isinstance(whole, JpegImagePlugin.JpegImageFile) or whole.mode not in ("RGB", "L"):
        return {}
    sampling = JpegImagePlugin.get_sampling(whole) if whole.mode == "RGB" else 0
    if sampling < 0 or half % (8 if sampling == 0 else 16):
        return {}
    how: dict[str, Any] = {"qtables": whole.quantization}
    return how if whole.mode == "L" else how | {"subsampling": sampling}
