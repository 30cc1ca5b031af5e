"""Which steps of a piece networks see together: phrases, the last of which ends with the music."""

import numpy as np

from cyclekit_music.piece import Array

SILENCE = -1


def phrase_starts(count: int, window: int, bar: int, stride: int) -> list[int]:
    """Where phrases begin in a region of ``count`` steps: every ``stride`` steps, and so that the
    last one ends with the last bar."""
    last = max(-(-count // bar) * bar - window, 0)
    starts = list(range(0, last + 1, stride))
    return starts if starts[-1] == last else [*starts, last]


def phrase(first: int, count: int, start: int, window: int, bar: int) -> Array:
    """``(window,)`` int: the steps of a phrase.

    A region that is shorter than a phrase is repeated: silence at its end would be music that a
    piece that goes on does not know. Only a bar that the region cuts off has some.

    Args:
        first: The region's first step.
        count: Its number of steps.
        start: Where in it the phrase begins.
        window: Steps of a phrase.
        bar: Steps of a bar.
    """
    steps = start + np.arange(window)
    if count < window:
        half = bar // 2
        steps %= -(-count // half) * half
    inside: Array = np.where(steps < count, first + steps, SILENCE)
    return inside


def cut_phrases(regions: Array, window: int, bar: int) -> tuple[Array, Array]:
    """Cut regions, each from its own beginning, into phrases that stand side by side.

    The last phrase of a region overlaps the one before, which decides about what they share.

    Args:
        regions: ``(n, 2)``: first step and number of steps of each.
        window: Steps of a phrase.
        bar: Steps of a bar.

    Returns:
        ``(phrases, window)``: the step in each place, or ``SILENCE``; and ``(steps, 2)``: of which
        phrase, and which place in it, each step is taken back.
    """
    phrases: list[Array] = []
    back = []
    for first, count in regions.tolist():
        starts = phrase_starts(count, window, bar, window)
        steps = np.arange(count)
        number = np.minimum(steps // window, len(starts) - 1)
        back.append(np.stack([len(phrases) + number, steps - np.array(starts)[number]], axis=1))
        phrases += [phrase(first, count, start, window, bar) for start in starts]
    return np.stack(phrases), np.concatenate(back)
