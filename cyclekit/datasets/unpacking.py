"""Archives from anybody, unpacked into one folder and never beside it.

Names that lead elsewhere, links, devices, and more than a stated number of files or bytes are
refused, whatever an archive says of itself; what is counted is what comes out of it.
"""

import bz2
import contextlib
import errno
import gzip
import os
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import IO, Any, NamedTuple

from cyclekit.data.beginnings import beginning
from cyclekit.datasets.names import inner_path
from cyclekit.errors import DataError
from cyclekit.storage.folder import Storage
from cyclekit.storage.handle import Handle, describe_kind

CHUNK = 2**18  # bytes that are copied at once
LARGEST_HEADER = 2**20  # bytes that a tar's description of one file may have
ENTRY = 256  # bytes of a zip's directory for each file
SPARE = 2**16
PLAIN = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}  # both unpack in bounded steps
LITTER = ("__MACOSX", ".DS_Store", "._*", "Thumbs.db")
DAMAGED = (
    zipfile.BadZipFile, tarfile.TarError, EOFError, RecursionError, ValueError, LookupError,
    NotImplementedError, RuntimeError, ArithmeticError,
)  # fmt: skip


@dataclass(frozen=True)
class Limits:
    """What an archive may hold at most.

    Attributes:
        files: Names, folders among them.
        bytes: Of all files, unpacked.
    """

    files: int
    bytes: int


class _Entry(NamedTuple):
    name: str
    mode: int  # as of stat
    size: int
    open: Callable[[], IO[bytes]]


class _Excess(Exception):  # noqa: N818 - becomes an error once it has the archive's name
    """An archive holds, or says that it holds, what is not unpacked."""


def unpack(file: IO[bytes], name: str, to: Storage, limits: Limits, take: Sequence[str]) -> int:
    """Unpack an archive's files.

    Args:
        file: The open archive.
        name: Of the archive, for messages.
        to: An empty folder of one's own.
        limits: What it may hold.
        take: Patterns of the names that are wanted; empty: all.

    Returns:
        How many files were unpacked.

    Raises:
        DataError: If it is damaged, no archive, or holds what is refused. What was unpacked so far
            is left in the folder.
        OSError: If the disk refuses.
    """
    try:
        with _Target(to) as target:
            return _unpack(_entries(file, limits), target, limits, take)
    except _Excess as error:
        raise DataError(f"{name} {error}. Nothing of it was kept.") from error
    except DAMAGED as error:
        raise DataError(f"{name} is damaged: {error or type(error).__name__}") from error
    except OSError as error:
        if error.errno is not None:
            raise
        raise DataError(f"{name} is damaged: {error}") from error  # of gzip and bz2
    except Exception as error:
        if type(error).__module__ in ("zlib", "struct"):
            raise DataError(f"{name} is damaged: {error}") from error
        raise


def _unpack(
    entries: Iterator[_Entry], target: "_Target", limits: Limits, take: Sequence[str]
) -> int:
    left, unpacked = limits.bytes, 0
    for number, entry in enumerate(entries, 1):
        if number > limits.files:
            raise _Excess(f"holds more than {limits.files:,} files")
        try:
            parts = inner_path(entry.name)
        except ValueError as error:
            raise _Excess(f"holds {entry.name!r}, which {error}") from error
        if stat.S_ISDIR(entry.mode) or not _is_wanted(parts, take):
            continue
        if not stat.S_ISREG(entry.mode):
            raise _Excess(f"holds {entry.name!r}, which is {describe_kind(entry.mode)}")
        left -= _copy(entry, target, parts, left, limits.bytes)
        unpacked += 1
    if not unpacked:
        raise _Excess("holds none of the files that were expected")
    return unpacked


def _copy(entry: _Entry, target: "_Target", parts: Sequence[str], left: int, most: int) -> int:
    """Unpack one file; returns how many bytes it has."""
    size = 0
    excess = _Excess(f"holds more than {most:,} bytes")
    if entry.size > left:
        raise excess
    with entry.open() as source, target.make(parts) as made:
        while chunk := source.read(CHUNK):
            size += len(chunk)
            if size > left:
                raise excess
            made.write(chunk)
    if size != entry.size:
        raise _Excess(f"ends within {entry.name!r}")
    return size


def _is_wanted(parts: Sequence[str], take: Sequence[str]) -> bool:
    if any(fnmatchcase(part, litter) for part in parts for litter in LITTER):
        return False
    name = "/".join(parts)
    return not take or any(fnmatchcase(name, pattern) for pattern in take)


def _entries(file: IO[bytes], limits: Limits) -> Iterator[_Entry]:
    """What an archive says that it holds, in its order."""
    head = file.read(512)
    file.seek(0)
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        yield from _zipped(file, limits)
    elif head.startswith(b"\x1f\x8b"):
        yield from _tarred(gzip.GzipFile(fileobj=file), limits)
    elif head.startswith(b"BZh"):
        yield from _tarred(bz2.BZ2File(file), limits)
    elif head[257:262] == b"ustar":
        yield from _tarred(file, limits)
    else:
        said = beginning(head)
        raise _Excess(f"is no zip, tar, tar.gz or tar.bz2{f': {said}' if said else ''}")


