"""The state of checkpoints that cyclekit 0.1 wrote, in the one pickle that is ever opened."""

import io
import pickle
import zipfile
from typing import Any

import torch

NAMES = 20_000  # records in the archive: an optimizer has three tensors for each parameter


class OldStateError(Exception):
    """It cannot be read; says why."""


def read_old_state(content: bytes) -> Any:
    """What ``state.pt`` holds, by a reader that builds tensors and plain values alone.

    Raises:
        OldStateError: If it is damaged, or holds anything else.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            records = archive.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, EOFError) as error:
        raise OldStateError(f"it is no archive of torch's ({error})") from error
    # torch compresses nothing: what is compressed was made to fill the memory.
    if len(records) > NAMES or any(r.compress_type != zipfile.ZIP_STORED for r in records):
        raise OldStateError("torch did not write it: it has compressed or far too many records")
    if sum(record.file_size for record in records) > len(content):
        raise OldStateError("torch did not write it: its records lie over each other")
    try:
        return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise OldStateError(
            "it holds more than tensors and plain values and was not opened, since it could run "
            "code. Use a checkpoint that cyclekit wrote"
        ) from error
    except Exception as error:  # torch's reader raises whatever a damaged archive leads it to
        reason = " ".join(str(error).split())[:200]
        raise OldStateError(f"it cannot be read: {reason}") from error
