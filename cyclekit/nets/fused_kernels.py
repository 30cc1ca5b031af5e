"""Triton kernels of `cyclekit/nets/fused.py`: maps lie channels last, ``(batch, positions,
channels)``, statistics are float32.

A pass over a map is shared out by channels, samples and runs of positions. What runs have found is
joined by a kernel of its own, always in the same order, so that results do not depend on timing.
"""

from typing import Any

import torch
import triton  # type: ignore[import-untyped]
import triton.language as tl  # type: ignore[import-untyped]
from torch import Tensor

ROWS = 32  # positions that are looked at together
MOST_RUNS = 64  # of a sample's positions: enough for the largest devices with a batch of one


@triton.jit  # type: ignore[untyped-decorator]
def _moments(  # type: ignore[no-untyped-def]
    x, found, positions, channels, each, rows: tl.constexpr, span: tl.constexpr
):
    """Mean and sum of squared deviations of a run's positions, tile by tile (Chan et al. 1983)."""
    run, sample = tl.program_id(0), tl.program_id(2).to(tl.int64)
    channel = tl.program_id(1) * span + tl.arange(0, span)
    first = run * each
    last = tl.minimum(first + each, positions)
    mean = tl.zeros((span,), tl.float32)
    squares = tl.zeros((span,), tl.float32)
    for at in range(first, last, rows):
        row = at + tl.arange(0, rows)
        inside = (row < last)[:, None] & (channel < channels)[None, :]
        place = (sample * positions + row)[:, None] * channels + channel[None, :]
        value = tl.load(x + place, mask=inside, other=0.0).to(tl.float32)
        count = tl.minimum(last - at, rows).to(tl.float32)
        before = (at - first).to(tl.float32)
        own = tl.sum(value, axis=0) / count
        off = tl.where(inside, value - own[None, :], 0.0)
        apart = own - mean
        share = count / (before + count)
        squares += tl.sum(off * off, axis=0) + apart * apart * before * share
        mean += apart * share
    kept = ((sample * tl.num_programs(0) + run) * 2) * channels + channel
    tl.store(found + kept, mean, mask=channel < channels)
    tl.store(found + kept + channels, squares, mask=channel < channels)


@triton.jit  # type: ignore[untyped-decorator]
def _join_moments(  # type: ignore[no-untyped-def]
    found, joined, positions, channels, each, runs, eps, span: tl.constexpr
):
    """Mean, and one over the standard deviation, of all positions."""
    sample = tl.program_id(1)
    channel = tl.program_id(0) * span + tl.arange(0, span)
    inside = channel < channels
    mean = tl.zeros((span,), tl.float32)
    squares = tl.zeros((span,), tl.float32)
    for run in range(0, runs):
        kept = ((sample * runs + run) * 2) * channels + channel
        own = tl.load(found + kept, mask=inside, other=0.0)
        before = (run * each).to(tl.float32)
        count = tl.minimum(positions - run * each, each).to(tl.float32)
        apart = own - mean
        share = count / (before + count)
        squares += tl.load(found + kept + channels, mask=inside, other=0.0)
        squares += apart * apart * before * share
        mean += apart * share
    kept = sample * 2 * channels + channel
    tl.store(joined + kept, mean, mask=inside)
    tl.store(joined + kept + channels, 1 / tl.sqrt(squares / positions + eps), mask=inside)


@triton.jit
def _statistics(  # type: ignore[no-untyped-def]
    moments, sample, channel, channels
):
    """A sample's means, and ones over the standard deviations."""
    kept = sample * 2 * channels + channel
    mean = tl.load(moments + kept, mask=channel < channels, other=0.0)
    return mean, tl.load(moments + kept + channels, mask=channel < channels, other=0.0)


@triton.jit
def _normalised(  # type: ignore[no-untyped-def]
    x, place, inside, mean, scale
):
    """Values at places, less the mean, over the deviation."""
    value = tl.load(x + place, mask=inside, other=0.0).to(tl.float32)
    return (value - mean[None, :]) * scale[None, :]


