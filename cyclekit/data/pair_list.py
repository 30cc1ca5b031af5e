"""Which files belong together: equal names, or what a list says."""

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cyclekit.data.layout import pair_name
from cyclekit.data.tables import table_file, table_text
from cyclekit.errors import DataError
from cyclekit.names import heading
from cyclekit.recipe.settings import DataSettings

SETTING = "data.pairs"
NAMED = 3  # missing files in a message


@dataclass(frozen=True)
class EqualNames:
    """Files of equal names belong together, as in ``trainA/1.png`` and ``trainB/1.jpg``."""

    def of(self, file: Path, folder: Path, domain: str) -> str:
        """What a file of a domain shares with its counterparts, and with no other file."""
        return pair_name(file, folder, domain)

    def missing(self, found: Iterable[tuple[str, Path, Iterable[Path]]]) -> Iterator[str]:
        """What is said about files that are not there.

        Args:
            found: Of each domain and split: its name, folder and files.
        """
        return iter(())


EQUAL_NAMES = EqualNames()


@dataclass(frozen=True)
class PairList(EqualNames):
    """Those that share a line of a list; all others have no counterparts.

    Attributes:
        file: The list.
        names: By domain, what each listed file (its path inside the folder) is called.
    """

    file: Path
    names: Mapping[str, Mapping[str, str]] = field(repr=False)

    def of(self, file: Path, folder: Path, domain: str) -> str:
        """As ``EqualNames.of``."""
        listed_as = self._listed_as(file, folder, domain)
        return f"{domain}:{file}" if listed_as is None else self.names[domain][listed_as]

    def _listed_as(self, file: Path, folder: Path, domain: str) -> str | None:
        inside = file.relative_to(folder)
        ways = (inside.as_posix(), inside.with_suffix("").as_posix())
        return next((way for way in ways if way in self.names[domain]), None)

    def missing(self, found: Iterable[tuple[str, Path, Iterable[Path]]]) -> Iterator[str]:
        """As ``EqualNames.missing``.

        Raises:
            DataError: If none of its files is there.
        """
        seen = {
            (domain, name)
            for domain, folder, files in found
            for file in files
            if (name := self._listed_as(file, folder, domain)) is not None
        }
        lost = [
            name for domain, names in self.names.items()
            for name in names if (domain, name) not in seen
        ]  # fmt: skip
        some = ", ".join(lost[:NAMED]) + (", ..." if len(lost) > NAMED else "")
        if not seen:
            raise DataError(
                f"{SETTING}: none of the files that {self.file} names is there: {some}. Expected "
                f"paths inside each domain's folder, such as 1.png for trainA/1.png."
            )
        if lost:
            yield f"{self.file} names {len(lost)} files that are not there: {some}"


def counterparts_by(
    settings: DataSettings, domains: Sequence[str], root: Path | None = None
) -> EqualNames:
    """How one tells which files belong together.

    Raises:
        DataError: If ``data.pairs`` names a list that cannot be used.
    """
    if settings.pairs is None:
        return EQUAL_NAMES
    file = table_file(settings.pairs, root or settings.root)
    rows = csv.reader(table_text(file, SETTING).splitlines())
    header = [cell.strip() for cell in next(rows, [])]
    columns = {domain: _column(file, header, domain, domains) for domain in domains}
    names: dict[str, dict[str, str]] = {domain: {} for domain in domains}
    for row in rows:
        cells = {domain: row[at].strip() if at < len(row) else "" for domain, at in columns.items()}
        told = {domain: cell.removeprefix("./") for domain, cell in cells.items() if cell}
        if row and len(told) < 2:
            raise DataError(
                f"{SETTING}: {file}, line {rows.line_num}: expected a file of "
                f"{' and of '.join(map(heading, domains))}, found {','.join(row)!r:.80}."
            )
        for domain, cell in told.items():
            if cell in names[domain]:
                raise DataError(
                    f"{SETTING}: {file}, line {rows.line_num}: {cell!r:.80} of {heading(domain)} "
                    f"is in an earlier line, too. Each file has one counterpart."
                )
            names[domain][cell] = next(iter(told.values()))
    if not any(names.values()):
        raise DataError(f"{SETTING}: {file} lists no pairs: expected a line for each.")
    return PairList(file, names)


def _column(file: Path, header: Sequence[str], domain: str, domains: Sequence[str]) -> int:
    for name in (domain, heading(domain)):
        if name in header:
            return header.index(name)
    raise DataError(
        f"{SETTING}: {file} begins with {','.join(header)!r:.80}: expected CSV with a column for "
        f"each domain, its first line {','.join(map(heading, domains))}."
    )
