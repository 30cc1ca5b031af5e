"""Films as sequences of pictures: read frame by frame, and written with their times and sound."""

import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cyclekit.api import BadSample, ItemSequence, install_command
from cyclekit_image.arrays import Item, Refusal, as_item
from cyclekit_image.channels import with_channels

if TYPE_CHECKING:
    from cyclekit_image.video_reader import Reader, Sound, Timing

SUFFIXES = frozenset((
    ".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".m2ts", ".mts", ".wmv",
    ".flv", ".3gp", ".ogv",
))  # fmt: skip
MISSED = 1.0  # seconds: an end this much earlier than announced is one that is missing


class Film(ItemSequence[Item]):
    """The pictures of a film, upright, in sRGB's primaries or whatever others it has.

    Args:
        path: The film.
        channels: Of the pictures.
        key: The setting that says so.

    Raises:
        BadSample: If it is none, or the package that reads films is not installed.
    """

    def __init__(self, path: Path, channels: int, key: str) -> None:
        if find_spec("av") is None:
            raise BadSample(
                path, f"is a film, which takes another package: {install_command('video')}"
            )
        self._path = path
        self._channels = channels
        self._key = key
        with self._opened() as film:
            self.count = film.count

    def sample(self, most: int) -> Sequence[Item]:
        """Frames in the middles of as many parts; fewer where there is no way to them."""
        found = []
        with self._opened() as film:
            for part in range(most if film.seconds else 1):
                if part:
                    film.seek((2 * part + 1) / (2 * most) * film.seconds)
                frame = next(film.frames(), None)
                if frame is not None:
                    found.append(self._item(frame, film))
        return found

    def rewrite(
        self, translate: Callable[[Iterator[Item]], Iterator[Sequence[Item]]], paths: Sequence[Path]
    ) -> None:
        """See ``ItemSequence``: each frame keeps its time, and sound is copied as it is."""
        from cyclekit_image.video_writer import FilmWriter

        timings: deque[Timing] = deque()
        sounds: list[Sound] = []
        with self._opened() as film, ExitStack() as stack:

            def items() -> Iterator[Item]:
                for frame in film.frames(sounds.append):
                    timings.append(film.timing(frame))
                    yield self._item(frame, film)

            writers: list[FilmWriter] = []
            for made in translate(items()):
                if not writers:
                    writers = [
                        stack.enter_context(FilmWriter(path, film, item))
                        for path, item in zip(paths, made, strict=True)
                    ]
                timing = timings.popleft()
                for writer, item in zip(writers, made, strict=True):
                    writer.write(item, timing)
                    writer.copy(sounds)
                sounds.clear()
            if not writers:
                raise BadSample(self._path, "no picture of it can be read")
            for writer in writers:
                writer.copy(sounds)
            self._say_what_is_missing(film)

    @contextmanager
    def _opened(self) -> Iterator["Reader"]:
        from cyclekit_image.video_reader import opened

        try:
            with opened(self._path) as reader:
                yield reader
        except Refusal as error:
            raise BadSample(self._path, str(error)) from error

    def _item(self, frame: Any, film: "Reader") -> Item:
        return with_channels(as_item(film.pixels(frame)), self._channels, self._key)

    def _say_what_is_missing(self, film: "Reader") -> None:
        name = self._path.name
        if film.damaged:
            warnings.warn(f"{name}: {film.damaged} damaged parts were passed over", stacklevel=3)
        if film.seconds - film.reached > MISSED:
            warnings.warn(
                f"{name} breaks off: {film.reached:.1f} of {film.seconds:.1f} seconds can be read, "
                f"and are translated",
                stacklevel=3,
            )
