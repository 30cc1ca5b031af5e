"""Training windows: pictures resized as ``preprocess`` says, then cropped, turned and varied."""

import torch
import torch.nn.functional as F
from torch import Tensor

from cyclekit_image.depths import DEPTHS, depth_of
from cyclekit_image.options import ImageOptions

Size = tuple[int, int]


def make_window(pixels: Tensor, options: ImageOptions) -> Tensor:
    """A whole picture ``(channels, height, width)`` in the size and depth that training stores."""
    height, width = pixels.shape[1:]
    size = _window_size(height, width, options)
    source, stored = depth_of(pixels), DEPTHS[options.bits]
    if size == (height, width) and source is stored:
        return pixels
    return stored.convert(_resized(pixels, size), source)


def vary(window: Tensor, options: ImageOptions, rng: torch.Generator) -> Tensor:
    """Crop, mirror, and whatever else the options ask for."""
    # What is switched off draws nothing, so that it does not change what follows.
    window = _cut(window, options, rng)
    if options.flip and torch.rand((), generator=rng) < 0.5:
        window = window.flip(-1)
    if options.flip_vertical and torch.rand((), generator=rng) < 0.5:
        window = window.flip(-2)
    if options.rotate:
        window = window.rot90(int(torch.randint(4, (), generator=rng)), (-2, -1))
    if options.colour_jitter:
        window = _jitter_colours(window, options.colour_jitter, rng)
    return window


def _cut(window: Tensor, options: ImageOptions, rng: torch.Generator) -> Tensor:
    """The random square of a cropped window, from a random part of its size if that is asked."""
    height, width = window.shape[1:]
    size = (options.crop, options.crop) if options.cropped else (height, width)
    if not (options.cropped or options.scale_jitter):
        return window
    part = size
    if options.scale_jitter:
        zoom = 1 + options.scale_jitter * float(torch.rand((), generator=rng))
        part = (max(round(size[0] / zoom), 1), max(round(size[1] / zoom), 1))
    top, left = (
        int(torch.randint(whole - cut + 1, (), generator=rng))
        for whole, cut in zip((height, width), part, strict=True)
    )
    window = window[:, top : top + part[0], left : left + part[1]]
    return window if part == size else depth_of(window).rounded(_resized(window, size))


def _jitter_colours(window: Tensor, most: float, rng: torch.Generator) -> Tensor:
    """Other brightness and contrast; what leaves the range is cut off."""
    brightness, contrast = (1 + most * (2 * torch.rand(2, generator=rng) - 1)).tolist()
    depth = depth_of(window)
    colours = len(window) - (len(window) in (2, 4))  # alpha stays
    values = window[:colours].float() - depth.low
    mean = values.mean()
    values = ((values - mean) * contrast + mean) * brightness + depth.low
    return torch.cat([depth.rounded(values), window[colours:]])


def _resized(pixels: Tensor, size: Size) -> Tensor:
    """Float, in the same unit: bicubic with antialiasing, which may leave the range a little."""
    values = pixels[None].float()
    if tuple(pixels.shape[1:]) == size:
        return values[0]
    return F.interpolate(values, size, mode="bicubic", antialias=True, align_corners=False)[0]


def _window_size(height: int, width: int, options: ImageOptions) -> Size:
    if options.preprocess == "resize_and_crop":
        return options.resize, options.resize
    if options.preprocess in ("crop", "scale_shortside"):
        scale = options.resize / min(height, width)
        if options.preprocess == "crop":
            scale = max(1.0, options.crop / min(height, width))
        return round(height * scale), round(width * scale)
    if options.preprocess == "scale_width":
        height, width = round(height * options.resize / width), options.resize
    multiple = options.round_to
    height, width = (max(round(length / multiple), 2) * multiple for length in (height, width))
    return height, width
