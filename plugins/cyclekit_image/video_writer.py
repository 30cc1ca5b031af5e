"""Write films: each frame at its time, in the colours of the source, with its sound as it is."""

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import av
import numpy as np
from av.video.reformatter import ColorRange, Interpolation

from cyclekit.api import BadSample
from cyclekit_image.arrays import Item, as_pixels
from cyclekit_image.channels import with_channels
from cyclekit_image.video_reader import Reader, Sound, Timing

CONTAINERS = (".mp4", ".m4v", ".mov", ".mkv", ".webm")
ANY = ".mkv"  # holds every kind of sound
# By what the source is coded in; others are written as the first.
ENCODERS = {"h264": "libx264", "hevc": "libx265", "vp9": "libvpx-vp9"}
OPTIONS = {
    "libx264": {"crf": "17"},
    "libx265": {"crf": "19", "x265-params": "log-level=none"},
    "libvpx-vp9": {"crf": "20", "b": "0", "row-mt": "1", "cpu-used": "3"},
}


class FilmWriter:
    """A film that is being written.

    Args:
        path: Where; a suffix of no kind that is written becomes that of one.
        source: Whose times, colours and sounds it gets.
        first: Its first picture.

    Raises:
        BadSample: If it cannot hold the source's sound.
    """

    def __init__(self, path: Path, source: Reader, first: Item) -> None:
        suffix = path.suffix.lower()
        path = path if suffix in CONTAINERS else path.with_suffix(ANY)
        self._source = source
        self._container = av.open(str(path), "w")
        height, width = as_pixels(first).shape[:2]
        self._stream = self._video(path.suffix.lower(), width, height)
        self._sounds = {sound.index: self._sound(sound, path) for sound in source.sounds}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self._container.mux(self._stream.encode(None))
        self._container.close()

    def write(self, item: Item, timing: Timing) -> None:
        """Add a picture."""
        pixels = as_pixels(with_channels(item, 3, ""))
        pixels = np.ascontiguousarray(pixels)
        kind = "rgb48le" if pixels.itemsize == 2 else "rgb24"
        context, source = self._stream.codec_context, self._source
        frame = av.VideoFrame.from_ndarray(pixels, format=kind).reformat(
            format=context.pix_fmt,
            src_color_range=ColorRange.JPEG,
            dst_colorspace=source.matrix,
            dst_color_range=ColorRange.JPEG if source.full else ColorRange.MPEG,
            interpolation=Interpolation.BICUBIC,
        )
        frame.pts, frame.duration = timing.start, timing.length
        frame.time_base = source.stream.time_base
        self._container.mux(self._stream.encode(frame))

    def copy(self, sounds: Sequence[Sound]) -> None:
        """Add packets of the source's sound."""
        for stream, packet in sounds:
            packet.stream = self._sounds[stream]
            self._container.mux(packet)

    def _video(self, suffix: str, width: int, height: int) -> Any:
        source = self._source.stream
        name = ENCODERS.get(source.codec_context.name, "libx264")
        name = "libvpx-vp9" if suffix == ".webm" else name
        name = "libx264" if name == "libvpx-vp9" and suffix not in (".webm", ".mkv") else name
        stream = self._container.add_stream(name, rate=self._source.rate, options=OPTIONS[name])
        context = stream.codec_context
        context.width, context.height = width, height
        context.time_base = source.time_base
        context.pix_fmt = _planes(source.codec_context.format, width, height)
        own = source.codec_context
        context.colorspace, context.color_primaries = own.colorspace, own.color_primaries
        context.color_trc = own.color_trc
        context.color_range = int(ColorRange.JPEG if self._source.full else own.color_range)
        if self._source.aspect:
            context.sample_aspect_ratio = self._source.aspect
        return stream

    def _sound(self, sound: Any, path: Path) -> Any:
        if sound.codec_context.name not in self._container.supported_codecs:
            raise BadSample(
                path.name,
                f"{path.suffix} cannot hold sound in {sound.codec_context.name}, and sound is "
                f"copied as it is: name a file that ends in {ANY} with -o",
            )
        return self._container.add_stream_from_template(sound)


def _planes(source: Any, width: int, height: int) -> str:
    """Which planes frames have: of the source's depth, and of colours as fine, if need be."""
    names = [part.bits for part in source.components]
    bits = "10le" if max(names, default=8) > 8 else ""
    fine = source.name.startswith(("yuv444", "yuvj444", "gbr", "rgb")) or width % 2 or height % 2
    return f"yuv{444 if fine else 420}p{bits}"
