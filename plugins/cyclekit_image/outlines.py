"""Built-in data with many right answers: outlines of shapes, and shapes of any colour."""

import colorsys
from pathlib import Path

import numpy as np
from PIL import Image

from cyclekit_image.shapes import TEST, TRAIN, coverage, draw_depth

EDGE = 1.5  # pixels
INK = 0.1  # of the outline, which both domains have; paper is 1


def make_outlines(folder: Path, seed: int) -> None:
    """Draw ``trainA`` (outlines), ``trainB`` (other shapes, filled), and in ``testA`` and ``testB``
    the same shapes without and with a colour that nothing in the outline decides."""
    splits = (("trainA", TRAIN, 0), ("trainB", TRAIN, 1), ("testA", TEST, 2), ("testB", TEST, 2))
    for name, count, stream in splits:
        rng = np.random.default_rng([seed, stream])
        (folder / name).mkdir(parents=True)
        for index in range(count):
            picture = draw_outline(rng, filled=name.endswith("B"))
            picture.save(folder / name / f"{index:04d}.png")


def draw_outline(rng: np.random.Generator, filled: bool) -> Image.Image:
    """A shape on white; the same draws give the same shape, filled or not."""
    colour = colorsys.hsv_to_rgb(rng.uniform(), rng.uniform(0.6, 1.0), rng.uniform(0.7, 1.0))
    depth = draw_depth(rng)
    edge, inside = coverage((depth > 0) & (depth <= EDGE)), coverage(depth > EDGE)
    paper = 1 - edge - (inside if filled else 0)
    grey = np.repeat((paper + INK * edge)[..., None], 3, axis=2)
    pixels = grey + np.multiply.outer(inside, colour) if filled else grey
    return Image.fromarray((pixels * 255).round().astype(np.uint8))
