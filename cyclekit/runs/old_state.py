"""The state of checkpoints that cyclekit 0.1 wrote, in a file of torch's."""

from typing import Any

from cyclekit.storage.torch_file import HoldsCode, TorchFileError, read_torch_file


class OldStateError(Exception):
    """It cannot be read; says why."""


def read_old_state(content: bytes) -> Any:
    """What ``state.pt`` holds.

    Raises:
        OldStateError: If it is damaged, or holds more than tensors and plain values.
    """
    try:
        return read_torch_file(content)
    except HoldsCode as error:
        raise OldStateError(f"{error}. Use a checkpoint that cyclekit wrote") from error
    except TorchFileError as error:
        raise OldStateError(str(error)) from error
