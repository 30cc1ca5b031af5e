"""Ways to spoil a file, chosen by a seeded generator: the same corpus every time."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from support import assert_named_or_written, results

Damage = Callable[[bytearray, random.Random], bytes | bytearray]


def cut_short(data: bytearray, rng: random.Random) -> bytes:
    """The rest of the file is missing."""
    return bytes(data[: rng.randrange(len(data))])


def flip_bits(data: bytearray, rng: random.Random) -> bytearray:
    """One bit, a few, or many are wrong."""
    for _ in range(rng.choice((1, 8, 100))):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return data


def insert(data: bytearray, rng: random.Random) -> bytearray:
    """Something came in between."""
    place = rng.randrange(len(data))
    data[place:place] = rng.randbytes(rng.randrange(1, 40))
    return data


def leave_out(data: bytearray, rng: random.Random) -> bytearray:
    """A piece is missing."""
    place = rng.randrange(len(data))
    del data[place : place + rng.randrange(1, 40)]
    return data


def noise(first: int, last: int) -> Damage:
    """Bytes ``first`` to ``last``, where a header lies, are random."""

    def spoil(data: bytearray, rng: random.Random) -> bytearray:
        data[first:last] = rng.randbytes(last - first)
        return data

    return spoil


ANY_FILE: tuple[Damage, ...] = (cut_short, flip_bits, insert, leave_out)


def make_corpus(whole: Path, count: int, rng: random.Random, *headers: Damage) -> None:
    """Write ``count`` spoilt copies of a file beside it: NAME-000, NAME-001, ..."""
    data = whole.read_bytes()
    for index in range(count):
        spoil = rng.choice((*ANY_FILE, *headers))
        name = f"{whole.stem}-{index:03d}{whole.suffix}"
        whole.with_name(name).write_bytes(spoil(bytearray(data), rng))


def add_oddities(folder: Path, suffix: str) -> None:
    """An empty file, a file of another kind, a link to itself and a folder with a file's name."""
    (folder / f"empty{suffix}").write_bytes(b"")
    (folder / f"other{suffix}").write_bytes(b"%PDF-1.7\n" + bytes(100))
    (folder / f"loop{suffix}").symlink_to(folder / f"loop{suffix}")
    (folder / f"folder{suffix}").mkdir()


def translate_corpus(
    cli: Callable[..., Any], train: list[str], run: Path, corpus: Path
) -> set[str]:
    """Train ``run``, translate a corpus with it; no file is lost. Returns the names written."""
    trained = cli(*train)
    assert trained.code == 0, trained.err
    out = run.with_name("out")
    done = cli("translate", run, corpus, "-o", out, "--direction=a2b")
    assert_named_or_written(corpus, out, done)
    return {path.stem for path in results(out)}
