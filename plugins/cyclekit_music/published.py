"""Published MIDI laid out by genre: MAESTRO by its own splits, Lakh by a table of the user's."""

import csv
import hashlib
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from cyclekit.api import DataError

MAESTRO = "maestro"  # in place of a genre
LAKH = "clean_midi"
SUFFIXES = {".mid", ".midi"}
TESTED = 10  # percent of the artists
LARGEST_TABLE = 64 * 2**20  # bytes
NAMED = 12  # genres in a message


def by_genre(unpacked: Path, made: Path, settings: Mapping[str, str]) -> list[str]:
    """Move files into ``trainA``, ``trainB``, ``testA`` and ``testB`` by their genre.

    Args:
        unpacked: Holds ``clean_midi/ARTIST/TITLE.mid``, and MAESTRO's folder with its table.
        made: Where the folders are made.
        settings: ``genres``, a table that says which artist or piece is of which genre; ``a`` and
            ``b``, the genres, or ``maestro``.

    Returns:
        What a person should know: how many pieces each genre has, and how many the table lacks.

    Raises:
        DataError: If the table is none, or has no piece of a genre.
    """
    table = _read_table(Path(settings["genres"]))
    genres = {letter: settings[letter.lower()].strip().casefold() for letter in "AB"}
    if genres["A"] == genres["B"]:
        raise DataError(f"Both domains are {genres['A']!r}: set a and b to different genres.")
    found = {letter: _pieces(unpacked, genre, table) for letter, genre in genres.items()}
    said = []
    for letter, pieces in found.items():
        if not pieces:
            raise DataError(_nothing(settings, letter, table))
        counts = Counter(split for _, split, _ in pieces)
        for file, split, name in pieces:
            place = made / f"{split}{letter}" / name
            place.parent.mkdir(parents=True, exist_ok=True)
            file.replace(place)
        said.append(f"{letter}, {genres[letter]}: {counts['train']} pieces, {counts['test']} tests")
    return said


def _read_table(file: Path) -> dict[str, str]:
    """Genres by artist, or by ``artist/title``, all in lower case."""
    if file.stat().st_size > LARGEST_TABLE:
        raise DataError(f"{file} has more than {LARGEST_TABLE:,} bytes: that is no genre table.")
    text = file.read_text(encoding="utf-8-sig", errors="replace")
    first = text.partition("\n")[0]
    delimiter = next((mark for mark in "\t;," if mark in first), ",")
    try:
        rows = [row for row in csv.reader(text.splitlines(), delimiter=delimiter) if len(row) > 1]
    except csv.Error as error:
        raise DataError(f"{file} is no table: {error}.") from error
    if not rows:
        raise DataError(
            f"{file} is no genre table. Expected are lines such as `Dave Brubeck,jazz` or "
            f"`Dave Brubeck/Take Five,jazz`."
        )
    return {_key(row[0]): row[1].strip().casefold() for row in rows}


def _key(name: str) -> str:
    """An artist, or a piece, without suffix and without what tells versions of a piece apart."""
    parts = name.strip().casefold().removeprefix(f"{LAKH}/").split("/")
    if len(parts) > 1:
        stem, suffix = os.path.splitext(parts[-1])  # noqa: PTH122 - a title, no path
        parts[-1] = stem if suffix in SUFFIXES else parts[-1]
    return "/".join(part.strip() for part in parts)


def _pieces(
    unpacked: Path, genre: str, table: Mapping[str, str]
) -> Sequence[tuple[Path, str, str]]:
    """Every file of a genre, its split, and its path in there."""
    return list(_maestro(unpacked) if genre == MAESTRO else _lakh(unpacked, genre, table))


def _maestro(unpacked: Path) -> Iterator[tuple[Path, str, str]]:
    """MAESTRO's pieces; its authors chose the test set so that no composition is on both sides."""
    about = next(iter(sorted(unpacked.glob("maestro-*/maestro-*.csv"))), None)
    if about is None:
        raise DataError("The archive of MAESTRO holds no table: it has changed.")
    with about.open(encoding="utf-8", newline="") as opened:
        for row in csv.DictReader(opened):
            name = row.get("midi_filename") or ""
            file = about.parent / name
            if file.is_file() and file.resolve().is_relative_to(about.parent.resolve()):
                yield file, "test" if row.get("split") == "test" else "train", name


def _lakh(unpacked: Path, genre: str, table: Mapping[str, str]) -> Iterator[tuple[Path, str, str]]:
    """Lakh's pieces of a genre; all of an artist's are on one side, versions of a piece so, too."""
    for file in sorted((unpacked / LAKH).glob("*/*")):
        artist, title = file.parent.name, file.stem
        if file.suffix.lower() not in SUFFIXES:
            continue
        # Versions are called "Title.mid", "Title.1.mid" and so on.
        plain = title.rpartition(".")[0] if title.rpartition(".")[2].isdecimal() else title
        keys = (f"{artist}/{title}", f"{artist}/{plain}", artist)
        if next((table[k] for key in keys if (k := _key(key)) in table), None) == genre:
            digest = hashlib.sha256(os.fsencode(artist)).digest()
            tested = int.from_bytes(digest[:4]) % 100 < TESTED
            yield file, "test" if tested else "train", f"{artist}/{file.name}"


def _nothing(settings: Mapping[str, str], letter: str, table: Mapping[str, str]) -> str:
    genre = settings[letter.lower()]
    known = ", ".join(name for name, _ in Counter(table.values()).most_common(NAMED))
    return (
        f"{settings['genres']} has no piece of the genre {genre!r} that is in the archive. Its "
        f"first column names artists, or Artist/Title, as they are called in {LAKH}; its genres "
        f"are {known}. Another one is chosen with --set {letter.lower()}=GENRE."
    )
