"""What a file is to a codec: by its name, and by a look inside where that is silent or lies."""

from pathlib import Path
from typing import Any

from cyclekit.contract.codec import Codec
from cyclekit.storage.handle import open_file

HEAD = 512  # bytes of a file that a codec may look at before it is read


def head_of(file: Path) -> bytes | None:
    """A file's first bytes; ``None`` where it cannot be read."""
    try:
        with open_file(file, follow=True) as opened:
            return opened.read(HEAD)
    except OSError:
        return None


def is_recognised(codec: Codec[Any], head: bytes, sequences: bool = True) -> bool:
    """Whether what begins so is a sample, or a file of many items, whatever it is called.

    Args:
        codec: Looks at it.
        head: The first ``HEAD`` bytes.
        sequences: Whether files of many items count.
    """
    return codec.recognises(head) or (sequences and codec.recognises_sequence(head))


def is_sequence(codec: Codec[Any], file: Path) -> bool:
    """Whether a file holds many items: by what is in it where the codec knows it, else by name."""
    if not codec.sequence_suffixes:
        return False
    head = head_of(file) or b""
    if codec.recognises_sequence(head):
        return True
    return file.suffix.lower() in codec.sequence_suffixes and not codec.recognises(head)
