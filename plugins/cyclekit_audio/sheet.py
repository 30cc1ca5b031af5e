"""Spectrograms side by side: what a person looks at to judge a run."""

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from cyclekit.api import PreviewRow
from cyclekit_audio.mel import MelSpectrogram
from cyclekit_audio.waveform import Array, Waveform

SECONDS = 3.0  # shown of each sound
WIDTH, BAND = 360, 2  # pixels: of the whole time, of a mel band
GAP, LABEL = 10, 20
RANGE = 80.0  # dB from the darkest to the brightest
INK, PAPER = (40, 40, 40), (255, 255, 255)
COLOURS = np.array([(8, 6, 32), (70, 20, 110), (175, 50, 100), (245, 130, 50), (252, 250, 190)])


def draw_sheet(rows: Sequence[PreviewRow[Waveform]], mel: MelSpectrogram) -> Image.Image:
    """Draw the beginning of every sound, a line for each row; time runs right, pitch up."""
    columns = max((len(row.labelled) for row in rows), default=1)
    line = LABEL + mel.options.bins * BAND + GAP
    size = (GAP + columns * (WIDTH + GAP), GAP + max(len(rows), 1) * line)
    sheet = Image.new("RGB", size, PAPER)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=14)
    for number, row in enumerate(rows):
        for column, (heading, sound) in enumerate(row.labelled.items()):
            x, y = GAP + column * (WIDTH + GAP), GAP + number * line
            title = f"{row.name}: {heading}" if column == 0 else heading
            draw.text((x, y), title, fill=INK, font=font)
            sheet.paste(draw_sound(sound, mel), (x, y + LABEL))
    return sheet


def draw_sound(sound: Waveform, mel: MelSpectrogram) -> Image.Image:
    """The first ``SECONDS`` as a picture; colours span ``RANGE`` below the loudest."""
    wave = sound.at(mel.options.rate)[: round(SECONDS * mel.options.rate)]
    magnitudes = mel.expand(mel(torch.from_numpy(wave)[None]))[0].numpy()
    decibels = 20 * np.log10(magnitudes / magnitudes.max())
    pixels = _colour((decibels / RANGE + 1).clip(0, 1))[::-1]
    picture = Image.fromarray(pixels)
    width = max(1, round(WIDTH * len(wave) / mel.options.rate / SECONDS))
    return picture.resize((width, mel.options.bins * BAND), Image.Resampling.BILINEAR)


def _colour(values: Array) -> Array:
    """0..1 -> ``(..., 3)`` uint8, dark to bright."""
    stops = np.linspace(0, 1, len(COLOURS))
    channels = [np.interp(values, stops, COLOURS[:, channel]) for channel in range(3)]
    return np.stack(channels, axis=-1).astype(np.uint8)
