"""The one way in which files are written: whole, and below a folder that was named.

What is written goes under a name that nobody can foresee first, and into place when it is complete.
"""

import contextlib
import io
import os
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from cyclekit.storage.handle import ASIDE, Handle, Refused, flush, identity, incoming, opened


class Storage:
    """A folder to write into.

    The folder itself is what a person named, by links if they like; below it none is followed.

    Args:
        folder: Where. It need not be there yet.
        inside: Names that lead from there to the folder that is meant.
    """

    def __init__(self, folder: Path, *inside: str) -> None:
        self._root = folder
        self._inside = inside
        self._known: list[tuple[int, int]] = []  # shared with the folders below

    @property
    def path(self) -> Path:
        """Where it is."""
        return self._root.joinpath(*self._inside)

    def below(self, *names: str) -> "Storage":
        """A folder in it."""
        for name in names:
            if name in ("", ".", "..") or {"/", "\0", os.sep} & set(name):
                raise ValueError(f"{name!r} is no name in a folder")
        inner = Storage(self._root, *self._inside, *names)
        inner._known = self._known
        return inner

    def remember(self) -> None:
        """From now on refuse another folder in this one's place, such as another run's.

        So do the folders below, whenever they were asked for.
        """
        with opened(self._root) as root:
            self._known[:] = [identity(root)]

    @contextlib.contextmanager
    def open(self, make: bool = True) -> Iterator[Handle]:
        """Its handle.

        Args:
            make: Make what is not there.

        Raises:
            Refused: If a name on the way is a link or no folder, or the folder was replaced.
            OSError: If it cannot be made or opened.
        """
        if make and not self._known:
            self._root.mkdir(parents=True, exist_ok=True)
        with contextlib.ExitStack() as stack:
            handle = stack.enter_context(opened(self._root))
            if self._known and identity(handle) not in self._known:
                raise Refused(
                    f"{self._root} is not the folder any more that it was: somebody removed or "
                    f"replaced it while this process was using it. Nothing was written into it."
                )
            for name in self._inside:
                handle = stack.enter_context(handle.enter(name, make))
            yield handle

    def make(self) -> Path:
        """Make the folder where it is not there; returns where it is."""
        with self.open():
            return self.path

    def make_new(self, name: str) -> Path:
        """A folder in it that was not there before, whoever else makes one.

        Raises:
            FileExistsError: If it was.
        """
        with self.open() as handle:
            os.mkdir(handle.at(name), dir_fd=handle.number)
        return self.path / name

    def take(self, name: str, source: "Storage", called: str) -> None:
        """Move a file or folder here from another folder on the same disk.

        Args:
            name: What it is called here.
            source: Where it is.
            called: What it is called there.
        """
        with source.open(make=False) as there, self.open() as here:
            here.move(there, called, name)

    def empty(self) -> None:
        """Remove all that is in it, and the folder itself where it is no link."""
        with contextlib.suppress(FileNotFoundError), self.open(make=False) as handle:
            for name in handle.names():
                handle.remove(name)
        with contextlib.suppress(OSError):
            self.path.rmdir()

    def require_file(self, name: str) -> None:
        """Refuse what is there under a name and is no ordinary file, for writers that need a path.

        Raises:
            Refused: If it is a link, a folder or a device.
        """
        with contextlib.suppress(FileNotFoundError), self.open(make=False) as handle:
            handle.require(name, stat.S_ISREG)

    def write_text(self, name: str, text: str) -> Path:
        """Write a whole text file in place of the one that may be there, and wait for the disk."""
        return self.write_bytes(name, text.encode(errors="surrogateescape"))

    def write_bytes(self, name: str, content: bytes) -> Path:
        """Write a whole file in place of the one that may be there, and wait for the disk."""
        return self.write_stream(name, io.BytesIO(content))

    def write_stream(self, name: str, content: IO[bytes]) -> Path:
        """The same of what is read, little by little."""
        with self._named(name), self.open() as handle:
            handle.require_replaceable(name)
            with handle.fresh(handle.touch) as aside:
                with os.fdopen(handle.open(aside, os.O_WRONLY), "wb") as file:
                    shutil.copyfileobj(content, file)
                    file.flush()
                    os.fsync(file.fileno())
                handle.move(handle, aside, name)
            handle.flush()
        return self.path / name

    @contextlib.contextmanager
    def writing(self, name: str) -> Iterator[IO[bytes]]:
        """A new file to be written little by little, for what need not outlive this process."""
        with self.open() as handle:
            number = handle.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        with os.fdopen(number, "wb") as file:
            yield file

    def append_text(self, name: str, text: str) -> None:
        """Append to a file, which is made where it is not there."""
        with self._named(name), self.open() as handle:
            number = handle.open(name, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
            with os.fdopen(number, "ab") as file:
                file.write(text.encode(errors="surrogateescape"))

    def point(self, name: str, target: str) -> None:
        """Make ``name`` stand for its neighbour ``target``, at once or not at all.

        A link, or a text file that holds the target's name where links cannot be made, or cannot
        be replaced at once (Windows' links to folders).
        """
        with self.open() as handle:
            if stat.S_ISDIR(handle.kind(name)):
                handle.remove(name)  # links were followed when the folder was copied
            handle.require(name, stat.S_ISREG, stat.S_ISLNK)
            aside = incoming()
            if os.name == "nt" or not handle.link(target, aside):
                self.write_text(name, target)
                return
            handle.replace(aside, name)

    @contextlib.contextmanager
    def _named(self, name: str) -> Iterator[None]:
        """Have errors say which file they are about, as those of a full disk do not."""
        try:
            yield
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(self.path / name)) from error

    def remove(self, name: str) -> None:
        """Remove what lies under a name, links themselves rather than what they lead to."""
        with contextlib.suppress(FileNotFoundError), self.open(make=False) as handle:
            handle.remove(name)

    def clean(self, depth: int = 0, alone: bool = True) -> None:
        """Remove what killed processes left half written; what a living one writes stays.

        Args:
            depth: How many folders further down.
            alone: Whether no other process writes here: then what cannot be known to be in use,
                on disks without locks, is removed as well.
        """
        with contextlib.suppress(FileNotFoundError), self.open(make=False) as handle:
            for name in handle.names():
                if name.startswith(ASIDE):
                    with handle.holding(name) as held:
                        if held or (held is None and alone):
                            handle.remove(name)
                elif depth and stat.S_ISDIR(handle.kind(name)):
                    self.below(name).clean(depth - 1, alone)

    @contextlib.contextmanager
    def aside(self) -> Iterator["Aside"]:
        """A fresh folder for writers that need a path; what is not moved out of it is removed."""
        with self.open() as handle, handle.fresh(handle.make_private) as name:
            try:
                yield Aside(self, name)
            except OSError as error:
                if error.filename is not None:
                    raise
                raise OSError(error.errno, error.strerror, str(self.path)) from error


