"""Checks of files that hold many items."""

from collections.abc import Iterator, Sequence
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np

from cyclekit.contract.codec import Codec
from cyclekit.contract.sequence import ItemSequence
from cyclekit.describe import describe_exception
from cyclekit.errors import BadSample
from cyclekit.testing.checks import check
from cyclekit.testing.faults import Fault, calling, kind, require
from cyclekit.testing.subject import Subject

SAMPLED = 3  # items


@check("sequences", "encode", "save")
def sequences(subject: Subject) -> None:
    """Files of many items are read and written again, item by item."""
    codec = subject.codec
    suffixes = codec.sequence_suffixes
    overridden = type(codec).sequence is not Codec.sequence
    require(
        bool(suffixes) == overridden,
        "sequence opens files that sequence_suffixes must name: write both or neither.",
    )
    require(
        not suffixes & codec.suffixes,
        f"{', '.join(sorted(suffixes & codec.suffixes))} are in suffixes and sequence_suffixes: "
        f"a file holds one item or many.",
    )
    for suffix in sorted(suffixes)[:1]:
        _refuses_junk(codec, subject.folder / f"junk{suffix}", subject.first)
    for file in _files(subject)[:1]:
        _read_and_written(codec, file, subject.first, subject.folder / "rewritten")


def _files(subject: Subject) -> list[Path]:
    """Those of many items in the folder that was given, where one was."""
    beside = sorted(subject.data.rglob("*")) if subject.data else []
    return [file for file in beside if file.suffix.lower() in subject.codec.sequence_suffixes]


def _refuses_junk(codec: Codec[Any], file: Path, domain: str) -> None:
    file.write_bytes(np.random.default_rng(0).bytes(999))
    try:
        codec.sequence(file, domain)
    except BadSample:
        return
    except Exception as error:
        raise Fault(
            f"sequence raised {describe_exception(error)} for random bytes: catch it and raise "
            f'BadSample(path, "why").'
        ) from error
    raise Fault('sequence opens random bytes: raise BadSample(path, "why") for such files.')


def _read_and_written(codec: Codec[Any], file: Path, domain: str, folder: Path) -> None:
    with calling("sequence"):
        opened = codec.sequence(file, domain)
    require(
        isinstance(opened, ItemSequence),
        f"sequence must return an ItemSequence, not {kind(opened)}.",
    )
    with calling("ItemSequence.sample"):
        some = opened.sample(SAMPLED)
    require(
        0 < len(some) <= SAMPLED,
        f"ItemSequence.sample({SAMPLED}) returned {len(some)} items: expected one at least, and no "
        f"more than were asked for.",
    )
    for item in some:
        with calling("encode, of an item of a sequence,"):
            codec.encode(item, domain)
    folder.mkdir()
    there = [folder / f"{name}{file.suffix}" for name in ("one", "two")]
    count = _rewritten(opened, there)
    require(count > 0, f"ItemSequence.rewrite handed out no item of {file.name}.")
    written = sorted(folder.iterdir())
    require(
        [path.stem for path in written] == ["one", "two"],
        f"ItemSequence.rewrite must write a file at each of its paths, and nothing else; it wrote "
        f"{', '.join(path.name for path in written) or 'none'}.",
    )
    for path in written:
        with calling("sequence, of a file that rewrite wrote,"):
            again = _rewritten(codec.sequence(path, domain), [folder / f"again{path.suffix}"])
        require(
            again == count,
            f"ItemSequence.rewrite got {count} items, but what it wrote holds {again}: write what "
            f"comes of each, in its order.",
        )


def _rewritten(opened: ItemSequence[Any], paths: Sequence[Path]) -> int:
    """Rewrite a file as it is; how many items it holds."""
    count = 0

    def unchanged(items: Iterator[Any]) -> Iterator[Sequence[Any]]:
        nonlocal count
        for item in items:
            count += 1
            yield list(repeat(item, len(paths)))

    with calling("ItemSequence.rewrite"):
        opened.rewrite(unchanged, paths)
    return count
