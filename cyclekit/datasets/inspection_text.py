"""What was found in a folder of data, in lines for a terminal."""

from collections.abc import Iterator

from rich.filesize import decimal

from cyclekit.data.encoded import list_bad
from cyclekit.datasets.inspection import Inspection, sized

SHAPES = 5  # that are named


def inspection_lines(found: Inspection) -> Iterator[str]:
    """The lines."""
    for group in found.groups:
        title = f"{group['domain'].upper()} {group['split']}"
        yield (
            f"{title:<12} {group['files']:>9,} files {decimal(group['bytes']):>9}, "
            f"{decimal(group['smallest'])} to {decimal(group['largest'])}, "
            f"half of them up to {decimal(group['median'])}"
        )
    if found.decoded < found.of:
        yield (
            f"looked into {found.decoded:,} of {found.of:,} files, as many of each group, chosen "
            f"by their names; --all looks into all of them. Copies were looked for among all."
        )
    yield f"tensors: {_shapes(found)}"
    if found.pairs:
        yield f"pairs: {found.pairs:,} test files have equal names in both domains"
    if found.bad:
        yield f"cannot be used: {len(found.bad):,} of {found.of:,}: {list_bad(found.bad)}"
    yield from (f"note: {note}" for note in found.notes)
    yield from (f"warning: {warning}" for warning in found.warnings)
    yield from (f"error: {refusal}" for refusal in found.refusals)
    yield "A training would not start." if found.refusals else "A training would start."


def _shapes(found: Inspection) -> str:
    """The most frequent ones, and between which sizes the others are."""
    named = [f"{sized(shape)} ({count:,} files)" for shape, count in found.shapes[:SHAPES]]
    rest = [shape for shape, _ in found.shapes[SHAPES:]]
    if not rest:
        return ", ".join(named) or "none"
    ranges = (
        f"{min(sizes)}" if min(sizes) == max(sizes) else f"{min(sizes)} to {max(sizes)}"
        for sizes in zip(*rest, strict=True)
    )
    return f"{', '.join(named)}, and {len(rest):,} more shapes, {' x '.join(ranges)}"
