"""Piano rolls side by side: what a person looks at to judge a run."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from cyclekit.api import PreviewRow
from cyclekit_music.phrases import BAR, Score
from cyclekit_music.piece import Array, Piece
from cyclekit_music.roll import LOWEST, PITCHES

BARS = 8  # shown of each piece
STEP, PITCH = 3, 2  # pixels
GAP, LABEL = 10, 20
INK, PAPER, BARLINE, OCTAVE = (40, 40, 40), (255, 255, 255), (205, 205, 205), (236, 236, 236)
SOUND, ONSET = (92, 140, 196), (20, 50, 100)
ROLL = (BARS * BAR * STEP, PITCHES * PITCH)


def draw_sheet(rows: Sequence[PreviewRow[Piece]]) -> Image.Image:
    """Draw the beginning of every piece, a line for each row; time runs right, pitch up.

    Beginnings of notes are dark; vertical lines are barlines, horizontal ones the C of an octave.
    """
    columns = max((len(row.labelled) for row in rows), default=1)
    line = LABEL + ROLL[1] + GAP
    size = (GAP + columns * (ROLL[0] + GAP), GAP + max(len(rows), 1) * line)
    sheet = Image.new("RGB", size, PAPER)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=14)
    for number, row in enumerate(rows):
        for column, (heading, piece) in enumerate(row.labelled.items()):
            x, y = GAP + column * (ROLL[0] + GAP), GAP + number * line
            title = f"{row.name}: {heading}" if column == 0 else heading
            draw.text((x, y), title, fill=INK, font=font)
            sheet.paste(draw_piece(piece), (x, y + LABEL))
    return sheet


def draw_piece(piece: Piece) -> Image.Image:
    """The first ``BARS`` bars as a picture of ``ROLL`` pixels."""
    score = Score.of(piece)
    pixels = np.full((BARS * BAR, PITCHES, 3), PAPER, dtype=np.uint8)
    pixels[:, (np.arange(PITCHES) + LOWEST) % 12 == 0] = OCTAVE
    pixels[::BAR] = BARLINE
    for roll, colour in ((score.sounds, SOUND), (score.onsets, ONSET)):
        shown: Array = roll[: BARS * BAR] > 0
        pixels[: len(shown)][shown] = colour
    upright = pixels.transpose(1, 0, 2)[::-1]
    return Image.fromarray(upright.repeat(PITCH, axis=0).repeat(STEP, axis=1))
