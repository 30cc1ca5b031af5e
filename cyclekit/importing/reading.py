"""Files of weights, opened without running anything from them: what is in them, and their hash."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn

from cyclekit.errors import CheckpointError
from cyclekit.memory import available_memory
from cyclekit.storage.handle import open_file
from cyclekit.storage.torch_file import HoldsCode, TorchFileError, read_torch_file

LARGEST = 2**34  # bytes of a file of weights
MOST_THINGS = 2_000_000  # in a checkpoint, its optimizer's state included
DEEPEST = 60  # dictionaries and lists in each other
LARGEST_HEADER = 2**26  # bytes of a safetensors file's list of tensors


@dataclass(frozen=True)
class Source:
    """A file that was read.

    Attributes:
        path: Where it lies.
        name: For messages.
        sha256: Of its content.
        size: In bytes.
        tree: What it holds: tensors and plain values in dictionaries and lists.
        origin: Where it was downloaded from, where it was.
    """

    path: Path
    name: str
    sha256: str
    size: int
    tree: Any
    origin: str = ""


def read_source(path: Path, origin: str = "") -> Source:
    """Read a file of torch's, or of safetensors.

    Args:
        path: The file; may be a link.
        origin: Where it was downloaded from.

    Raises:
        CheckpointError: If it cannot be read, holds code, or is not what it should be.
    """
    content = read_content(path)
    try:
        tree = _parsed(content)
        _require_plain(tree, len(content))
    except HoldsCode as error:
        raise CheckpointError(
            f"{path}: {error}. Whoever trusts it can take its weights out with the code that it "
            f"was made with: load it there, then torch.save(network.state_dict(), "
            f'"weights.pth"), and import that.'
        ) from error
    except TorchFileError as error:
        raise CheckpointError(f"{path}: {error}.") from error
    return Source(path, path.name, hashlib.sha256(content).hexdigest(), len(content), tree, origin)


def read_content(path: Path, most: int = LARGEST) -> bytes:
    """The bytes of an ordinary file.

    Raises:
        CheckpointError: If it cannot be read, or has more of them than there is room for.
    """
    try:
        with open_file(path, follow=True) as file:
            size = file.seek(0, 2)
            room = available_memory()
            if size > most or (room is not None and 3 * size > room):
                raise CheckpointError(f"{path} has {size:,} bytes, more than can be read here.")
            file.seek(0)
            return file.read(most)
    except (OSError, ValueError) as error:  # ValueError: a NUL in its name
        why = getattr(error, "strerror", None) or error
        raise CheckpointError(f"{path} cannot be read: {why}.") from error


def _parsed(content: bytes) -> Any:
    if not _looks_like_safetensors(content):
        return read_torch_file(content)
    try:
        return safetensors.torch.load(content)
    except Exception as error:  # what it raises for shapes and types that nobody writes has no end
        raise TorchFileError(f"it cannot be read: {str(error)[:200]}") from error


def _looks_like_safetensors(content: bytes) -> bool:
    """A length, then a JSON object of that length."""
    length = int.from_bytes(content[:8], "little")
    return content[8:9] == b"{" and length <= min(len(content) - 8, LARGEST_HEADER)


def _require_plain(tree: Any, size: int) -> None:
    """Refuse what a few bytes blow up: endless nesting, views that are larger than what they view.

    Raises:
        TorchFileError: Saying what.
    """
    logical = 0
    for count, (depth, thing) in enumerate(_everything(tree)):
        if count > MOST_THINGS or depth > DEEPEST:
            raise TorchFileError(
                f"it holds more than {MOST_THINGS:,} things, or some more than {DEEPEST} deep in "
                f"each other: no network is saved like that"
            )
        if isinstance(thing, Tensor):
            _require_own_memory(thing)
            logical += thing.numel() * thing.element_size()
    if logical > 8 * size + 2**20:  # several names for one tensor are usual
        raise TorchFileError("its tensors are many times as large as the file")


def _require_own_memory(tensor: Tensor) -> None:
    kind = type(tensor)
    if kind not in (Tensor, nn.Parameter) or tensor.layout != torch.strided:
        raise TorchFileError(f"it holds a tensor of a kind that no network has ({kind.__name__})")
    if tensor.is_quantized or tensor.device.type != "cpu":
        raise TorchFileError("it holds quantized tensors, or some without their values")
    if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
        raise TorchFileError("it holds a tensor that is larger than its memory")


def _everything(tree: Any) -> Iterator[tuple[int, Any]]:
    """All that is in dictionaries and lists, each container once, with how deep it lies."""
    waiting, seen = [(0, tree)], set()
    while waiting:
        depth, thing = waiting.pop()
        yield depth, thing
        if isinstance(thing, (Tensor, str, bytes)) or id(thing) in seen:
            continue
        if isinstance(thing, Mapping):
            seen.add(id(thing))
            waiting += [(depth + 1, inner) for inner in thing.values()]
        elif isinstance(thing, (Sequence, set, frozenset)):
            seen.add(id(thing))
            waiting += [(depth + 1, inner) for inner in thing]
