"""Settings of the image codec: channels, depth, and how training windows are cut."""

import math
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from cyclekit.api import Options

Pixels = Annotated[int, Field(ge=8, le=16384)]
Channels = Annotated[int, Field(ge=1, le=64)]

CROPPED = ("resize_and_crop", "scale_shortside", "crop")

SMALLEST_TILE = 64  # in less, networks have no room to pad and to overlap


class ImageOptions(Options):
    """What networks see of pictures, and how training windows are cut from them. Translation keeps
    a picture's own size and depth."""

    preprocess: Literal["resize_and_crop", "scale_shortside", "crop", "scale_width", "none"] = (
        "resize_and_crop"
    )
    """`resize_and_crop`: to a square of `resize`, then a random square of `crop`.
    `scale_shortside`: the shorter side to `resize`, the other in proportion, then the same. `crop`:
    only the latter. `scale_width`: to a width of `resize`. `none`: as it is. The last two need a
    batch size of 1 unless all pictures have one shape."""
    resize: Pixels = 286
    """Pixels that pictures are resized to."""
    crop: Pixels = 256
    """Pixels of the square that networks are trained on."""
    round_to: Annotated[int, Field(ge=1, le=1024)] = 4
    """Sizes of windows that are not cropped are rounded to a multiple of this: what the generator
    needs, 2 to the power of `generator.downsamplings`."""
    flip: bool = True
    """Mirror half of the windows left to right."""
    flip_vertical: bool = False
    """Mirror half of the windows top to bottom."""
    rotate: bool = False
    """Turn windows by 0, 90, 180 or 270 degrees; they must be cropped."""
    scale_jitter: Annotated[float, Field(ge=0, le=4)] = 0.0
    """Enlarge each window by a random factor between 1 and 1 plus this."""
    colour_jitter: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Multiply brightness and contrast of each window by random factors between 1 minus and 1 plus
    this. Transparency stays."""
    tile: Annotated[int, Field(ge=0, le=2**16)] = 768
    """Translation sends at most this many pixels a side through a network at once; larger pictures
    go in tiles that overlap. 0: always the whole, whatever memory that takes."""
    channels: Channels = 3
    """3: RGB, 1: grey; 4 and 2: the same with transparency, which is laid on white otherwise.
    Pictures are converted between these four; any other number must be that of the files."""
    channels_b: Channels | None = None
    """Domain B's channels, where it has another number. It takes
    `objective.identity.weight = 0`."""
    side_by_side: bool = False
    """Each file of `train`, and of `test` or `val`, is two squares side by side, domain A's on the
    left and B's on the right, as pix2pix's sets are published. Pictures to translate may be such,
    or of one domain alone."""
    bits: Literal[8, 16, 32] = 8
    """Depth of training windows, and the least of translations, which keep a deeper source's depth.
    32: floating-point numbers."""
    range: tuple[float, float] = (0.0, 1.0)
    """Values of files of floating-point numbers or signed integers (CT: `[-1024, 3071]`) that
    networks see as -1 and 1; there must be none beyond."""

    @field_validator("tile")
    @classmethod
    def _with_room(cls, tile: int) -> int:
        if 0 < tile < SMALLEST_TILE:
            raise ValueError(f"tiles must be 0, or {SMALLEST_TILE} pixels and more")
        return tile

    @model_validator(mode="after")
    def _windows_fit(self) -> "ImageOptions":
        if self.preprocess in ("resize_and_crop", "scale_shortside") and self.crop > self.resize:
            raise ValueError(
                f"codec.crop ({self.crop}) cannot be larger than codec.resize ({self.resize}), "
                f"which pictures are brought to first: set both"
            )
        if self.rotate and not self.cropped:
            raise ValueError(
                f"codec.rotate needs square windows, but codec.preprocess = {self.preprocess!r} "
                f"does not crop: choose one of {', '.join(CROPPED)}"
            )
        return self

    @model_validator(mode="after")
    def _range_rises(self) -> "ImageOptions":
        low, high = self.range
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise ValueError(f"codec.range must be (low, high), not ({low:g}, {high:g})")
        return self

    @property
    def cropped(self) -> bool:
        """Whether windows are random squares of ``crop``."""
        return self.preprocess in CROPPED

    def channels_of(self, domain: str) -> int:
        """Channels of ``domain``'s tensors."""
        if domain == "b" and self.channels_b is not None:
            return self.channels_b
        return self.channels

    def channels_key(self, domain: str) -> str:
        """The setting that ``channels_of`` comes from."""
        return "codec.channels_b" if domain == "b" and self.channels_b else "codec.channels"