@triton.jit  # type: ignore[untyped-decorator]
def _apply(  # type: ignore[no-untyped-def]
    x,
    moments,
    out,
    height,
    width,
    high,
    wide,
    channels,
    slope,
    rows: tl.constexpr,
    span: tl.constexpr,
):
    """Normalise, activate, and write with mirrored borders ``high`` and ``wide``."""
    sample = tl.program_id(2).to(tl.int64)
    channel = tl.program_id(1) * span + tl.arange(0, span)
    broad = width + 2 * wide
    row = tl.program_id(0) * rows + tl.arange(0, rows)
    positions = (height + 2 * high) * broad
    inside = (row < positions)[:, None] & (channel < channels)[None, :]
    line = tl.abs(row // broad - high)
    line = tl.where(line < height, line, 2 * (height - 1) - line)
    column = tl.abs(row % broad - wide)
    column = tl.where(column < width, column, 2 * (width - 1) - column)
    place = (sample * height * width + line * width + column)[:, None] * channels
    mean, scale = _statistics(moments, sample, channel, channels)
    value = _normalised(x, place + channel[None, :], inside, mean, scale)
    value = tl.where(value > 0, value, value * slope)
    place = (sample * positions + row)[:, None] * channels + channel[None, :]
    tl.store(out + place, value.to(out.dtype.element_ty), mask=inside)


@triton.jit  # type: ignore[untyped-decorator]
def _mirrored(  # type: ignore[no-untyped-def]
    place, size, border, which: tl.constexpr
):
    """Where a position came to lie behind a border: itself, before, and beyond; and whether."""
    if which == 0:
        return place + border, place >= 0
    if which == 1:
        return border - place, (place >= 1) & (place <= border)
    return 2 * (size - 1) - place + border, (place >= size - 1 - border) & (place <= size - 2)


@triton.jit  # type: ignore[untyped-decorator]
def _gather(  # type: ignore[no-untyped-def]
    gradient,
    x,
    moments,
    gathered,
    sums,
    height,
    width,
    high,
    wide,
    channels,
    slope,
    each,
    places: tl.constexpr,
    rows: tl.constexpr,
    span: tl.constexpr,
):
    """Gradient of the normalised values, and what its sums over a run's positions are, alone and
    times the normalised values."""
    run, sample = tl.program_id(0), tl.program_id(2).to(tl.int64)
    channel = tl.program_id(1) * span + tl.arange(0, span)
    known = channel < channels
    positions = height * width
    broad = width + 2 * wide
    base = sample * (height + 2 * high) * broad
    mean, scale = _statistics(moments, sample, channel, channels)
    alone = tl.zeros((span,), tl.float32)
    times = tl.zeros((span,), tl.float32)
    first = run * each
    last = tl.minimum(first + each, positions)
    for at in range(first, last, rows):
        row = at + tl.arange(0, rows)
        inside = (row < last)[:, None] & known[None, :]
        total = tl.zeros((rows, span), tl.float32)
        for up in tl.static_range(places):
            line, there = _mirrored(row // width, height, high, up)
            for side in tl.static_range(places):
                column, here = _mirrored(row % width, width, wide, side)
                place = (base + line * broad + column)[:, None] * channels + channel[None, :]
                some = inside & (there & here)[:, None]
                total += tl.load(gradient + place, mask=some, other=0.0).to(tl.float32)
        place = (sample * positions + row)[:, None] * channels + channel[None, :]
        value = _normalised(x, place, inside, mean, scale)
        total = tl.where(value > 0, total, total * slope)
        tl.store(gathered + place, total.to(gathered.dtype.element_ty), mask=inside)
        alone += tl.sum(total, axis=0)
        times += tl.sum(tl.where(inside, total * value, 0.0), axis=0)
    kept = ((sample * tl.num_programs(0) + run) * 2) * channels + channel
    tl.store(sums + kept, alone, mask=known)
    tl.store(sums + kept + channels, times, mask=known)


@triton.jit  # type: ignore[untyped-decorator]
def _differentiate(  # type: ignore[no-untyped-def]
    gathered,
    x,
    moments,
    sums,
    out,
    positions,
    channels,
    runs,
    rows: tl.constexpr,
    span: tl.constexpr,
):
    """Gradient of what was normalised (Ioffe and Szegedy, arXiv 1502.03167, section 3)."""
    sample = tl.program_id(2).to(tl.int64)
    channel = tl.program_id(1) * span + tl.arange(0, span)
    known = channel < channels
    alone = tl.zeros((span,), tl.float32)
    times = tl.zeros((span,), tl.float32)
    for run in range(0, runs):
        kept = ((sample * runs + run) * 2) * channels + channel
        alone += tl.load(sums + kept, mask=known, other=0.0)
        times += tl.load(sums + kept + channels, mask=known, other=0.0)
    mean, scale = _statistics(moments, sample, channel, channels)
    row = tl.program_id(0) * rows + tl.arange(0, rows)
    inside = (row < positions)[:, None] & known[None, :]
    place = (sample * positions + row)[:, None] * channels + channel[None, :]
    value = _normalised(x, place, inside, mean, scale)
    gradient = tl.load(gathered + place, mask=inside, other=0.0).to(tl.float32)
    gradient -= (alone[None, :] + value * times[None, :]) / positions
    tl.store(out + place, (gradient * scale[None, :]).to(out.dtype.element_ty), mask=inside)


def _shared_out(positions: int) -> tuple[int, int]:
    """Runs of a sample's positions, and how long each but the last is, in whole tiles."""
    tiles = triton.cdiv(positions, ROWS)
    each = triton.cdiv(tiles, MOST_RUNS) * ROWS
    return triton.cdiv(positions, each), each


def _tile(channels: int) -> dict[str, Any]:
    return {"rows": ROWS, "span": min(64, max(16, triton.next_power_of_2(channels)))}


def forward(x: Tensor, eps: float, slope: float, borders: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Normalise each channel of each sample, activate, mirror at the borders.

    Args:
        x: ``(batch, channels, height, width)``, channels last.
        eps: Added to variances.
        slope: Of negative values: 0, ReLU; 1, no activation.
        borders: How far to mirror above and below, left and right.

    Returns:
        ``(batch, channels, height + 2 borders[0], width + 2 borders[1])``, channels last, of
        ``x``'s type; and what ``backward`` needs: mean and one over the deviation, ``(batch, 2,
        channels)``.
    """
    batch, channels, height, width = x.shape
    (high, wide), tile = borders, _tile(channels)
    positions = height * width
    runs, each = _shared_out(positions)
    blocks = triton.cdiv(channels, tile["span"])
    found = x.new_empty((batch, runs, 2, channels), dtype=torch.float32)
    moments = x.new_empty((batch, 2, channels), dtype=torch.float32)
    _moments[(runs, blocks, batch)](x, found, positions, channels, each, **tile)
    _join_moments[(blocks, batch)](
        found, moments, positions, channels, each, runs, eps, span=tile["span"]
    )
    shape = (batch, channels, height + 2 * high, width + 2 * wide)
    out = torch.empty(shape, dtype=x.dtype, device=x.device, memory_format=torch.channels_last)
    written = triton.cdiv(shape[2] * shape[3], ROWS)
    _apply[(written, blocks, batch)](
        x, moments, out, height, width, high, wide, channels, slope, **tile
    )
    return out, moments


def backward(
    gradient: Tensor, x: Tensor, moments: Tensor, slope: float, borders: tuple[int, int]
) -> Tensor:
    """Gradient with respect to ``x``, channels last.

    Args:
        gradient: Of what ``forward`` returned, channels last.
        x: As in ``forward``.
        moments: What it returned besides.
        slope: As in ``forward``.
        borders: As in ``forward``.
    """
    batch, channels, height, width = x.shape
    (high, wide), tile = borders, _tile(channels)
    positions = height * width
    runs, each = _shared_out(positions)
    blocks = triton.cdiv(channels, tile["span"])
    gathered = torch.empty_like(x, dtype=gradient.dtype)
    sums = x.new_empty((batch, runs, 2, channels), dtype=torch.float32)
    _gather[(runs, blocks, batch)](
        gradient, x, moments, gathered, sums, height, width, high, wide, channels, slope, each,
        places=3 if any(borders) else 1, **tile,
    )  # fmt: skip
    out = torch.empty_like(x)
    _differentiate[(triton.cdiv(positions, ROWS), blocks, batch)](
        gathered, x, moments, sums, out, positions, channels, runs, **tile
    )
    return out
