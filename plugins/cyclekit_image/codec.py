"""Pictures <-> tensors. Whole pictures keep their size and depth; only training windows lose it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from cyclekit.api import (
    BadSample,
    Codec,
    Media,
    Options,
    Portable,
    PreviewRow,
    Sample,
    TensorSpec,
)
from cyclekit_image.arrays import Item, Refusal, as_item, as_pixels, count_channels, half_of
from cyclekit_image.channels import plain_item, with_channels
from cyclekit_image.depths import DEPTHS, FLOAT, SIXTEEN, depth_of
from cyclekit_image.kinds import SUFFIXES, is_film, is_telling
from cyclekit_image.options import ImageOptions
from cyclekit_image.origin import NOTICED, Origin, origin_of, with_origin
from cyclekit_image.pictures import read_picture, write_picture
from cyclekit_image.sheet import beside, draw_sheet
from cyclekit_image.translated import FORMATS, write_translation
from cyclekit_image.video import SUFFIXES as FILMS
from cyclekit_image.video import Film
from cyclekit_image.windows import make_window, vary

SIDES = ("a", "b")  # of a picture with both domains, from the left
SCRIPT = Path(__file__).with_name("with_onnx.py")
ORDERS = {1: "grey", 2: "grey, opacity", 3: "red, green, blue", 4: "red, green, blue, opacity"}
COLOURS = 3  # red, green, blue
MOST_LOOKED_AT = 64  # pictures that say whether a domain has colours


class ImageCodec(Codec[Item]):
    """PIL pictures and arrays, encoded in the depth they have, in -1..1 for the networks."""

    Options: ClassVar[type[Options]] = ImageOptions
    options: ImageOptions

    suffixes: ClassVar[frozenset[str]] = SUFFIXES
    usual_suffixes = (".png", ".jpg", ".tif", ".webp")
    formats: ClassVar[tuple[str, ...]] = tuple(FORMATS)
    sequence_suffixes: ClassVar[frozenset[str]] = FILMS

    def __init__(self, options: ImageOptions) -> None:
        super().__init__(options)
        self._coloured: dict[str, bool] = {}

    def recognises(self, head: bytes) -> bool:
        """Pictures whose names do not tell; TIFF is none of them, since raw files begin so."""
        return is_telling(head)

    def recognises_sequence(self, head: bytes) -> bool:
        """Films whose names do not tell."""
        return is_film(head)

    def spec(self, domain: str) -> TensorSpec:
        """``(channels, height, width)`` in -1..1."""
        tile = self.options.tile or None
        channels = self.options.channels_of(domain)
        return TensorSpec(channels, (None, None), tiles=(tile, tile), colours=channels == COLOURS)

    def load(self, path: Path) -> Item:
        """Read a picture, upright; in its own channels where the domains' differ."""
        if self.options.channels_b in (None, self.options.channels):
            return self._read(path, "a")
        return read_picture(path, self.options.range)

    @property
    def joint(self) -> bool:
        """Whether files are pictures of both domains side by side."""
        return self.options.side_by_side

    def load_for(self, path: Path, domain: str) -> Item:
        """Read a picture, upright, in the domain's channels; of two side by side, the domain's."""
        item = self._read(path, domain)
        if not self.joint or domain not in SIDES:
            return item
        half = half_of(item, SIDES.index(domain))
        if half is None:
            height, width = as_pixels(item).shape[:2]
            raise BadSample(
                path,
                f"has {width} x {height} pixels, which are no two squares side by side "
                f"(codec.side_by_side)",
            )
        return half

    def load_input(self, path: Path, domain: str) -> Item:
        """Read a picture to translate, which may be of one domain alone."""
        item = self._read(path, domain)
        half = half_of(item, SIDES.index(domain)) if self.joint and domain in SIDES else None
        return item if half is None else half

    def _read(self, path: Path, domain: str) -> Item:
        wanted, key = self.options.channels_of(domain), self.options.channels_key(domain)
        return read_picture(path, self.options.range, wanted, key)

    def sequence(self, path: Path, domain: str) -> Film:
        """Open a film, to have it translated frame by frame."""
        return Film(path, self.options.channels_of(domain), self.options.channels_key(domain))

    def encode(self, item: Item, domain: str) -> Sample:
        """The whole picture as uint8, int16 (less 32768) or float32 (in 0..1), as its depth is."""
        wanted, key = self.options.channels_of(domain), self.options.channels_key(domain)
        try:
            own = plain_item(item)
            plain = with_channels(own, wanted, key)
        except Refusal as error:
            raise BadSample("picture", str(error)) from error
        pixels, origin = as_pixels(plain), origin_of(plain)
        depth = DEPTHS[8 * pixels.itemsize]
        grey = wanted in (3, 4) and count_channels(own) < 3
        meta = {
            "grey_of": domain if grey else "",
            "bits": depth.bits,
            "array": isinstance(item, np.ndarray),
            "origin": origin.as_meta(),
        }
        return Sample(depth.to_tensor(pixels), meta, dict.fromkeys(origin.noticed, 1.0))

    def decode(self, tensor: Tensor, domain: str, meta: Mapping[str, Any]) -> Item:
        """A picture of the source's depth and kind, or of ``bits`` where that is more.

        It is grey where the source was, unless training has seen that domain grey throughout:
        then colours are what it has learned to give.
        """
        bits = max(meta.get("bits", 8), self.options.bits)
        if tensor.is_floating_point():
            pixels = DEPTHS[bits].from_fractions(tensor)
        else:
            pixels = depth_of(tensor).to_pixels(tensor)
        made = pixels if meta.get("array") else as_item(pixels)
        if self._coloured.get(meta.get("grey_of", "")):
            made = with_channels(made, pixels.shape[2] - 2, "")
        return with_origin(made, Origin.from_meta(meta.get("origin", {})))

    def save(self, item: Item, path: Path) -> Path:
        """Write PNG, or TIFF for floating-point numbers and more than four channels."""
        return write_picture(plain_item(item), path, self.options.range)

    def save_as(self, item: Item, path: Path, format: str) -> Path:
        """Write PNG, JPEG or TIFF, or the source's kind where that loses nothing."""
        return write_translation(plain_item(item), path, format, self.options.range)

    def side_by_side(self, items: Sequence[Item]) -> Item:
        """Pictures beside each other at their own size, in 8-bit RGB."""
        return beside(items)

    def remarks(self, facts: Mapping[str, Sequence[Mapping[str, float]]]) -> list[str]:
        """Say of which pictures not all is used, or not as it is."""
        said = []
        for domain, files in facts.items():
            for what, words in NOTICED.items():
                if count := sum(what in file for file in files):
                    said.append(
                        f"{count} of {len(files)} pictures of domain {domain.upper()} {words}"
                    )
        return said

    def windows(self, sample: Sample) -> Sequence[Sample]:
        """One window a picture, resized as ``preprocess`` says."""
        return [Sample(make_window(sample.tensor, self.options))]

    def fit(self, domain: str, windows: Sequence[Sample]) -> None:
        """Whether the domain has colours."""
        some = (windows[index].tensor for index in range(min(len(windows), MOST_LOOKED_AT)))
        self._coloured[domain] = any(_has_colours(tensor) for tensor in some)

    def state_dict(self) -> dict[str, Tensor]:
        """Which domains have colours."""
        return {name: torch.tensor(float(said)) for name, said in self._coloured.items()}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take it back; runs of before know nothing of it."""
        self._coloured = {name: bool(said) for name, said in state.items()}

    def augment(self, tensor: Tensor, domain: str, rng: torch.Generator) -> Tensor:
        """Random crop and mirror, and the options' jitter."""
        return vary(tensor, self.options, rng)

    def to_network(self, tensor: Tensor, domain: str) -> Tensor:
        """Any depth -> -1..1."""
        # In place: whole copies of a large picture are large.
        values = tensor.to(torch.float32, copy=True)
        if tensor.dtype == FLOAT.dtype:
            return values.mul_(2).sub_(1)
        if tensor.dtype == SIXTEEN.dtype:
            return values.add_(0.5).div_(32767.5)
        return values.div_(127.5).sub_(1)

    def from_network(self, tensor: Tensor, domain: str) -> Tensor:
        """-1..1 -> 0..1, cut off there."""
        return (tensor + 1).mul_(0.5).clamp_(0, 1)

    def portable(self, source: str, target: str) -> Portable:
        """Eight bits and sRGB; the script takes up to four channels."""
        taken, given = (self.options.channels_of(domain) for domain in (source, target))
        known = max(taken, given) <= max(ORDERS)
        return Portable(
            axes=("height", "width"),
            input=f"Channels: {_order(taken)}, in sRGB; eight bits as x / 127.5 - 1.",
            output=f"Channels: {_order(given)}; eight bits as round((y + 1) * 127.5) in 0..255.",
            settings={"channel_order": {"input": _order(taken), "output": _order(given)}},
            script=SCRIPT.read_text(encoding="utf-8") if known else "",
            eight_bit_pictures=known and self.options.bits == 8,
        )

    def render(self, rows: Sequence[PreviewRow[Item]], folder: Path) -> list[Media]:
        """One labelled sheet: real, translated and cycled pictures, both ways."""
        sheet = draw_sheet(rows)
        path = write_picture(sheet, folder / "sheet")
        pixels = torch.from_numpy(np.array(sheet)).permute(2, 0, 1)
        return [Media("samples", path, image=pixels)]


def _has_colours(tensor: Tensor) -> bool:
    """Whether red, green and blue of ``(channels, height, width)`` differ anywhere."""
    if len(tensor) < 3:
        return False
    red, green, blue = tensor[:3].float()
    return not (torch.equal(red, green) and torch.equal(green, blue))


def _order(channels: int) -> str:
    """What the channels of a picture are, one after the other."""
    return ORDERS.get(channels, f"the file's {channels}, in its order")
