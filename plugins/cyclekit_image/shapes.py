"""Built-in data: plain shapes, and the same kinds of shapes with dark bands.

The bands follow the shape's own edge, at fixed depths below it. The edge is seen in all domains, so
each shape has one counterpart of each kind, and a convolutional network can find it.
"""

import colorsys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

SIZE = 64  # pixels
FINER = 4  # drawn at this multiple and averaged down, for smooth edges
STRIPE = 4.0  # pixels: fill and stripe are equally wide
DARK = (0.08, 0.08, 0.08)  # bands
TRAIN, TEST = 400, 40

Grid = np.ndarray[Any, Any]
Distance = Callable[[Grid, Grid, float], Grid]
Bands = Sequence[tuple[float, float]]  # pixels below the edge, from where to where

PLAIN: Bands = ()
STRIPED: Bands = ((STRIPE, 2 * STRIPE), (3 * STRIPE, 4 * STRIPE))  # a large middle stays plain
FILLED: Bands = ((STRIPE, SIZE),)
KINDS = {"plain": PLAIN, "striped": STRIPED, "filled": FILLED}
"""The domains of `shapes-kinds`: bands that are dark."""


def make_shapes(folder: Path, seed: int) -> None:
    """Draw ``trainA`` (plain), ``trainB`` (striped), and exact pairs in ``testA`` and ``testB``."""
    _make(folder, seed, {"A": (PLAIN, 0), "B": (STRIPED, 1)})


def make_paired_shapes(folder: Path, seed: int) -> None:
    """The same plain shapes and the same tests; ``trainB`` are the counterparts of ``trainA``."""
    _make(folder, seed, {"A": (PLAIN, 0), "B": (STRIPED, 0)})


def make_kinds_of_shapes(folder: Path, seed: int) -> None:
    """Draw ``trainPlain``, ``trainStriped`` and ``trainFilled``, and exact counterparts of all
    three kinds in ``testPlain`` and so on."""
    chances = (0, 1, 3)  # test files have chance 2
    kinds = zip(KINDS.items(), chances, strict=True)
    _make(folder, seed, {name.title(): (bands, chance) for (name, bands), chance in kinds})


def _make(folder: Path, seed: int, domains: Mapping[str, tuple[Bands, int]]) -> None:
    """Draw all folders: each domain has dark bands, and the number of its training's chance."""
    for domain, (bands, chance) in domains.items():
        for split, count, stream in (("train", TRAIN, chance), ("test", TEST, 2)):
            rng = np.random.default_rng([seed, stream])
            (folder / f"{split}{domain}").mkdir(parents=True)
            for index in range(count):
                picture = draw_shape(rng, bands)
                picture.save(folder / f"{split}{domain}" / f"{index:04d}.png")


def draw_shape(rng: np.random.Generator, bands: Bands) -> Image.Image:
    """A pale shape on a coloured ground; the same draws give the same shape, whatever its bands."""
    hue, ground_hue = rng.uniform(size=2)
    fill = colorsys.hsv_to_rgb(hue, rng.uniform(0.0, 0.12), rng.uniform(0.9, 1.0))
    ground = colorsys.hsv_to_rgb(ground_hue, rng.uniform(0.2, 0.7), rng.uniform(0.45, 0.75))
    depth = draw_depth(rng)

    colours = np.multiply.outer(coverage(depth <= 0), ground)
    inside = (depth > 0, *((depth > low) & (depth <= high) for low, high in bands))
    shape, *each = (coverage(part) for part in inside)
    dark = sum(each, np.zeros_like(shape))
    colours += np.multiply.outer(dark, DARK) + np.multiply.outer(shape - dark, fill)
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
