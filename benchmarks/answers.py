"""Many answers to one outline: how far their colours lie apart, and whose colour an answer takes.

    python benchmarks/answers.py RUN [--sheet sheet.png]

RUN was trained with `--recipe augmented-demo`, or on `builtin:outlines` with another objective. A
colour is the mean of what lies inside a shape, where its outline ends; distances are means over
its channels, as shares of the range.
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

import cyclekit

ANSWERS, EXAMPLES, ROWS = 8, 12, 5
SATURATED = 0.35  # least difference of a colour's channels inside a shape


def main(run: Path, sheet: Path | None) -> None:
    """Print one table."""
    model = cyclekit.load(run, accelerator="cpu")
    outlines, filled = (
        [np.asarray(Image.open(file)) for file in sorted((run / "data" / name).glob("*.png"))]
        for name in ("testA", "testB")
    )
    masks = [inside(picture) for picture in filled]
    shown = outlines[:EXAMPLES]
    answers = [model.translate(shown, "a2b", answer=number) for number in range(ANSWERS)]
    colours = np.array(
        [[colour(p, m) for p, m in zip(row, masks, strict=False)] for row in answers]
    )
    print(f"mean distance between {ANSWERS} colours: {spread(colours):.3f}")
    true = np.array([colour(p, m) for p, m in zip(filled, masks, strict=True)])
    print(f"mean distance between colours of B: {spread(true[:, None]):.3f}")
    nearest = np.abs(colours[:, :, None] - true).mean(-1).min(-1)
    print(f"distance of an answer's colour from the nearest of B: {nearest.mean():.3f}")
    others = np.abs(true[:, None] - true).mean(-1) + np.eye(len(true))
    print(f"distance of a colour of B from the nearest other: {others.min(1).mean():.3f}")
    found, drawn, likes = [], [], []
    for number, example in enumerate(filled[:EXAMPLES]):
        try:
            like = model.translate(shown, "a2b", like=example)
        except cyclekit.CyclekitError as error:
            print(error)
            return
        likes.append(like)
        for n, made in enumerate(like):
            found.append(np.abs(colour(made, masks[n]) - true[number]).mean())
            drawn.append(np.abs(colours[:, n] - true[number]).mean())
    print(f"colour's distance from an example's, with its code: {np.mean(found):.3f}")
    print(f"with a random code: {np.mean(drawn):.3f}")
    if sheet is not None:
        save(sheet, outlines, answers, likes, filled)


def inside(picture: np.ndarray) -> np.ndarray:
    """Where a filled shape's own colour is."""
    values = picture.astype(float) / 255
    return values.max(-1) - values.min(-1) > SATURATED


def colour(picture: object, mask: np.ndarray) -> np.ndarray:
    """The mean inside a shape, in 0..1."""
    return np.asarray(picture).astype(float)[mask].mean(0) / 255


def spread(colours: np.ndarray) -> float:
    """The mean distance of ``(answers, items, channels)`` from each other."""
    pairs = [(a, b) for a in range(len(colours)) for b in range(a)]
    return float(np.mean([np.abs(colours[a] - colours[b]).mean() for a, b in pairs]))


def save(file: Path, outlines: list, answers: list, likes: list, filled: list) -> None:
    """A row for each outline: it, its answers, then an example and the answer with its code."""
    rows = []
    for row in range(ROWS):
        other, gap = (row + 1) % ROWS, np.full_like(outlines[row], 255)[:, :16]
        cells = [outlines[row], *(answer[row] for answer in answers)]
        cells += [gap, filled[other], likes[other][row]]
        rows.append(np.concatenate(cells, axis=1))
    Image.fromarray(np.concatenate(rows)).save(file, optimize=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--sheet", type=Path)
    main(**vars(parser.parse_args()))
