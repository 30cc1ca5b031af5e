"""What a file is that is not what its name says."""

from pathlib import Path

from cyclekit.data.beginnings import EMPTY, beginning
from cyclekit.data.kinds import head_of
from cyclekit.errors import BadSample


def explained(error: BadSample) -> BadSample:
    """The error, with what the file seems to be instead: empty, a web page, an archive, ..."""
    found = what_it_is(error.path)
    if found == EMPTY:
        return BadSample(error.path, EMPTY)
    return error.with_more(found) if found else error


def what_it_is(file: Path) -> str:
    """What a file seems to be by its beginning, if that is nothing to learn from; else nothing."""
    head = head_of(file)
    return "" if head is None else beginning(head)
