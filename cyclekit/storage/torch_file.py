"""What ``torch.save`` wrote, read by the reader that builds tensors and plain values alone."""

import io
import pickle
import re
import warnings
import zipfile
from typing import Any

import torch

NAMES = 100_000  # records in an archive: a network and its optimizer have a few for each parameter
ZIP, PICKLE = b"PK\x03\x04", b"\x80"
OF_SCRIPTS = ("constants.pkl", "/code/")  # records that TorchScript has, and no weights


class TorchFileError(Exception):
    """It cannot be read; says why."""


class HoldsCode(TorchFileError):  # noqa: N818 - it is what was found
    """Reading it might run code.

    Args:
        what: That it holds besides tensors and plain values.
    """

    def __init__(self, what: str) -> None:
        super().__init__(f"it holds {what} and was not opened, since that could run code")
        self.what = what


def read_torch_file(content: bytes) -> Any:
    """Tensors and plain values, on the CPU; sizes of tensors are as the file says them.

    Raises:
        HoldsCode: If it holds anything else.
        TorchFileError: If it is damaged, or no file that torch writes.
    """
    if content.startswith(ZIP):
        _require_plain_archive(content)
    elif not content.startswith(PICKLE):
        raise TorchFileError(
            "it is neither safetensors nor a file that torch writes (.pt, .pth, .ckpt), or damaged"
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of how it was written
            return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise _explained(str(error)) from error
    except Exception as error:  # torch's reader raises whatever a damaged file leads it to
        reason = " ".join(str(error).split())[:200]
        raise TorchFileError(f"it cannot be read: {reason or type(error).__name__}") from error


def _require_plain_archive(content: bytes) -> None:
    """Refuse archives that fill the memory when they are opened, and those that hold programs."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            records = archive.infolist()
    except Exception as error:  # zipfile too
        raise TorchFileError(f"it is no archive of torch's ({error})") from error
    if any(mark in record.filename for record in records for mark in OF_SCRIPTS):
        raise HoldsCode("a TorchScript program")
    # torch compresses no weights: what is compressed was made to fill the memory.
    if len(records) > NAMES or any(r.compress_type != zipfile.ZIP_STORED for r in records):
        raise TorchFileError("torch did not write it: it has compressed or far too many records")
    if sum(record.file_size for record in records) > len(content):
        raise TorchFileError("torch did not write it: its records lie over each other")


def _explained(said: str) -> TorchFileError:
    """What the reader refused, by its name where it says one."""
    said = " ".join(said.split())
    if found := re.search(r"GLOBAL ([\w.]+)", said):
        return HoldsCode(f"objects of {found[1][:100]}")
    said = said.rpartition("WeightsUnpickler error: ")[2].partition(" Check the documentation")[0]
    if "Unsupported" in said:
        return HoldsCode("more than tensors and plain values")
    return TorchFileError(f"it cannot be read: {said[:200]}")
