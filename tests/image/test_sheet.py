"""The sheet of previews: directions side by side, or a column for each target."""

from collections.abc import Sequence
from itertools import permutations

from cyclekit_image.sheet import GAP, LABEL, TILE, draw_sheet
from PIL import Image

from cyclekit.api import PreviewRow

Row = PreviewRow[Image.Image]


def rows(domains: Sequence[str], items: int) -> list[Row]:
    real = {
        (name, index): Image.new("RGB", (8, 8), (40 * number, 0, 0))
        for number, name in enumerate(domains)
        for index in range(items)
    }
    made = Image.new("RGB", (8, 8), (0, 200, 0))
    return [
        PreviewRow("same.png", source, target, real[source, index], made, made)
        for source, target in permutations(domains, 2)
        for index in range(items)
    ]


def tiles(count: int) -> int:
    return count * (TILE + GAP) + GAP


def test_two_directions_stand_side_by_side() -> None:
    sheet = draw_sheet(rows("ab", 2))
    assert sheet.size == (2 * tiles(3) + 3 * GAP, LABEL + tiles(2))


def test_each_item_has_a_column_for_each_target() -> None:
    sheet = draw_sheet(rows(["one", "two", "a name that is wider than a tile, by far"], 2))
    assert sheet.size == (tiles(3), 3 * (LABEL + tiles(2)) + 2 * 3 * GAP)
    middle = GAP + TILE // 2
    # Of files that have one name, each is shown.
    for block in range(3):
        top = block * (LABEL + tiles(2) + 3 * GAP) + LABEL + TILE // 2
        for line in range(2):
            place = top + line * (TILE + GAP)
            assert sheet.getpixel((middle, place)) == (40 * block, 0, 0)
            for column in (1, 2):
                assert sheet.getpixel((middle + column * (TILE + GAP), place)) == (0, 200, 0)
