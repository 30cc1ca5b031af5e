"""What a recording holds and nobody hears, taken out: offset, drift, rumble, ultrasound, clicks.

Else it would decide how loud a recording is, and what a voice's lowest bands are like.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from scipy.signal import butter, ellip, sosfilt, sosfilt_zi

Array = np.ndarray[Any, Any]

CUT, ORDER = 25.0, 6  # Hz, applied twice: 34 dB down at 18 Hz, less than 0.1 dB from 40 Hz on
TOP = 20_000.0  # Hz, up to which nothing is lost; 90 dB down from 21,000 Hz on
TOP_ORDER, RIPPLE, STOP = 11, 0.02, 45.0  # dB, twice; an odd order leaves low tones as they are
ROOM = 2.1 * TOP  # samples a second that hold more than that
SETTLED = 0.25  # seconds after which the filter has forgotten how it began
FIRST = 0.02  # seconds at either end that say where a recording begins
UNLIKE = 0.15  # of their variance, which a line may leave
BLOCK = 2**20  # samples at once: float64 takes twice the memory

ALONE = 8  # times by which a wrong sample stands out from all around it
RARE = 10  # and from the recording
AROUND = np.array([-5, -4, -3, -2, 2, 3, 4, 5])  # samples beside it
OFTEN = 5  # a second: so many single samples are the sound


def remove_inaudible(samples: Array, rate: int) -> Array:
    """``(samples,)`` without single wrong samples and what lies outside 20 Hz to 20 kHz.

    A Butterworth and, where the rate has room for it, an elliptic filter, forwards and backwards,
    so that nothing is delayed.
    """
    if not len(samples):
        return samples
    clean = _without_clicks(samples, rate)
    if rate > ROOM:
        clean = _filtered(clean, rate, _top(rate), _turned)
    clean = clean - np.float32(clean.mean(dtype=np.float64))
    return _filtered(clean, rate, _bottom(rate), _before)


def heard_part(block: Array, rate: int, state: Array | None) -> tuple[Array, Array]:
    """A block ``(samples, ...)`` filtered once, and what the next one goes on from.

    Args:
        block: Follows on the one before.
        rate: Samples a second.
        state: What that one left; ``None``: as if its first samples had always been there.
    """
    sections = np.concatenate([_bottom(rate), *([_top(rate)] if rate > ROOM else [])])
    return _next_block(block, sections, state)


def _next_block(block: Array, sections: Array, state: Array | None) -> tuple[Array, Array]:
    if state is None:
        still = sosfilt_zi(sections).reshape(len(sections), 2, *[1] * (block.ndim - 1))
        state = still * block[0]
    filtered, state = sosfilt(sections, block, axis=0, zi=state)
    return filtered, state


def _filtered(
    samples: Array, rate: int, sections: Array, before: Callable[[Array, int, int], Array]
) -> Array:
    """Forwards and backwards; ``before`` says what may have come before, and after."""
    edge = max(int(SETTLED * rate), 1)
    ends = before(samples, edge, rate), before(samples[::-1], edge, rate)[::-1]
    line = np.concatenate([ends[0], samples, ends[1]])
    for way in (line, line[::-1]):
        state = None
        for start in range(0, len(way), BLOCK):
            part = way[start : start + BLOCK]
            part[:], state = _next_block(part, sections, state)
    heard: Array = line[edge:-edge]
    return heard


def _turned(samples: Array, count: int, rate: int, begin: float | None = None) -> Array:
    """The samples backwards, turned over about where they begin: the first of them."""
    begin = samples[0] if begin is None else begin
    turned: Array = 2 * np.float32(begin) - np.pad(samples, (count, 0), mode="reflect")[:count]
    return turned


def _before(samples: Array, count: int, rate: int) -> Array:
    """What may have come before a sound with rumble: as ``_turned``, but about where it begins.

    That is where a straight line begins if one describes the first of them, as it does a drift and
    rumble; else their mean, of which a tone is turned over without a bend.
    """
    part = samples[: max(int(FIRST * rate), 1)]
    weights = np.hanning(len(part) + 2)[1:-1]
    begin = np.average(part, weights=weights)
    if len(part) > 2:
        line = np.polynomial.Polynomial.fit(range(len(part)), part, 1, w=np.sqrt(weights))
        rest = np.average((part - line(np.arange(len(part)))) ** 2, weights=weights)
        if rest < UNLIKE * np.average((part - begin) ** 2, weights=weights):
            begin = line(0)
    return _turned(samples, count, rate, begin)


@cache
def _bottom(rate: int) -> Array:
    sections: Array = butter(ORDER, CUT, "highpass", fs=rate, output="sos")
    return sections


@cache
def _top(rate: int) -> Array:
    sections: Array = ellip(TOP_ORDER, RIPPLE, STOP, TOP, fs=rate, output="sos")
    return sections


def _without_clicks(samples: Array, rate: int) -> Array:
    """The same with single samples replaced that stand out from all others around them.

    A sound cannot do that: it takes a fault in writing or sending. Where there are many, or
    pulses of a signal that was computed, they stay.
    """
    clicks = [
        start + _clicks(samples[max(start - len(AROUND), 0) : start + BLOCK])
        - min(start, len(AROUND))
        for start in range(0, len(samples), BLOCK)
    ]  # fmt: skip
    found = np.unique(np.concatenate(clicks))
    if not len(found) or len(found) > max(OFTEN * len(samples) / rate, 1):
        return samples
    mended = samples.copy()
    inside = len(samples) - 1
    before, after = np.abs(found - 1), inside - np.abs(inside - found - 1)
    mended[found] = (samples[before] + samples[after]) / 2
    return mended


def _clicks(samples: Array) -> Array:
    """Where second differences are those of a lone pulse: half, whole, half, and little beside."""
    reach = int(AROUND.max()) + 1
    if len(samples) <= 2 * reach:
        return np.empty(0, dtype=np.int64)
    bend = np.diff(np.pad(samples, reach, mode="reflect"), 2)  # bend[n] lies at samples[n + 1]
    size = np.abs(bend)
    usual = np.sqrt(np.dot(size, size) / len(size))
    inner = size[reach - 1 : 1 - reach]
    at = np.flatnonzero(inner > RARE * usual) + reach - 1
    halves = np.abs(bend[at[:, None] + [-1, 1]] + bend[at, None] / 2).max(axis=1)
    beside = size[at[:, None] + AROUND].max(axis=1)
    lone: Array = at[ALONE * np.maximum(halves, beside) < size[at]]
    return lone - (reach - 1)