def _zipped(file: IO[bytes], limits: Limits) -> Iterator[_Entry]:
    # The directory is read as a whole, by the size that the archive says it has.
    guarded: Any = _Guarded(file, ENTRY * limits.files + SPARE)
    with zipfile.ZipFile(guarded) as archive:
        for info in archive.infolist():
            mode = info.external_attr >> 16
            if info.is_dir():
                mode = stat.S_IFDIR
            elif not stat.S_IFMT(mode):  # written by a system that has no such things
                mode = stat.S_IFREG
            if info.flag_bits & 1:
                raise _Excess(f"holds {info.filename!r}, which is encrypted")
            if info.compress_type not in PLAIN and stat.S_ISREG(mode):
                raise _Excess(f"holds {info.filename!r}, compressed in a way that is not read")

            def opened(info: zipfile.ZipInfo = info) -> IO[bytes]:
                return archive.open(info)

            yield _Entry(info.filename, mode, info.file_size, opened)


def _tarred(stream: Any, limits: Limits) -> Iterator[_Entry]:
    # Before files come descriptions, of any size that the archive likes.
    guarded: Any = _Guarded(stream, LARGEST_HEADER, limits.bytes + 4096 * limits.files + SPARE)
    kinds = {
        tarfile.SYMTYPE: stat.S_IFLNK,
        tarfile.FIFOTYPE: stat.S_IFIFO,
        tarfile.CHRTYPE: stat.S_IFCHR,
        tarfile.BLKTYPE: stat.S_IFBLK,
        tarfile.LNKTYPE: stat.S_IFLNK,  # to another of its files; no more wanted
    }
    with tarfile.open(fileobj=guarded, mode="r:") as archive:
        kept: Any = archive
        for member in archive:
            kept.members = []  # it would remember them all
            mode = stat.S_IFDIR if member.isdir() else kinds.get(member.type, 0)
            if member.type in (tarfile.REGTYPE, tarfile.AREGTYPE):
                mode = stat.S_IFREG

            def opened(member: tarfile.TarInfo = member) -> IO[bytes]:
                return _present(archive.extractfile(member))

            yield _Entry(member.name, mode, member.size, opened)


def _present(stream: IO[bytes] | None) -> IO[bytes]:
    if stream is None:
        raise ValueError("a file is missing")
    return stream


class _Guarded:
    """A stream of which so much is read at once, and so much in all.

    Args:
        stream: To read.
        at_once: Bytes.
        in_all: Bytes, where it is read from its beginning to its end.
    """

    def __init__(self, stream: Any, at_once: int, in_all: int | None = None) -> None:
        self._stream = stream
        self._at_once = max(at_once, CHUNK)
        self._in_all = in_all

    def read(self, size: int = -1) -> bytes:
        """As a file does it."""
        if size > self._at_once:
            raise _Excess("describes its files at a length that is not read")
        self._require(self._stream.tell() + max(size, 0))
        found: bytes = self._stream.read(self._at_once if size < 0 else size)
        return found

    def seek(self, place: int, whence: int = 0) -> int:
        """As a file does it."""
        if whence == 0:
            self._require(place)
        found: int = self._stream.seek(place, whence)
        return found

    def tell(self) -> int:
        """As a file does it."""
        found: int = self._stream.tell()
        return found

    def seekable(self) -> bool:
        """As a file says it."""
        return True

    def _require(self, place: int) -> None:
        if self._in_all is not None and place > self._in_all:
            raise _Excess("unpacks to more than it may")


class _Target:
    """Where files are made, each new; the folder that was used last stays open."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._stack = contextlib.ExitStack()
        self._folder: tuple[str, ...] | None = None
        self._handle: Handle | None = None

    def __enter__(self) -> "_Target":
        return self

    def __exit__(self, *about: object) -> None:
        self._stack.close()

    @contextlib.contextmanager
    def make(self, parts: Sequence[str]) -> Iterator[IO[bytes]]:
        """A new file, by the names that lead to it."""
        with self._explained(parts):
            number = self._in(tuple(parts[:-1])).open(
                parts[-1], os.O_WRONLY | os.O_CREAT | os.O_EXCL
            )
        with os.fdopen(number, "wb") as file:
            yield file

    def _in(self, folder: tuple[str, ...]) -> Handle:
        if self._handle is None or folder != self._folder:
            self._stack.close()
            self._handle = self._stack.enter_context(self._storage.below(*folder).open())
            self._folder = folder
        return self._handle

    @contextlib.contextmanager
    def _explained(self, parts: Sequence[str]) -> Iterator[None]:
        name = "/".join(parts)
        try:
            yield
        except FileExistsError as error:
            raise _Excess(f"holds {name!r} twice") from error
        except OSError as error:
            if error.errno in (errno.EINVAL, errno.EILSEQ, errno.ENAMETOOLONG):
                raise _Excess(f"holds {name!r}, a name that this disk does not take") from error
            raise
        except ValueError as error:  # of a name that this system would take for a path
            raise _Excess(f"holds {name!r}, which {error}") from error
