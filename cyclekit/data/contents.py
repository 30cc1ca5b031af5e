"""What a file is that is not what its name says."""

from pathlib import Path

from cyclekit.data.beginnings import EMPTY, beginning
from cyclekit.data.listing import HEAD
from cyclekit.errors import BadSample
from cyclekit.storage.handle import open_file


def explained(error: BadSample) -> BadSample:
    """The error, with what the file seems to be instead: empty, a web page, an archive, ..."""
    found = what_it_is(error.path)
    if found == EMPTY:
        return BadSample(error.path, EMPTY)
    return error.with_more(found) if found else error


def what_it_is(file: Path) -> str:
    """What a file seems to be by its beginning, if that is nothing to learn from; else nothing."""
    try:
        with open_file(file, follow=True) as opened:
            head = opened.read(HEAD)
    except OSError:
        return ""
    return beginning(head)
