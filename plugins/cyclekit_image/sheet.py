"""The labelled sheet of samples: what a person looks at to judge a run."""

from collections.abc import Sequence

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


def draw_sheet(rows: Sequence[Row]) -> Image.Image:
    """Draw every row: real, translated, cycled, and the truth where it is known.

    The directions stand side by side, one item to a line, under headings such as "A", "A to B".
    """
    blocks = [
        _draw_block([row for row in rows if (row.source, row.target) == way])
        for way in dict.fromkeys((row.source, row.target) for row in rows)
    ]
    width = sum(block.width for block in blocks) + GAP * 3 * (len(blocks) - 1)
    sheet = Image.new("RGB", (max(width, 1), max((b.height for b in blocks), default=1)), PAPER)
    left = 0
    for block in blocks:
        sheet.paste(block, (left, 0))
        left += block.width + GAP * 3
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


def _draw_block(rows: Sequence[Row]) -> Image.Image:
    headings = list(dict.fromkeys(heading for row in rows for heading in row.labelled))
    block = Image.new(
        "RGB",
        (len(headings) * (TILE + GAP) + GAP, LABEL + len(rows) * (TILE + GAP) + GAP),
        PAPER,
    )
    draw = ImageDraw.Draw(block)
    font = ImageFont.load_default(size=14)
    for column, heading in enumerate(headings):
        x = GAP + column * (TILE + GAP)
        draw.text((x, 4), heading, fill=INK, font=font)
        for line, row in enumerate(rows):
            if heading in row.labelled:
                picture = as_shown(row.labelled[heading])
                _paste(block, picture, x, LABEL + line * (TILE + GAP))
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
