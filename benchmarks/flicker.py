"""Flicker of a film's translation with statistics held over it and without: `flicker.py RUN`.

A drawn scene that stands still, with noise as of a camera, and a bright disc that goes through it.
Flicker is the mean absolute difference of successive frames, in levels of 255, where nothing but
noise changes.
"""

import sys
from pathlib import Path

import numpy as np
from cyclekit_image.arrays import Array
from cyclekit_image.shapes import PLAIN, draw_shape
from PIL import Image

from cyclekit.engine.survey import ITEMS
from cyclekit.runs.open_run import open_run

FRAMES, SIZE, RADIUS = 18, 192, 30  # pixels
NEAR = 12  # pixels around the disc that count as changed
NOISES = (0, 4)  # levels of 255


def main() -> None:
    """Print a line for each noise."""
    opened = open_run(Path(sys.argv[1]), precision="32-true")
    way = next(iter(opened.model.directions.values()))
    file = Path("film")
    print(f"{way.name}: noise | disc | source | each frame by its own | held | held, from its own")
    for noise in NOISES:
        for moves in (False, True):
            frames, still = scene(noise, moves)
            held = opened.translator.held(frames[:: FRAMES // ITEMS][:ITEMS], way, file)
            own = opened.translator.items(frames, way, [file] * FRAMES)
            one = held.items(frames, way, [file] * FRAMES)
            apart = np.mean(
                [np.abs(levels(x) - levels(y)).mean() for x, y in zip(own, one, strict=True)]
            )
            figures = [flicker(some, still) for some in (frames, own, one)]
            print(f"{noise} | {moves} | " + " | ".join(f"{x:.2f}" for x in (*figures, apart)))


def scene(noise: float, moves: bool) -> tuple[list[Image.Image], Array]:
    """Frames, and which pixels stand still from each to the next."""
    drawn_by = np.random.default_rng(0)
    tiles = [np.asarray(draw_shape(drawn_by, PLAIN).convert("RGB")) for _ in range(9)]
    rows = [np.concatenate(tiles[start : start + 3], axis=1) for start in (0, 3, 6)]
    ground = np.asarray(Image.fromarray(np.concatenate(rows)).resize((SIZE, SIZE)))
    rng, frames, changed = np.random.default_rng(0), [], []
    y, x = np.mgrid[:SIZE, :SIZE]
    for number in range(FRAMES):
        centre = number / FRAMES * (SIZE + 4 * RADIUS) - 2 * RADIUS
        distance = np.hypot(y - SIZE / 2, x - centre)
        disc = distance < RADIUS
        drawn = np.where(disc[..., None], (250, 245, 230), ground) if moves else ground
        drawn = drawn + rng.normal(0, noise, ground.shape)
        frames.append(Image.fromarray(drawn.round().clip(0, 255).astype(np.uint8)))
        changed.append(distance < RADIUS + NEAR if moves else np.zeros_like(disc))
    return frames, ~(np.stack(changed[1:]) | np.stack(changed[:-1]))


def flicker(frames: list[Image.Image], still: Array) -> float:
    """Mean difference of successive frames where nothing changes."""
    values = np.stack([levels(frame) for frame in frames])
    return float(np.abs(np.diff(values, axis=0)).mean(axis=3)[still].mean())


def levels(frame: Image.Image) -> Array:
    """``(height, width, 3)`` as numbers that have a sign."""
    return np.asarray(frame.convert("RGB")).astype(np.float32)


if __name__ == "__main__":
    main()