@dataclass(frozen=True)
class Aside:
    """A private folder in a storage.

    Attributes:
        storage: Where results are moved to.
        name: The folder's name in it.
    """

    storage: Storage
    name: str

    @property
    def path(self) -> Path:
        """Where to write."""
        return self.storage.path / self.name

    def make(self, name: str) -> Path:
        """A folder in it."""
        folder = self.path / name
        folder.mkdir()
        return folder

    def keep_all(self) -> None:
        """Move everything that was written, under its own name."""
        for made in list(self.path.iterdir()):
            self.keep(made.name)

    def keep_new(self, name: str, to: str) -> Path:
        """Move a folder into the storage, under a name that nothing or an empty folder has.

        Raises:
            OSError: If there is anything else.
        """
        with self.storage.open() as handle, contextlib.suppress(FileNotFoundError):
            os.rmdir(handle.at(to), dir_fd=handle.number)
        return self.keep(name, to)

    def keep(self, name: str, to: str | None = None) -> Path:
        """Move a file or folder into the storage, once all of it has reached the disk.

        Args:
            name: In the private folder.
            to: In the storage; default: the same.

        Returns:
            Where it is now.
        """
        to = name if to is None else to
        flush(self.path / name)
        with self.storage.open() as handle, handle.enter(self.name, make=False) as own:
            handle.move(own, name, to)
            handle.flush()
        return self.storage.path / to
