"""How much sound the headers of files promise, and how much of it is there."""

import io
import os
import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import BinaryIO

HEAD = 4096  # bytes in which files say what they are
PIPED = 0x7FFF0000  # bytes and more are promised by programs that could not know: SoX, arecord
CHUNKS = 1000  # of a file that are looked at
PAGE = 65_307  # bytes of the largest page of Ogg


@dataclass(frozen=True)
class Extent:
    """The part of a file that is sound.

    Attributes:
        there: Its bytes in the file.
        promised: As many as its header says; ``None`` where that leaves it open, as it does of what
            was written into a pipe.
        corrections: What the header should have said then, by place.
    """

    there: int
    promised: int | None
    corrections: Mapping[int, bytes] = field(default_factory=dict)

    @property
    def share(self) -> float:
        """How much of what was promised is there."""
        return min(self.there / self.promised, 1.0) if self.promised else 1.0


@dataclass(frozen=True)
class _Layout:
    """A kind of file that consists of chunks: a name, a size, and as many bytes.

    Attributes:
        first: Where the first chunk begins.
        size: How sizes are written, after a name of ``name`` bytes.
        sound: Names of chunks that hold sound.
        name: Length of names.
        align: What the places of chunks divide by.
        whole: Whether a size counts name and size too.
    """

    first: int
    size: str
    sound: tuple[bytes, ...]
    name: int = 4
    align: int = 2
    whole: bool = False


_WAVE = _Layout(12, "<I", (b"data",))
_W64 = bytes.fromhex("f3acd3118cd100c04f8edb8a")  # ends the names of its chunks
_CHUNKED = {
    b"RIFF": _WAVE,
    b"RF64": _WAVE,
    b"BW64": _WAVE,
    b"RIFX": _Layout(12, ">I", (b"data",)),
    b"FORM": _Layout(12, ">I", (b"SSND", b"BODY")),
    b"caff": _Layout(8, ">q", (b"data",), align=1),
    b"riff": _Layout(40, "<Q", (b"data" + _W64,), name=16, align=8, whole=True),
}
_SUN = {b".snd": ">I", b"dns.": "<I"}


def find_extent(file: BinaryIO) -> Extent | None:
    """Where a file's sound lies; ``None`` of kinds that do not say, or are decoded to know."""
    file.seek(0)
    head = file.read(HEAD)
    size = file.seek(0, os.SEEK_END)
    if layout := _CHUNKED.get(head[:4]):
        return _in_chunks(file, size, head[:4], layout)
    if (order := _SUN.get(head[:4])) and len(head) >= 12:
        begin, promised = struct.unpack_from(order[0] + "II", head, 4)
        return _extent(size - begin, promised, order, 8)
    if head.startswith(b"NIST_1A"):
        return _sphere(head, size)
    return None


def ends_within_a_page(file: BinaryIO) -> bool:
    """Whether an Ogg file ends in the middle of something.

    Whether its last page says that it is the last means little: recorders do not always tell.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(max(size - 2 * PAGE, 0))
    tail = file.read()
    last = tail.rfind(b"OggS")
    page = tail[last:] if last >= 0 else b""
    if len(page) < 27:
        return True
    end = 27 + page[26] + sum(page[27 : 27 + page[26]])
    rest = page[end:]
    return len(page) < end or (bool(rest) and b"OggS".startswith(rest))


class Corrected(io.RawIOBase):
    """A file read with some of its bytes replaced."""

    def __init__(self, file: BinaryIO, corrections: Mapping[int, bytes]) -> None:
        self._file = file
        self._corrections = corrections

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """As of any file."""
        return self._file.seek(offset, whence)

    def readinto(self, buffer: "memoryview | bytearray") -> int:  # type: ignore[override]
        """Read, then replace what lies there."""
        begin = self._file.tell()
        view = memoryview(buffer).cast("B")
        data = self._file.read(len(view))
        view[: len(data)] = data
        for place, right in self._corrections.items():
            for offset, byte in enumerate(right, place - begin):
                if 0 <= offset < len(data):
                    view[offset] = byte
        return len(data)


def _in_chunks(file: BinaryIO, size: int, kind: bytes, layout: _Layout) -> Extent | None:
    long = None  # what a 32-bit size cannot say
    for name, begin, length in _chunks(file, layout, layout.first):
        if name == b"ds64":
            file.seek(begin + 8)
            long = int.from_bytes(file.read(8), "little")
        if name not in layout.sound:
            continue
        if long is not None and length == 2**32 - 1:
            length = long
        elif length == 0 and _leads_to_the_end(file, begin, size, layout):
            return Extent(0, None)
        width = struct.calcsize(layout.size)
        extra = layout.name + width if layout.whole else 0
        extent = _extent(size - begin, length, layout.size, begin - width, extra)
        if extent.corrections and long is not None:  # then its other sizes do not matter
            return Extent(extent.there, None, {**extent.corrections, 0: b"RIFF"})
        return extent
    return None


def _extent(there: int, promised: int, order: str, place: int, extra: int = 0) -> Extent:
    """What a size at ``place`` says about the ``there`` bytes that follow."""
    there = max(there, 0)
    most = 2 ** (8 * struct.calcsize(order) - 1) - 1
    if 0 < promised <= there or 0 < promised < most - (2**31 - PIPED):
        return Extent(min(there, promised), promised)
    return Extent(there, None, {place: struct.pack(order, min(there + extra, most))})


def _chunks(file: BinaryIO, layout: _Layout, place: int) -> Iterator[tuple[bytes, int, int]]:
    """Name, place and length of the chunks from a place on, as they say themselves."""
    width = layout.name + struct.calcsize(layout.size)
    for _ in range(CHUNKS):
        file.seek(place)
        header = file.read(width)
        if len(header) < width:
            return
        (length,) = struct.unpack(layout.size, header[layout.name :])
        length = max(length - width, 0) if layout.whole else length
        yield header[: layout.name], place + width, length
        if length < 0:
            return
        place += -(-(width + length) // layout.align) * layout.align


def _leads_to_the_end(file: BinaryIO, begin: int, size: int, layout: _Layout) -> bool:
    """Whether what follows is chunks, or nothing: then a chunk of no length is one."""
    end = begin
    for name, place, length in _chunks(file, layout, begin):
        if not (name[:4].isascii() and name[:4].decode("ascii").isprintable()):
            return False
        end = place + length
    return abs(end - size) <= 1  # one that fills up


def _sphere(head: bytes, size: int) -> Extent | None:
    """NIST's SPHERE, whose header is text: TIMIT, WSJ and others."""
    told = dict(re.findall(rb"(?m)^(\w+) -\w+ (\d+)\s*$", head))
    lines = head.split(b"\n", 2)
    needed = [told.get(key) for key in (b"sample_count", b"sample_n_bytes")]
    if len(lines) < 3 or not lines[1].strip().isdigit() or None in needed:
        return None
    count, width = (int(number) for number in needed if number)
    channels = int(told.get(b"channel_count", b"1"))
    begin = int(lines[1])
    promised = count * width * channels
    there = max(size - begin, 0)
    return Extent(min(there, promised), promised) if promised else None
