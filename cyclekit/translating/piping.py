"""One file from standard input, one to standard output or to a file of a name."""

import mimetypes
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from cyclekit.errors import UsageError
from cyclekit.storage.folder import Storage
from cyclekit.storage.handle import open_file
from cyclekit.temporary import temporary_folder

PIPE = Path("-")
MOST_KINDS = 6  # suffixes, in a message
NAME = "input"  # of what comes from standard input
MEDIA = {
    "image": ("webp", "avif", "jp2", "j2k", "pfm", "heic"),
    "audio": ("flac", "ogg", "mp3", "m4a", "opus", "caf", "w64"),
    "audio/midi": ("mid", "midi", "kar", "smf", "rmi"),
    "video": ("3gp",),  # which Python takes for a recording
}
"""Suffixes of which Python's own table knows nothing or something else; a kind alone: each suffix
is one of its own."""


@dataclass(frozen=True)
class Piped:
    """Where files really lie while they come and go through pipes, or to a file.

    Attributes:
        inputs: What to translate.
        output: Folder for the results.
        suffix: Ends the results' names.
        goes_to: What the result of the only input goes to: ``-``, or a file; ``None``: the folder.
    """

    inputs: tuple[Path, ...]
    output: Path
    suffix: str
    goes_to: Path | None = None

    @classmethod
    @contextmanager
    def through(
        cls, inputs: Sequence[Path], output: Path, suffix: str, several: bool
    ) -> Iterator["Piped"]:
        """Read standard input, where ``-`` is an input, and have the result where it can be read,
        where the output is ``-`` or is called like a file, such as ``out.png``.

        Args:
            inputs: As they were named.
            output: Likewise.
            suffix: Says of which kind the file from standard input is, if there is one.
            several: Whether more than the translation is asked for.

        Raises:
            UsageError: If that does not go with what else is asked for.
        """
        alone = output == PIPE or is_file(output)
        if PIPE not in inputs and not alone:
            yield cls(tuple(inputs), output, suffix)
            return
        _require_single(inputs, output, alone, several)
        with temporary_folder() as folder:
            if PIPE in inputs:
                if suffix and (not suffix.startswith(".") or Path(NAME + suffix).stem != NAME):
                    raise UsageError(
                        f"--suffix {suffix!r}: with - for the input it says of which kind the file "
                        f"is, such as .png."
                    )
                storage = Storage(folder / "in")
                inputs, suffix = [storage.write_stream(NAME + suffix, sys.stdin.buffer)], ""
            place = folder / "out" if alone else output
            yield cls(tuple(inputs), place, suffix, output if alone else None)

    def format(self, asked: str | None, formats: Sequence[str], kinds: Set[str]) -> str | None:
        """What the result is written as: the one that was asked for, or that its file is of.

        Args:
            asked: By name.
            formats: The codec's.
            kinds: Suffixes of the files that it reads; empty: not known.

        Raises:
            UsageError: If the file that was named is of none of these kinds.
        """
        if self.goes_to not in (None, PIPE) and kinds and self.goes_to.suffix.lower() not in kinds:
            raise UsageError(
                f"-o {self.goes_to}: results of this run are no {self.goes_to.suffix} files. Name "
                f"one of its kinds ({', '.join(sorted(kinds)[:MOST_KINDS])}, ...), or a folder."
            )
        kind = _media(self.goes_to) if self.goes_to else ""
        of_file = kind.rpartition("/")[-1]
        return of_file if asked is None and of_file in formats else asked

    def deliver(self, warn: Callable[[str], None]) -> None:
        """Write what was translated to where it goes, if there is any and it has no folder.

        Args:
            warn: Told where the result is of another kind than the file that was named; it then
                gets its own suffix as well.
        """
        if self.goes_to is None:
            return
        found = [file for file in self.output.iterdir() if file.name != "translations.jsonl"]
        for file in found:
            with open_file(file) as result:
                if self.goes_to == PIPE:
                    shutil.copyfileobj(result, sys.stdout.buffer)
                    continue
                place = self.goes_to
                if _media(file) != _media(place):
                    # Another suffix in its place might name a file that is there, even the input.
                    place = place.with_name(place.name + file.suffix)
                    warn(f"-o {self.goes_to}: results are {file.suffix} files, written to {place}")
                Storage(place.parent).write_stream(place.name, result)
        sys.stdout.buffer.flush()


def is_file(output: Path) -> bool:
    """Whether this is called like a picture, a recording or a score, and is no folder. Films are
    written where they stay: they are too large to be moved."""
    return _media(output).startswith(("image/", "audio/")) and not output.is_dir()


def _media(file: Path) -> str:
    """Its media type, such as ``image/jpeg``, by its name."""
    return _types().guess_type(file.name.lower())[0] or ""


@cache
def _types() -> mimetypes.MimeTypes:
    """Python's table and ``MEDIA``, and nothing that one system has and another lacks."""
    types = mimetypes.MimeTypes()
    for kind, suffixes in MEDIA.items():
        for suffix in suffixes:
            types.add_type(kind if "/" in kind else f"{kind}/{suffix}", f".{suffix}")
    return types


def _require_single(inputs: Sequence[Path], output: Path, alone: bool, several: bool) -> None:
    """Refuse what does not go with ``-``, or with a result that goes ``alone``.

    Raises:
        UsageError: Saying what.
    """
    if len(inputs) > 1 or (alone and inputs[0].is_dir()):
        if PIPE in (*inputs, output):
            raise UsageError("- stands for a single file: name one input, which is no folder.")
        raise UsageError(
            f"-o {output} is a single file: name one input, which is no folder, or a folder for "
            f"the results."
        )
    if output.exists() and inputs[0].exists() and output.samefile(inputs[0]):
        raise UsageError(f"-o {output} is the input, which the result would replace: name another.")
    if alone and several:
        raise UsageError(
            f"-o {output} writes a single file, and --to all, --cycle, --side-by-side, --samples "
            f"and --skip-existing ask for more: leave them out."
        )
    if output == PIPE and sys.stdout.isatty():
        raise UsageError("-o - writes the file itself to standard output: lead it on with > or |.")
