"""What a table says about files: CelebA's ``list_attr_celeba.txt``, or CSV."""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePath

import numpy as np

from cyclekit.data.tables import table_file, table_text
from cyclekit.errors import DataError, suggest
from cyclekit.recipe.settings import DataSettings

TRUE, FALSE = frozenset(("1", "+1", "1.0")), frozenset(("0", "-1", "0.0", "-1.0"))

Row = tuple[int, list[str]]
"""A line's number, and its cells: the file first."""


@dataclass(frozen=True)
class AttributeTable:
    """Attributes of files, which a sample has or has not; read once it is asked for.

    Attributes:
        file: The table; ``None`` where none was named.
        names: The attributes that are wanted of it, in their order.
    """

    file: Path | None
    names: tuple[str, ...] = field(default=())

    def of(self, file: PurePath) -> np.ndarray[tuple[int], np.dtype[np.bool_]] | None:
        """A file's attributes, ``(names,)``, by the longest end of its path that the table has;
        ``None`` where it has none.

        Raises:
            DataError: If the table cannot be used.
        """
        row = self.row(file)
        return None if row is None else self._read[1][self._read[0][row]]

    def row(self, file: PurePath) -> str | None:
        """The end of a file's path by which the table knows it."""
        rows = self._read[0]
        parts = file.parts
        ends = ("/".join(parts[start:]) for start in range(len(parts)))
        return next((end for end in ends if end in rows), None)

    def inside(self, root: Path) -> "AttributeTable":
        """A table of the same name in another folder, where there is one."""
        there = root / self.file.name if self.file else None
        return AttributeTable(there, self.names) if there and there.is_file() else self

    def __len__(self) -> int:
        return len(self._read[0])

    @cached_property
    def _read(self) -> tuple[dict[str, int], np.ndarray[tuple[int, int], np.dtype[np.bool_]]]:
        """Places of files, and the attributes at each."""
        if self.file is None:
            raise DataError(
                f"The objective's domains are attributes ({', '.join(self.names)}), but no table "
                f"of them was named: set data.attributes to a file such as list_attr_celeba.txt."
            )
        return _read(self.file, self.names)


def attributes_file(settings: DataSettings, root: str | None = None) -> Path | None:
    """Where the table of ``data.attributes`` is: in the data's folder, or where it says."""
    if settings.attributes is None:
        return None
    return table_file(settings.attributes, root or settings.root)


def _read(
    file: Path, wanted: Sequence[str]
) -> tuple[dict[str, int], np.ndarray[tuple[int, int], np.dtype[np.bool_]]]:
    rows = _rows(file)
    number, header = next(rows, (1, []))
    columns = _columns(file, number, header, wanted)
    places: dict[str, int] = {}
    lines: list[int] = []
    values: list[list[bool]] = []
    for number, cells in rows:
        name = cells[0].strip().removeprefix("./")
        if len(cells) != len(header):
            raise DataError(
                f"{file}, line {number}: {len(cells) - 1} values, but the header names "
                f"{len(header) - 1} attributes. (Names of files that hold spaces take CSV.)"
            )
        if name in places:
            first = lines[places[name]]
            raise DataError(f"{file}: {name!r:.200} is in lines {first} and {number}.")
        places[name] = len(lines)
        lines.append(number)
        values.append([_value(file, number, header[at], cells[at]) for at in columns])
    if not lines:
        raise DataError(f"{file} says nothing about any file: expected a line for each.")
    return places, np.array(values, dtype=bool)


def _columns(file: Path, number: int, header: Sequence[str], wanted: Sequence[str]) -> list[int]:
    """Where the wanted attributes are.

    Raises:
        DataError: If the header is none, or lacks one of them.
    """
    known = header[1:]
    if not known or all(cell in TRUE | FALSE for cell in known):
        raise DataError(
            f"{file}, line {number}: expected a header with the attributes' names, found "
            f"{' '.join(header)!r:.60}. CelebA's tables begin with the number of files and the "
            f"names, CSV with a line such as file,Male,Young."
        )
    for name in known:
        if known.count(name) > 1:
            raise DataError(f"{file}: its header names the attribute {name!r:.80} twice.")
    for name in wanted:
        if name not in known:
            raise DataError(
                f"objective.attributes: {file} has no attribute {name!r:.80}. "
                f"{suggest(name, known)}"
            )
    return [header.index(name, 1) for name in wanted]


def _value(file: Path, number: int, name: str, cell: str) -> bool:
    text = cell.strip()
    if text in TRUE:
        return True
    if text in FALSE:
        return False
    raise DataError(f"{file}, line {number}: {name} is {text!r:.40}: expected 1, or 0 or -1.")


def _rows(file: Path) -> Iterator[Row]:
    """The header, whose first cell is over the files, then a row for each file."""
    lines = table_text(file, "data.attributes").splitlines()
    numbered = [(number, line) for number, line in enumerate(lines, start=1) if line.strip()]
    if numbered and "," in numbered[0][1]:
        reader = csv.reader(lines)
        yield from ((reader.line_num, row) for row in reader if row)
        return
    count = int(numbered.pop(0)[1]) if numbered and numbered[0][1].strip().isdecimal() else None
    if count not in (None, len(numbered) - 1):
        raise DataError(
            f"{file} announces {count} files in its first line, but has {len(numbered) - 1}. Is it "
            f"cut short?"
        )
    for place, (number, line) in enumerate(numbered):
        cells = line.split()
        # CelebA's header has nothing over the files.
        lacks = place == 0 and len(numbered) > 1 and len(numbered[1][1].split()) > len(cells)
        yield number, ["", *cells] if lacks else cells
