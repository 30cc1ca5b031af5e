"""Pictures <-> tensors. Whole pictures keep their size; only training windows are resized."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from pydantic import Field, model_validator
from torch import Tensor

from cyclekit.api import Codec, Media, Options, PreviewRow, Sample, TensorSpec
from cyclekit_image.pictures import plain_picture, read_picture, write_picture
from cyclekit_image.sheet import draw_sheet

Pixels = Annotated[int, Field(ge=8, le=16384)]


class ImageOptions(Options):
    """How training windows are cut from pictures. Translation always keeps a picture's own size."""

    preprocess: Literal["resize_and_crop", "crop", "scale_width", "none"] = "resize_and_crop"
    """`resize_and_crop`: to a square of `resize`, then a random square of `crop`. `crop`: only the
    latter. `scale_width`: to a width of `resize`. `none`: as it is. The last two need a batch size
    of 1 unless all pictures have one shape."""
    resize: Pixels = 286
    """Pixels that pictures are resized to."""
    crop: Pixels = 256
    """Pixels of the square that networks are trained on."""
    round_to: Annotated[int, Field(ge=1, le=1024)] = 4
    """Sizes of windows that are not cropped are rounded to a multiple of this: what the generator
    needs, 2 to the power of `generator.downsamplings`."""
    flip: bool = True
    """Mirror half of the windows left to right."""
    tile: Annotated[int, Field(ge=0)] = 768
    """Translation sends at most this many pixels a side through a network at once; larger pictures
    go in tiles that overlap. 0: always the whole, whatever memory that takes."""
    channels: Literal[1, 3] = 3
    """3: RGB, 1: grey. Pictures of the other kind are converted."""

    @model_validator(mode="after")
    def _crop_fits(self) -> "ImageOptions":
        if self.preprocess == "resize_and_crop" and self.crop > self.resize:
            raise ValueError(
                f"codec.crop ({self.crop}) cannot be larger than codec.resize ({self.resize})"
            )
        return self


class ImageCodec(Codec[Image.Image]):
    """PIL pictures, cached as bytes, in -1..1 for the networks."""

    Options: ClassVar[type[Options]] = ImageOptions
    options: ImageOptions

    def spec(self, domain: str) -> TensorSpec:
        """``(channels, height, width)`` in -1..1."""
        tile = self.options.tile or None
        return TensorSpec(self.options.channels, sizes=(None, None), tiles=(tile, tile))

    def load(self, path: Path) -> Image.Image:
        """Read a picture, upright, opaque, in RGB or grey."""
        return read_picture(path, self._mode)

    def encode(self, item: Image.Image, domain: str) -> Sample:
        """The whole picture as uint8."""
        pixels = torch.from_numpy(np.array(plain_picture(item, self._mode)))
        return Sample(pixels[None] if pixels.dim() == 2 else pixels.permute(2, 0, 1).contiguous())

    def decode(self, tensor: Tensor, domain: str, meta: Mapping[str, Any]) -> Image.Image:
        """Bytes back to a picture."""
        pixels = tensor.permute(1, 2, 0).numpy()
        return Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)

    def save(self, item: Image.Image, path: Path) -> Path:
        """Write PNG."""
        return write_picture(item, path)

    def windows(self, sample: Sample) -> Sequence[Sample]:
        """One window a picture, resized as ``preprocess`` says."""
        return [Sample(_resize(sample.tensor, self._window_size(*sample.tensor.shape[1:])))]

    def augment(self, tensor: Tensor, domain: str, rng: torch.Generator) -> Tensor:
        """Random crop and mirror."""
        if self.options.preprocess in ("resize_and_crop", "crop"):
            crop = self.options.crop
            top, left = (
                int(torch.randint(length - crop + 1, (), generator=rng))
                for length in tensor.shape[1:]
            )
            tensor = tensor[:, top : top + crop, left : left + crop]
        if self.options.flip and torch.rand((), generator=rng) < 0.5:
            tensor = tensor.flip(-1)
        return tensor

    def to_network(self, tensor: Tensor, domain: str) -> Tensor:
        """0..255 -> -1..1."""
        return tensor.float() / 127.5 - 1

    def from_network(self, tensor: Tensor, domain: str) -> Tensor:
        """-1..1 -> 0..255, rounded."""
        return ((tensor + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)

    def render(self, rows: Sequence[PreviewRow[Image.Image]], folder: Path) -> list[Media]:
        """One labelled sheet: real, translated and cycled pictures, both ways."""
        sheet = draw_sheet(rows)
        path = write_picture(sheet, folder / "sheet")
        pixels = torch.from_numpy(np.array(sheet)).permute(2, 0, 1)
        return [Media("samples", path, image=pixels)]

    @property
    def _mode(self) -> str:
        return "RGB" if self.options.channels == 3 else "L"

    def _window_size(self, height: int, width: int) -> tuple[int, int]:
        options = self.options
        if options.preprocess == "resize_and_crop":
            return options.resize, options.resize
        if options.preprocess == "crop":
            enlarge = max(1.0, options.crop / min(height, width))
            return round(height * enlarge), round(width * enlarge)
        if options.preprocess == "scale_width":
            height, width = round(height * options.resize / width), options.resize
        return self._rounded(height), self._rounded(width)

    def _rounded(self, length: int) -> int:
        multiple = self.options.round_to
        return max(round(length / multiple), 2) * multiple


def _resize(pixels: Tensor, size: tuple[int, int]) -> Tensor:
    """Bicubic with antialiasing, on bytes."""
    if tuple(pixels.shape[1:]) == size:
        return pixels
    resized = F.interpolate(
        pixels[None].float(), size, mode="bicubic", antialias=True, align_corners=False
    )
    return resized[0].round().clamp(0, 255).to(torch.uint8)
