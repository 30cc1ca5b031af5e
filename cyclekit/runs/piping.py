"""One file from standard input, one to standard output."""

import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cyclekit.errors import UsageError
from cyclekit.storage.folder import Storage
from cyclekit.storage.handle import open_file
from cyclekit.temporary import temporary_folder

PIPE = Path("-")
NAME = "input"  # of what comes from standard input


@dataclass(frozen=True)
class Piped:
    """Where files really lie while they come and go through pipes.

    Attributes:
        inputs: What to translate.
        output: Folder for the results.
        suffix: Ends the results' names.
        delivers: Whether the result goes to standard output.
    """

    inputs: tuple[Path, ...]
    output: Path
    suffix: str
    delivers: bool = False

    @classmethod
    @contextmanager
    def through(
        cls, inputs: Sequence[Path], output: Path, suffix: str, several: bool
    ) -> Iterator["Piped"]:
        """Read standard input, where ``-`` is an input, and have the result where it can be read.

        Args:
            inputs: As they were named.
            output: Likewise.
            suffix: Says of which kind the file from standard input is, if there is one.
            several: Whether more than the translation is asked for.

        Raises:
            UsageError: If pipes do not go with what else is asked for.
        """
        if PIPE not in (*inputs, output):
            yield cls(tuple(inputs), output, suffix)
            return
        _require_single(inputs, output, several)
        with temporary_folder() as folder:
            if PIPE in inputs:
                if suffix and (not suffix.startswith(".") or Path(NAME + suffix).stem != NAME):
                    raise UsageError(
                        f"--suffix {suffix!r}: with - for the input it says of which kind the file "
                        f"is, such as .png."
                    )
                storage = Storage(folder / "in")
                inputs, suffix = [storage.write_stream(NAME + suffix, sys.stdin.buffer)], ""
            delivers = output == PIPE
            yield cls(tuple(inputs), folder / "out" if delivers else output, suffix, delivers)

    def deliver(self) -> None:
        """Write what was translated to standard output, if it goes there and is there."""
        if not self.delivers:
            return
        found = [file for file in self.output.iterdir() if file.name != "translations.jsonl"]
        for file in found:
            with open_file(file) as result:
                shutil.copyfileobj(result, sys.stdout.buffer)
        sys.stdout.buffer.flush()


def _require_single(inputs: Sequence[Path], output: Path, several: bool) -> None:
    """Refuse what does not go with ``-``.

    Raises:
        UsageError: Saying what.
    """
    if len(inputs) > 1 or (output == PIPE and inputs[0].is_dir()):
        raise UsageError("- stands for a single file: name one input, which is no folder.")
    if output == PIPE and several:
        raise UsageError(
            "-o - writes a single file: leave out --cycle, --side-by-side, --samples "
            "and --skip-existing."
        )
    if output == PIPE and sys.stdout.isatty():
        raise UsageError("-o - writes the file itself to standard output: lead it on with > or |.")
