"""The labelled sheet of samples: what a person looks at to judge a run."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from cyclekit.api import PreviewRow
from cyclekit_image.arrays import MODES, Item, as_array, as_item
from cyclekit_image.channels import with_channels

TILE = 192  # longest side of a picture on the sheet
GAP = 8
LABEL = 22
INK, PAPER = (40, 40, 40), (255, 255, 255)

Row = PreviewRow[Item]
Line = dict[str, Item]
"""Pictures under their headings."""


def draw_sheet(rows: Sequence[Row]) -> Image.Image:
    """Draw every row: real, translated, cycled, and the truth where it is known.

    The directions stand side by side, one item to a line, under headings such as "A", "A to B".
    Where a domain has several targets, the domains stand one below the other, and beside an item
    what it becomes in each target.
    """
    ways = dict.fromkeys((row.source, row.target) for row in rows)
    sources = dict.fromkeys(source for source, _ in ways)
    if len(ways) > len(sources):
        blocks = [_draw_block(_by_item([r for r in rows if r.source == of])) for of in sources]
        return _joined(blocks, down=True)
    lines = [[row.labelled for row in rows if (row.source, row.target) == way] for way in ways]
    return _joined(list(map(_draw_block, lines)), down=False)


def _by_item(rows: Sequence[Row]) -> list[Line]:
    """What there is to see of each item: it, and each target's translation and truth."""
    items: dict[int, Line] = {}
    for row in rows:
        items.setdefault(id(row.real), {}).update(replace(row, cycled=None).labelled)
    return list(items.values())


def _joined(blocks: Sequence[Image.Image], down: bool) -> Image.Image:
    """Blocks one beside or below the other."""
    widths, heights = [block.width for block in blocks], [block.height for block in blocks]
    apart = GAP * 3 * (len(blocks) - 1)
    width = max(widths, default=1) if down else sum(widths) + apart
    height = sum(heights) + apart if down else max(heights, default=1)
    sheet = Image.new("RGB", (max(width, 1), max(height, 1)), PAPER)
    place = 0
    for block in blocks:
        sheet.paste(block, (0, place) if down else (place, 0))
        place += (block.height if down else block.width) + GAP * 3
    return sheet


def beside(items: Sequence[Item]) -> Image.Image:
    """Pictures in a row, at their own size."""
    pictures = [as_shown(item) for item in items]
    width = sum(picture.width for picture in pictures) + GAP * (len(pictures) - 1)
    row = Image.new("RGB", (width, max(picture.height for picture in pictures)), PAPER)
    left = 0
    for picture in pictures:
        row.paste(picture, (left, 0))
        left += picture.width + GAP
    return row


def as_shown(item: Item) -> Image.Image:
    """Any picture in 8-bit RGB: of many channels the first three, transparency laid on white."""
    if not isinstance(item, Image.Image):
        values = as_array(item)
        values = values if values.shape[2] in MODES else values[..., :3]
        item = as_item((values * 255).round().astype(np.uint8))
    shown = with_channels(item, 3, "")
    assert isinstance(shown, Image.Image)
    return shown


def _draw_block(lines: Sequence[Line]) -> Image.Image:
    headings = list(dict.fromkeys(heading for line in lines for heading in line))
    block = Image.new(
        "RGB",
        (len(headings) * (TILE + GAP) + GAP, LABEL + len(lines) * (TILE + GAP) + GAP),
        PAPER,
    )
    draw = ImageDraw.Draw(block)
    font = ImageFont.load_default(size=14)
    for column, heading in enumerate(headings):
        x = GAP + column * (TILE + GAP)
        shown = heading
        while draw.textlength(shown, font=font) > TILE:
            shown = f"{shown[:-2]}…"
        draw.text((x, 4), shown, fill=INK, font=font)
        for number, line in enumerate(lines):
            if heading in line:
                _paste(block, as_shown(line[heading]), x, LABEL + number * (TILE + GAP))
    return block


def _paste(block: Image.Image, picture: Image.Image, x: int, y: int) -> None:
    """Fit a picture into its tile, small ones by whole multiples so that pixels stay crisp."""
    scale = TILE / max(picture.size)
    size = tuple(
        max(1, round(side * (int(scale) if scale >= 1 else scale))) for side in picture.size
    )
    filter_ = Image.Resampling.NEAREST if scale >= 1 else Image.Resampling.LANCZOS
    tile = picture.resize((size[0], size[1]), filter_)
    block.paste(tile, (x + (TILE - tile.width) // 2, y + (TILE - tile.height) // 2))
