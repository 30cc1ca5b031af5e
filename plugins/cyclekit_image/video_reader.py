"""Read films frame by frame: upright pictures, their times, and packets of sound in between."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np
from av.stream import Disposition
from av.video.reformatter import ColorRange, Interpolation

from cyclekit_image.arrays import Array, Refusal
from cyclekit_image.sizes import require_size

# Demuxers that read no other file than the one that is named, as playlists would.
FORMATS = "mov,matroska,avi,mpeg,mpegts,asf,flv,ogg"
ONLY_THE_FILE = {"protocol_whitelist": "file", "format_whitelist": FORMATS}
HIGH = 720  # pixels: from here on films that do not say which matrix they have use BT.709
BT601, BT709, UNSPECIFIED = 5, 1, 2  # matrices, as FFmpeg and ITU-T H.273 number them
FULL = 2  # range of values, as FFmpeg numbers it


class Timing(NamedTuple):
    """When a frame is shown, in units of its stream: from when on, and for how long."""

    start: int
    length: int


class Sound(NamedTuple):
    """A packet of sound, and the number of its stream."""

    stream: int
    packet: Any


@contextmanager
def opened(path: Path) -> Iterator["Reader"]:
    """Open a film.

    Raises:
        Refusal: If it is none, or too large.
    """
    av.logging.set_level(av.logging.PANIC)
    try:
        container = av.open(str(path.absolute()), options=ONLY_THE_FILE)
    except av.FFmpegError as error:
        raise Refusal(f"cannot be read as a film: {error.strerror or error}") from error
    with container:
        pictures = [
            s for s in container.streams.video if not s.disposition & Disposition.attached_pic
        ]
        if not pictures:
            raise Refusal("holds no moving pictures")
        require_size(pictures[0].width, pictures[0].height)
        yield Reader(container, pictures[0])


class Reader:
    """An open film.

    Args:
        container: PyAV's.
        stream: Its pictures.

    Attributes:
        seconds: How long it says that it is; 0: not known.
        reached: Where the frames that were read end, in seconds.
        damaged: How many packets could not be decoded.
        sideways: Whether the last frame lies on its side.
    """

    def __init__(self, container: Any, stream: Any) -> None:
        stream.thread_type = "AUTO"
        self._container = container
        self.stream = stream
        self.sounds: list[Any] = list(container.streams.audio)
        self.begun = float((stream.start_time or 0) * stream.time_base)
        self.reached = 0.0
        self.damaged = 0
        self.sideways = False
        self._next = 0
        self.seconds = self._seconds()

    @property
    def rate(self) -> Fraction:
        """Frames a second, on average."""
        return Fraction(self.stream.average_rate or self.stream.guessed_rate or 25)

    @property
    def count(self) -> int:
        """About how many frames there are; 0: not known."""
        return int(self.stream.frames or self.seconds * self.rate)

    @property
    def matrix(self) -> int:
        """How the planes of a frame are made of red, green and blue."""
        said = int(self.stream.codec_context.colorspace)
        if said not in (UNSPECIFIED, 0):
            return said
        return BT709 if self.stream.height >= HIGH else BT601

    @property
    def full(self) -> bool:
        """Whether black is 0 and white the highest value."""
        said = int(self.stream.codec_context.color_range)
        return said == FULL or self.stream.codec_context.format.name.startswith("yuvj")

    @property
    def deep(self) -> bool:
        """Whether it has more than 8 bits."""
        return any(part.bits > 8 for part in self.stream.codec_context.format.components)

    def seek(self, seconds: float) -> None:
        """Go on near a time, at a frame that needs none before it."""
        place = int((self.begun + seconds) / self.stream.time_base)
        try:
            self._container.seek(place, stream=self.stream)
        except av.FFmpegError:
            return  # then the next frame does as well

    def frames(self, sound: Callable[[Sound], object] | None = None) -> Iterator[Any]:
        """The frames from here on, as far as they can be read.

        Args:
            sound: Takes packets of sound in between.
        """
        packets = self._container.demux([self.stream, *(self.sounds if sound else ())])
        while True:
            try:
                packet = next(packets, None)
            except av.FFmpegError:
                self.damaged += 1
                return
            if packet is None:
                return
            if packet.stream is not self.stream:
                if sound and packet.dts is not None:
                    sound(Sound(packet.stream.index, packet))
                continue
            try:
                for frame in packet.decode():
                    require_size(frame.width, frame.height)
                    self.sideways = frame.rotation % 180 != 0
                    yield frame
            except av.FFmpegError:
                self.damaged += 1

    def timing(self, frame: Any) -> Timing:
        """When it is shown; never before those that were asked for earlier."""
        usual = max(int(1 / (self.rate * self.stream.time_base)), 1)
        length = int(frame.duration or usual)
        start = self._next if frame.pts is None else max(int(frame.pts), self._next)
        self._next = start + 1 if frame.pts is not None else start + length
        self.reached = float((start + length) * self.stream.time_base) - self.begun
        return Timing(start, length)

    def pixels(self, frame: Any) -> Array:
        """``(height, width, 3)`` of uint8 or uint16, upright."""
        made = frame.to_ndarray(
            format="rgb48le" if self.deep else "rgb24",
            src_colorspace=self.matrix,
            src_color_range=ColorRange.JPEG if self.full else ColorRange.MPEG,
            interpolation=Interpolation.BICUBIC,
        )
        turns = round(frame.rotation / 90) % 4
        return np.ascontiguousarray(np.rot90(made, turns))

    @property
    def aspect(self) -> Fraction | None:
        """How wide a pixel is for its height, of the upright picture."""
        said = self.stream.codec_context.sample_aspect_ratio
        return (1 / said if self.sideways else said) if said else None

    def _seconds(self) -> float:
        if self.stream.duration:
            return float(self.stream.duration * self.stream.time_base)
        return float((self._container.duration or 0) / 1e6)
