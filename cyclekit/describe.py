"""What went wrong in somebody else's code, on one line, with the place."""

import traceback
from pathlib import Path

HOME = Path(__file__).parent
GO_BETWEENS = {"pluggy", "pydantic", "torch", "lightning_fabric", "importlib", "concurrent"}


def shown(text: str) -> str:
    """The text as a terminal may show it: what would steer it, or is no character, is escaped.

    Names of files may hold anything: sequences that move the cursor, bytes that are not UTF-8.
    """
    return "".join(c if c.isprintable() or c in "\n\t" else repr(c)[1:-1] for c in text)


def duration(seconds: float) -> str:
    """A time in its two largest units."""
    minutes = seconds / 60
    if seconds < 60:
        return f"{seconds:.0f} s"
    if minutes < 60:
        return f"{minutes:.0f} min" if minutes >= 10 else f"{int(minutes)} min {seconds % 60:.0f} s"
    if minutes < 48 * 60:
        return f"{int(minutes // 60)} h {int(minutes % 60)} min"
    return f"{int(minutes // 1440)} d {int(minutes % 1440 // 60)} h"


def describe_exception(error: BaseException) -> str:
    """``ValueError: message (at file.py:12)`` on one line; the place is the plugin's own code."""
    message = " ".join(_message(error).split())
    said = f"{type(error).__name__}: {message}" if message else type(error).__name__
    place = _own_line(error)
    return f"{said} (at {place})" if place else said


def _message(error: BaseException) -> str:
    """What it says; of pydantic's errors, each field with what is wrong."""
    from pydantic import ValidationError

    if not isinstance(error, ValidationError):
        return str(error)
    faults = error.errors(include_url=False)
    return "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in faults)


def _own_line(error: BaseException) -> str | None:
    """Where the code that cyclekit called stumbled: its innermost line in that code's folder."""
    frames = traceback.extract_tb(error.__traceback__)
    called = [i for i, frame in enumerate(frames) if Path(frame.filename).is_relative_to(HOME)]
    after = [
        frame
        for frame in (frames[called[-1] + 1 :] if called else ())
        if not frame.filename.startswith("<") and not GO_BETWEENS & set(Path(frame.filename).parts)
    ]
    if not after:
        return None
    folder = Path(after[0].filename).parent
    own = [frame for frame in after if Path(frame.filename).is_relative_to(folder)]
    return f"{Path(own[-1].filename).name}:{own[-1].lineno}"
