"""Handles of folders, in which names are looked up without following links.

A run may come from anybody, who then chose the links in it. So whatever is written below a folder
is reached from the folder's own handle, name by name, and links on the way are refused.
Systems without handles of folders (Windows) look at every name before they use it.
"""

import contextlib
import errno
import os
import secrets
import shutil
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path

from cyclekit.errors import CyclekitError
from cyclekit.locks import hold

ASIDE = ".incoming-"
"""Begins the name of what is being written; nothing complete is called so."""

MOST_TEXT = 2**30  # bytes; records have a line for each file or step

_HANDLES = os.open in os.supports_dir_fd and hasattr(os, "O_NOFOLLOW")
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)
_FOLDER = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0)
_BINARY = getattr(os, "O_BINARY", 0)
_NOT_WAITING = getattr(os, "O_NONBLOCK", 0)  # for a reader at the other end of a pipe


class Refused(CyclekitError):  # noqa: N818 - it is what happened
    """Something in a folder is not what it should be: a link, a device, another's folder."""


@dataclass(frozen=True)
class Handle:
    """An open folder, in which names are looked up.

    Attributes:
        path: Where it is, for messages and for those who need paths.
        number: Its descriptor; ``None`` where the system has none for folders.
    """

    path: Path
    number: int | None

    def at(self, name: str) -> str:
        """How the system is told of a name in the folder."""
        return name if self.number is not None else str(self.path / name)

    def kind(self, name: str) -> int:
        """What lies under a name, as of ``stat``; 0: nothing."""
        try:
            return os.stat(self.at(name), dir_fd=self.number, follow_symlinks=False).st_mode
        except FileNotFoundError:
            return 0

    def names(self) -> list[str]:
        """What is in it."""
        return os.listdir(self.path if self.number is None else self.number)  # noqa: PTH208

    def open(self, name: str, how: int) -> int:
        """A descriptor of an ordinary file.

        Raises:
            Refused: If it is anything else.
        """
        how |= _NO_LINK | _BINARY | _NOT_WAITING
        if not _NO_LINK and self._leads_away(name):
            raise self.refusal(name)
        try:
            number = os.open(self.at(name), how, 0o666, dir_fd=self.number)
        except OSError as error:
            self.require(name, stat.S_ISREG)
            raise error
        if not stat.S_ISREG(os.fstat(number).st_mode) or (not _NO_LINK and self._leads_away(name)):
            os.close(number)
            raise self.refusal(name)
        return number

    def touch(self, name: str) -> None:
        """Make an empty file where nothing is."""
        os.close(self.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL))

    def make_private(self, name: str) -> None:
        """Make a folder for its owner alone."""
        os.mkdir(self.at(name), 0o700, dir_fd=self.number)

    def require(self, name: str, *kinds: object) -> None:
        """Refuse what is there and is none of these kinds, which are functions of ``stat``."""
        there = self.kind(name)
        if there and not any(is_so(there) for is_so in kinds if callable(is_so)):
            raise self.refusal(name)

    def require_replaceable(self, name: str) -> None:
        """Refuse to put a file in place of anything but a file, or a link to one."""
        self.require(name, stat.S_ISREG, stat.S_ISLNK)
        if stat.S_ISLNK(self.kind(name)):
            if os.readlink(self.at(name), dir_fd=self.number).startswith(("/dev/", "/proc/")):
                raise self.refusal(name)  # /dev/stdout is one, to whatever that is just now
            with contextlib.suppress(OSError):  # it leads nowhere
                if not stat.S_ISREG(os.stat(self.at(name), dir_fd=self.number).st_mode):
                    raise self.refusal(name)

    def refusal(self, name: str) -> Refused:
        """Why a name is not used."""
        return Refused(
            f"{self.path / name} is {describe_kind(self.kind(name))} and was left alone: cyclekit "
            f"writes ordinary files and folders only. Remove it, or use another folder."
        )

    def remove(self, name: str) -> None:
        """Remove what lies under a name, whatever it is; what links lead to stays."""
        there = self.kind(name)
        with contextlib.suppress(FileNotFoundError):  # another process removes it, too
            if stat.S_ISDIR(there) and not self._leads_away(name):
                gone = incoming()  # at once, for whoever else looks
                self.replace(name, gone)
                shutil.rmtree(self.at(gone), dir_fd=self.number)
            elif there:
                os.unlink(self.at(name), dir_fd=self.number)

    @contextlib.contextmanager
    def fresh(self, make: Callable[[str], object]) -> Iterator[str]:
        """A name for what is not complete yet, which no other process cleans up meanwhile.

        Args:
            make: Makes a file or folder of the name. What is there at the end is removed.
        """
        while True:
            name = incoming()
            make(name)
            with self.holding(name) as held:
                if held is False or not self.kind(name):
                    continue  # cleaned up before it was held
                try:
                    yield name
                finally:
                    self.remove(name)
                return

    @contextlib.contextmanager
    def holding(self, name: str) -> Iterator[bool | None]:
        """Show other processes that one lives which uses what lies under a name.

        Yields:
            Whether no other process does; ``None`` where nobody can say.
        """
        number = self._opened(name)
        if number is None:
            yield None
            return
        try:
            yield hold(number)
        finally:
            os.close(number)

    def _opened(self, name: str) -> int | None:
        """A descriptor of what lies under a name, where the system gives one."""
        how = os.O_RDONLY | _NO_LINK | _NOT_WAITING
        try:
            return None if self.number is None else os.open(name, how, dir_fd=self.number)
        except OSError:
            return None

    def link(self, target: str, name: str) -> bool:
        """Make a link to a neighbour, where the system has such; returns whether it did."""
        try:
            os.symlink(target, self.at(name), dir_fd=self.number)
        except (OSError, NotImplementedError):  # no right to, some network disks
            return False
        return True

    def replace(self, name: str, to: str) -> None:
        """Rename at once, whatever file or link there was."""
        os.replace(self.at(name), self.at(to), src_dir_fd=self.number, dst_dir_fd=self.number)

    def move(self, source: "Handle", name: str, to: str) -> None:
        """Move what lies under ``name`` in ``source`` here, in place of a file that may be there.

        A folder replaces a folder, too, though not at once.
        """
        there = self.kind(to)
        if there and stat.S_ISDIR(source.kind(name)):
            self.require(to, stat.S_ISDIR)
            # A process that is killed here leaves the old one under a name that is cleaned up.
            old = incoming()
            os.rename(self.at(to), self.at(old), src_dir_fd=self.number, dst_dir_fd=self.number)
            os.rename(
                source.at(name), self.at(to), src_dir_fd=source.number, dst_dir_fd=self.number
            )
            self.remove(old)
            return
        self.require_replaceable(to)
        os.replace(source.at(name), self.at(to), src_dir_fd=source.number, dst_dir_fd=self.number)

    @contextlib.contextmanager
    def enter(self, name: str, make: bool) -> Iterator["Handle"]:
        """The folder under a name.

        Raises:
            Refused: If it is a link or no folder.
        """
        if make:
            with contextlib.suppress(FileExistsError):
                os.mkdir(self.at(name), dir_fd=self.number)
        if not _HANDLES:
            if self._leads_away(name) or not stat.S_ISDIR(self.kind(name)):
                self._explain(name)
            yield Handle(self.path / name, None)
            return
        try:
            number = os.open(name, _FOLDER | _NO_LINK, dir_fd=self.number)
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.ENOTDIR):
                self._explain(name)
            raise
        try:
            yield Handle(self.path / name, number)
        finally:
            os.close(number)

    def flush(self) -> None:
        """Wait until the folder's list of names has reached the disk, where that can be had."""
        if self.number is not None:
            with contextlib.suppress(OSError):  # some network disks
                os.fsync(self.number)

    def _explain(self, name: str) -> None:
        if not self.kind(name):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(self.path / name))
        raise self.refusal(name)

    def _leads_away(self, name: str) -> bool:
        """A link, or what Windows calls a junction."""
        place = self.path / name
        return place.is_symlink() or bool(getattr(os.path, "isjunction", lambda _: False)(place))


