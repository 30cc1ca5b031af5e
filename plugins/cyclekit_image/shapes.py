"""Built-in data: plain shapes, and the same kinds of shapes with zebra stripes.

The stripes follow the shape's own edge, at fixed depths below it. The edge is seen in both domains,
so each plain shape has one striped counterpart, and a convolutional network can find it.
"""

import colorsys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

SIZE = 64  # pixels
FINER = 4  # drawn at this multiple and averaged down, for smooth edges
STRIPE = 4.0  # pixels: fill and stripe are equally wide
STRIPES = 2  # below the edge; the middle of a large shape stays plain
DARK = (0.08, 0.08, 0.08)  # stripes
TRAIN, TEST = 400, 40

Grid = np.ndarray[Any, Any]
Distance = Callable[[Grid, Grid, float], Grid]


def make_shapes(folder: Path, seed: int) -> None:
    """Draw ``trainA`` (plain), ``trainB`` (striped), and exact pairs in ``testA`` and ``testB``."""
    _make(folder, seed, striped=1)


def make_paired_shapes(folder: Path, seed: int) -> None:
    """The same plain shapes and the same tests; ``trainB`` are the counterparts of ``trainA``."""
    _make(folder, seed, striped=0)


def _make(folder: Path, seed: int, striped: int) -> None:
    """Draw all four folders, ``trainB`` from the chance that ``striped`` numbers."""
    trained = (("trainA", TRAIN, 0), ("trainB", TRAIN, striped))
    splits = (*trained, ("testA", TEST, 2), ("testB", TEST, 2))
    for name, count, stream in splits:
        rng = np.random.default_rng([seed, stream])
        (folder / name).mkdir(parents=True)
        for index in range(count):
            picture = draw_shape(rng, striped=name.endswith("B"))
            picture.save(folder / name / f"{index:04d}.png")


def draw_shape(rng: np.random.Generator, striped: bool) -> Image.Image:
    """A pale shape on a coloured ground; the same draws give the same shape, striped or not."""
    hue, ground_hue = rng.uniform(size=2)
    fill = colorsys.hsv_to_rgb(hue, rng.uniform(0.0, 0.12), rng.uniform(0.9, 1.0))
    ground = colorsys.hsv_to_rgb(ground_hue, rng.uniform(0.2, 0.7), rng.uniform(0.45, 0.75))
    depth = draw_depth(rng)

    colours = np.multiply.outer(coverage(depth <= 0), ground)
    bands = [(start * STRIPE, (start + 1) * STRIPE) for start in range(1, 2 * STRIPES, 2)]
    dark = sum(coverage((depth >= low) & (depth < high)) for low, high in bands if striped)
    colours += np.multiply.outer(dark, DARK) + np.multiply.outer(coverage(depth > 0) - dark, fill)
    return Image.fromarray((colours * 255).round().astype(np.uint8))


def draw_depth(rng: np.random.Generator) -> Grid:
    """Draw a shape: how many pixels each point of a fine grid lies below its edge; negative
    outside."""
    radius = rng.uniform(17, 26)
    x, y = rng.uniform(radius + 1, SIZE - radius - 1, size=2)
    turn = rng.uniform(0, 2 * np.pi)
    distance = SHAPES[int(rng.integers(len(SHAPES)))]

    axis = (np.arange(SIZE * FINER) + 0.5) / FINER
    right, down = np.meshgrid(axis - x, axis - y)
    u = right * np.cos(turn) + down * np.sin(turn)
    v = down * np.cos(turn) - right * np.sin(turn)
    return -distance(u, v, radius)


def coverage(inside: Grid) -> Grid:
    """How much of each pixel, from 0 to 1."""
    fine = inside.reshape(SIZE, FINER, SIZE, FINER).astype(np.float32)
    return np.asarray(np.einsum("yixj->yx", fine) / FINER**2)


def _disc(u: Grid, v: Grid, radius: float) -> Grid:
    return np.asarray(np.hypot(u, v) - radius)


def _square(u: Grid, v: Grid, radius: float) -> Grid:
    return np.asarray(np.maximum(np.abs(u), np.abs(v)) - radius * 0.8)


def _triangle(u: Grid, v: Grid, radius: float) -> Grid:
    sides = [np.cos(a) * u + np.sin(a) * v for a in 2 * np.pi / 3 * np.arange(3)]
    return np.asarray(np.maximum.reduce(sides) - radius * 0.55)


def _hexagon(u: Grid, v: Grid, radius: float) -> Grid:
    sides = [np.abs(np.cos(a) * u + np.sin(a) * v) for a in np.pi / 3 * np.arange(3)]
    return np.asarray(np.maximum.reduce(sides) - radius * 0.87)


SHAPES: tuple[Distance, ...] = (_disc, _square, _triangle, _hexagon)