def incoming() -> str:
    """A name that nobody can foresee, for what is not complete yet."""
    return f"{ASIDE}{secrets.token_hex(8)}"


def describe_kind(mode: int) -> str:
    """What a mode of ``stat`` stands for, in words."""
    kinds = {
        stat.S_ISLNK: "a symbolic link",
        stat.S_ISFIFO: "a named pipe",
        stat.S_ISSOCK: "a socket",
        stat.S_ISCHR: "a device",
        stat.S_ISBLK: "a device",
        stat.S_ISDIR: "a folder",
        stat.S_ISREG: "a file",
    }
    return next((name for is_so, name in kinds.items() if is_so(mode)), "something else")


@contextlib.contextmanager
def opened(folder: Path) -> Iterator[Handle]:
    """The handle of a folder that a person named, by links if they like."""
    if not _HANDLES:
        folder.stat()
        yield Handle(folder, None)
        return
    number = os.open(folder, _FOLDER)
    try:
        yield Handle(folder, number)
    finally:
        os.close(number)


def open_file(path: Path, follow: bool = False) -> BufferedReader:
    """Open an ordinary file to read it; it can then be read whatever becomes of its name.

    Args:
        path: The file.
        follow: Whether it may be a link.

    Raises:
        OSError: If it is not there, or is a link, a device or a pipe.
    """
    links = 0 if follow else _NO_LINK
    if not follow and not _NO_LINK and path.is_symlink():
        raise OSError(errno.ELOOP, "it is a symbolic link", str(path))
    number = os.open(path, os.O_RDONLY | links | _BINARY | _NOT_WAITING)
    mode = os.fstat(number).st_mode
    if not stat.S_ISREG(mode):
        os.close(number)
        raise OSError(errno.EINVAL, f"it is {describe_kind(mode)}", str(path))
    return os.fdopen(number, "rb")


def read_text(path: Path, most: int = MOST_TEXT) -> str:
    """The text in an ordinary file; what is not UTF-8 in it is replaced.

    Raises:
        OSError: If it is not there, is anything else, or has more than ``most`` bytes.
    """
    with open_file(path) as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise OSError(errno.EFBIG, f"it has more than {most:,} bytes", str(path))
    return content.decode(errors="replace")


def identity(handle: Handle) -> tuple[int, int]:
    """What tells a folder from another of the same name."""
    status = handle.path.stat() if handle.number is None else os.fstat(handle.number)
    return status.st_dev, status.st_ino


def flush(path: Path) -> None:
    """Wait until a file, or a folder with all that is in it, has reached the disk."""
    if path.is_symlink():
        return  # what it leads to is somebody else's
    if path.is_dir():
        for inner in path.iterdir():
            flush(inner)
        with contextlib.suppress(OSError):  # Windows opens no folder, some disks flush none
            _flush(path, os.O_RDONLY)
        return
    _flush(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)


def _flush(path: Path, how: int) -> None:
    descriptor = os.open(path, how)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
